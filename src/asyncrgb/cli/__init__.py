"""The command: options to the public API, outcomes to the terminal.

Uses the public API only, and imports it when a command runs: ``--help`` needs none of it.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from asyncrgb.cli.convert import convert
from asyncrgb.cli.info import info
from asyncrgb.cli.parameters import CommandGroup
from asyncrgb.cli.sample import sample
from asyncrgb.cli.stats import stats
from asyncrgb.cli.terminal import explain
from asyncrgb.errors import AsyncRgbError, OptionsError

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE_ERROR = 2
FAILED = 1
INTERRUPTED = 130

command = CommandGroup(name="asyncrgb", default=convert, commands=[convert, info, stats, sample])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 all well, 1 some files failed, 2 usage, 130 interrupted."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command; the one place where errors become messages and exit codes."""
    try:
        return command.main(arguments, prog_name="asyncrgb", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # on the way out already
        return INTERRUPTED
    except (OptionsError, OSError) as error:
        click.echo(f"asyncrgb: {explain(error)}", err=True)
        return USAGE_ERROR
    except AsyncRgbError as error:
        click.echo(f"asyncrgb: {explain(error)}", err=True)
        return FAILED
