"""``asyncrgb tune``: which limits suit these files, this storage, this machine."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from asyncrgb.cli.limits import limits, resource_options, terminal_options
from asyncrgb.cli.parameters import GroupedCommand, GroupedOption, local_path
from asyncrgb.cli.picture import picture_options, render_options
from asyncrgb.cli.running import Setting, logger, run
from asyncrgb.cli.settings import check_saving, save, saved_file
from asyncrgb.cli.stopping import Stopper
from asyncrgb.cli.terminal import tell
from asyncrgb.cli.tuned import notes_for_file, recommended, told

if TYPE_CHECKING:
    from tqdm import tqdm

    from asyncrgb import Converter
    from asyncrgb.tuning.results import Results
    from asyncrgb.tuning.tuner import Tuning

_SECONDS: Final = 60.0
_BAR: Final = "{l_bar}{bar}| {n:.0f}/{total:.0f} s{postfix}"


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="SRC", type=local_path)
@click.argument("destination", metavar="[DST]", type=local_path, required=False)
@click.option(
    "--seconds",
    cls=GroupedOption,
    group="Tuning",
    type=click.FloatRange(min=1, max=86400),
    metavar="SECONDS",
    default=_SECONDS,
    show_default=True,
    help="What it may take, roughly.",
)
@click.option(
    "--plot",
    cls=GroupedOption,
    group="Tuning",
    type=local_path,
    metavar="FILE",
    help="Draw throughput against readers and workers: a .png, .svg or .pdf, with matplotlib.",
)
@click.option(
    "--save",
    cls=GroupedOption,
    group="Tuning",
    type=saved_file,
    metavar="FILE",
    help="Write what is recommended to this .toml file, for --config.",
)
@resource_options
@picture_options
@terminal_options
def tune(source: str, destination: str | None, **given: Any) -> int:  # noqa: ANN401 - click's
    """Measure which limits suit the files in SRC, and the storage that they lie on.

    Some of the files are converted over and over, with other numbers of readers and workers
    each time, and the best are compared with the limits that would be used anyway. With DST,
    results go into a hidden folder in it and writers are tuned too; without it, they go into
    the system's temporary folder. All of them are removed in the end.
    """
    _check_files(given)
    options = render_options(given, source, destination or os.curdir)
    setting = Setting(options, limits(given), "process")
    logger(verbose=given["verbose"]).info("%s", setting)
    tuning = _measured(source, destination, setting, given)
    if Stopper.has_signal():  # what has been measured is told, but not what to make of it
        return 0
    if given["save"] is not None:
        save(given["save"], recommended(tuning), notes_for_file(tuning))
    if given["plot"] is not None:
        from asyncrgb.tuning.plot import draw  # noqa: PLC0415 - the same

        draw(given["plot"], tuning.findings, tuning.ceiling)
    return 0


def _check_files(given: dict[str, Any]) -> None:
    """Find out before anything is measured whether all that is asked for can be written."""
    if given["save"] is not None:
        check_saving(given["save"])
    if given["plot"] is not None:
        from asyncrgb.tuning.plot import check_plot  # noqa: PLC0415 - for who asks for it

        check_plot(given["plot"])


def _measured(
    source: str, destination: str | None, setting: Setting, given: dict[str, Any]
) -> Tuning:
    """Measure, and tell what was found, however it ends."""
    from asyncrgb.tuning.results import Results  # noqa: PLC0415 - what --help does not need
    from asyncrgb.tuning.search import Findings  # noqa: PLC0415 - the same
    from asyncrgb.tuning.tuner import Task, Tuning, tune  # noqa: PLC0415 - the same

    stopper = Stopper.of_command()
    if stopper is not None:
        stopper.install()
    tuning = Tuning(Findings(setting.limits))
    results = Results(destination)
    voice = _Voice(tuning, results, given)
    task = Task(
        source,
        destination,
        setting.options,
        setting.limits,
        given["seconds"],
        say=voice.show,
        wanted=lambda: stopper is None or not stopper.number,
    )

    async def job(_: Converter) -> None:
        await tune(task, results, tuning)

    try:
        run(setting, job, stopper, voice)
    finally:
        voice.close()
    if stopper is None or stopper.may_conclude():
        voice.conclude(interrupted=Stopper.has_signal())
    return tuning


class _Voice:
    """Shows how far it has come, and tells what was found."""

    def __init__(self, tuning: Tuning, results: Results, given: dict[str, Any]) -> None:
        self._tuning = tuning
        self._results = results
        self._quiet = given["quiet"]
        self._seconds = float(given["seconds"])
        self._bar: tqdm[Any] | None = None
        if given["progress"] and not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415 - 90 ms that are wasted where nobody looks

            self._bar = tqdm(total=self._seconds, bar_format=_BAR, dynamic_ncols=True)

    def show(self, what: str, seconds: float) -> None:
        """Show what is being measured, and after how many seconds."""
        if self._bar is not None:
            with suppress(OSError):  # nobody looks any more
                self._bar.n = min(seconds, self._seconds)
                self._bar.set_postfix_str(what)

    def say(self, line: str) -> None:
        """Write a line to stderr, above the bar; from any thread."""
        if self._bar is None:
            tell(line, err=True)
            return
        with suppress(OSError):  # nobody listens any more
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave nothing behind, neither on the disk nor half a bar."""
        self._results.remove()
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):
                bar.close()

    def conclude(self, *, interrupted: bool) -> None:
        """Tell what was found, or as much as there is of it."""
        self.close()
        if interrupted:
            tell("interrupted: these are the figures so far", err=True)
        lines = told(self._tuning, interrupted=interrupted, quiet=self._quiet)
        if lines:
            tell("\n".join(lines))
