"""What becomes of the images of workers that died."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import AsyncRgbError, RenderTimeoutError, WorkerCrashError
from asyncrgb.pipeline.workers.journal import ENDED, OVERWRITING, OVERWRITTEN, UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncrgb.pipeline.task import Task
    from asyncrgb.pipeline.workers.journal import Account

_PATIENCE: Final = 5
_ALARM: Final = -getattr(signal, "SIGALRM", 0)
_CRASHED: Final = (
    "a worker process died while it rendered this image (a crash of its decoder, or the "
    "system was out of memory): check the file, or leave it out"
)
_HOPELESS: Final = (
    "the worker processes died {} times in a row before any image was finished, and no image "
    "is at fault: something ends them, such as a lack of memory; try fewer (--workers), "
    "or --executor thread"
)


@dataclass(slots=True)
class Aftermath:
    """What is to be done about the images of a broken batch.

    Attributes:
        finished: pictures that are complete, and nothing else was to be said of them: their
            tasks, with their lengths.
        failed: tasks of images that are at fault, with what is to be said of them.
        suspects: tasks of images under way when the worker died; whole.
        whole: tasks of other images that are as they were read.
        spoilt: tasks of images that have been overwritten, to be read again.
        progress: whether anything was finished, or found at fault.

    """

    finished: list[tuple[Task, int]] = field(default_factory=list)
    failed: list[tuple[Task, Exception]] = field(default_factory=list)
    suspects: list[Task] = field(default_factory=list)
    whole: list[Task] = field(default_factory=list)
    spoilt: list[Task] = field(default_factory=list)
    progress: bool = False


def take_stock(
    tasks: list[Task], account: Account, exits: Mapping[int, int], timeout: float | None
) -> Aftermath:
    """Sort the images of a broken batch by what was noted of them.

    Args:
        tasks: of the batch.
        account: what was noted.
        exits: how the workers ended, by process number, as far as is known.
        timeout: seconds that an image may take, if they are limited.

    """
    after = Aftermath()
    for task, state in zip(tasks, account.states, strict=True):
        if state > 0:
            after.finished.append((task, state))
        elif state in (UNDER_WAY, OVERWRITING):
            _judge(after, task, account, exits.get(account.worker), timeout)
        else:
            (after.spoilt if state == OVERWRITTEN else after.whole).append(task)
    ended = any(state in (ENDED, OVERWRITTEN) for state in account.states)
    after.progress = bool(after.finished or after.failed or ended)
    return after


def _judge(
    after: Aftermath, task: Task, account: Account, status: int | None, timeout: float | None
) -> None:
    """Find out whether an image that was under way is to blame."""
    if timeout is not None and _timed_out(account, status, timeout):
        after.failed.append((task, _too_slow(timeout)))
        return
    if task.alone and (task.spared or status != -signal.SIGTERM):
        after.failed.append((task, WorkerCrashError(_CRASHED)))
        return
    task.spared = task.alone  # SIGTERM is how a pool ends who is left when another has died
    task.alone = True
    overwritten = OVERWRITING in account.states
    (after.spoilt if overwritten else after.suspects).append(task)


def _timed_out(account: Account, status: int | None, timeout: float) -> bool:
    took = (monotonic_ns() - account.began) / 1e9
    return took >= timeout and status in (_ALARM, None)


def _too_slow(timeout: float) -> RenderTimeoutError:
    return RenderTimeoutError(
        f"the image took longer than {timeout:g} s: allow it more (--timeout, Limits.timeout), "
        "or leave the file out"
    )


class Patience:
    """Tells workers that die of an image now and then from those that always die."""

    def __init__(self) -> None:
        self._in_vain = 0

    def renew(self) -> None:
        """Take note that something has been finished, or found at fault."""
        self._in_vain = 0

    def lose(self) -> None:
        """Take note that workers have died.

        Raises:
            AsyncRgbError: they have done so too often since ``renew``.

        """
        self._in_vain += 1
        if self._in_vain > _PATIENCE:
            raise AsyncRgbError(_HOPELESS.format(self._in_vain))
