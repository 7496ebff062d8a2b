"""A run from its beginning to its exit code: its summary is true, however it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from asyncrgb.cli.running import run
from asyncrgb.cli.stopping import Stopper
from asyncrgb.cli.words import StdoutError, explain, is_full, is_unread
from asyncrgb.errors import AsyncRgbError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncrgb import Converter
    from asyncrgb.cli.running import Setting
    from asyncrgb.cli.terminal import Progress

_T = TypeVar("_T")


def carry_out(
    setting: Setting, job: Callable[[Converter], Coroutine[Any, Any, _T]], progress: Progress
) -> tuple[_T | None, int]:
    """Run ``job``, say what stopped it, if anything did, and sum up.

    Returns:
        What the job did, None if it came to no end; and the exit code, which that of a signal
        replaces, if there was one.

    Raises:
        AsyncRgbError, OSError: nothing was begun.

    """
    stopper = Stopper.of_command()
    if stopper is not None:
        stopper.install()
    result, stopped = None, False
    try:
        result = run(setting, job, stopper, progress)
    except (AsyncRgbError, OSError) as error:
        if not progress.counts and not is_full(error):
            raise
        stopped = not is_unread(error)
        if stopped:
            progress.say(f"asyncrgb: {explain(error)}")
    finally:
        progress.close()
    if stopper is None or stopper.may_conclude():
        try:
            progress.conclude(interrupted=Stopper.has_signal())
        except StdoutError:
            if not stopped:  # once is enough
                raise
    return result, int(stopped or progress.counts["Failed"] > 0)
