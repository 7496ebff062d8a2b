"""The command: options to the public API, outcomes to the terminal.

Uses the public API only, and imports it when a command runs: ``--help`` needs none of it.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from asyncrgb.cli.convert import convert
from asyncrgb.cli.info import info
from asyncrgb.cli.parameters import CommandGroup
from asyncrgb.cli.sample import sample
from asyncrgb.cli.stats import stats
from asyncrgb.cli.stopping import Stopper
from asyncrgb.cli.terminal import tell
from asyncrgb.cli.tune import tune
from asyncrgb.cli.words import StdoutError, explain, is_unread, to_stdout
from asyncrgb.errors import AsyncRgbError, OptionsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

USAGE_ERROR = 2
FAILED = 1
INTERRUPTED = 130

command = CommandGroup(
    name="asyncrgb", default=convert, commands=[convert, info, stats, tune, sample]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit.

    0: all is well; 1: some files failed, or errors ended the run; 2: usage, or nothing was
    begun; 130, 143: Ctrl-C, SIGTERM.
    """
    with suppress(AttributeError, OSError):  # whatever stands in for stdout
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # the same
    stopper = Stopper()
    code = stopper.exit_code(_flushed(_run(arguments, stopper)))
    stopper.retire()
    sys.exit(code)


def _run(arguments: Sequence[str] | None, stopper: Stopper) -> int:
    """Run the command; the one place where errors become messages and exit codes."""
    try:
        return _called(arguments, stopper)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - nobody is to see a traceback who has not asked
        return _told(error)


def _called(arguments: Sequence[str] | None, stopper: Stopper) -> int:
    try:
        return (
            command.main(arguments, prog_name="asyncrgb", standalone_mode=False, obj=stopper) or 0
        )
    except SystemExit as error:  # click's, where nobody reads its help
        return int(error.code or 0)


def _told(error: Exception) -> int:
    """Tell what is wrong, and give the exit code that stands for it."""
    if isinstance(error, (AsyncRgbError, OSError, MemoryError)):
        tell(f"asyncrgb: {explain(error)}", err=True)
    else:
        logging.getLogger("asyncrgb").info("an error of asyncrgb itself", exc_info=error)
        tell(f"asyncrgb: {explain(error)}: please report it; --verbose tells more", err=True)
    begun_nothing = isinstance(error, (OptionsError, OSError)) and not isinstance(
        error, StdoutError
    )
    return USAGE_ERROR if begun_nothing else FAILED


def _flushed(code: int) -> int:
    """Let go what is left for stdout; that it cannot be written is an error, unless it is a pipe.

    Left to the interpreter, it would be a traceback; what is left for stderr, exit code 120.
    """
    try:
        _flush(sys.stdout)
    except OSError as error:
        problem = to_stdout(error)
        return code if is_unread(problem) else code or _told(problem)
    finally:
        with suppress(OSError):
            _flush(sys.stderr)
    return code


def _flush(stream: TextIO) -> None:
    """Write what is left for a stream, or drop it and raise the OSError that says why."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
