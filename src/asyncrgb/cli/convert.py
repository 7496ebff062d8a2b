"""``asyncrgb SRC DST``: the main job."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from asyncrgb.cli.cluster import cluster, each_of
from asyncrgb.cli.insight import InsightFile, means
from asyncrgb.cli.limits import fault_options, limit_options, limits, terminal_options
from asyncrgb.cli.outlets import Forecast, Outlets, ReportFile
from asyncrgb.cli.parameters import (
    STDOUT,
    GroupedCommand,
    GroupedOption,
    Name,
    any_path,
    written_file,
)
from asyncrgb.cli.picture import picture_options, render_options
from asyncrgb.cli.running import Setting, logger
from asyncrgb.cli.session import carry_out
from asyncrgb.cli.stopping import Stopper
from asyncrgb.cli.terminal import CONVERTING, FORECAST, Progress
from asyncrgb.cli.words import explain
from asyncrgb.exposure import advice
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from logging import Logger

    from asyncrgb import Converter, Outcome, Report
    from asyncrgb.options import RenderOptions

_files = partial(click.option, cls=GroupedOption, group="Files")

# what Converter.convert takes under the same names
_AS_GIVEN: Final = ("layout", "force", "dry_run", "on_error", "max_errors")


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="SRC", type=any_path)
@click.argument("destination", metavar="DST", type=any_path)
@picture_options
@_files(
    "--layout",
    type=Name(["flat", "tree"]),
    default="flat",
    show_default=True,
    help="All results in one folder, or in folders as in SRC.",
)
@_files(
    "--force",
    is_flag=True,
    help="Convert also what is up to date, and replace pictures that asyncrgb has not made.",
)
@_files("--dry-run", is_flag=True, help="List what would be done, and write nothing.")
@_files("--fsync", is_flag=True, help="Have each result on the disk before it gets its name.")
@_files(
    "--insight",
    type=written_file,
    metavar="FILE",
    help="Write where the time went, and what held the run up, as JSON, at its end.",
)
@limit_options
@fault_options
@terminal_options
@click.version_option(package_name="asyncrgb", message="asyncrgb %(version)s")
def convert(source: str, destination: str, **given: Any) -> int:  # noqa: ANN401 - click's
    """Turn the multispectral TIFFs in SRC into RGB pictures in DST.

    SRC is a folder, read with all folders below it, or a file. DST is a folder, or the name
    of one result, ending in .png, .jpg, .webp or .tif. The folder may lie in SRC, and it is
    brought up to date: a run that was broken off goes on where it stopped, and only what is
    new or changed is converted. Both may be URLs of object stores (s3://, gs://, az://), and SRC
    that of a file on the web.
    """
    if given["on_error"] == "stop" and given["max_errors"] is not None:
        raise click.UsageError("--on-error stop and --max-errors: give only one of them")
    _check_files(given, destination)
    options = render_options(given, source, destination)
    found = limits(given)
    with cluster(given["dask"], found, quiet=given["quiet"]) as client:
        each = each_of(given["dask"], found)
        setting = Setting(options, each, given["executor"], given["fsync"], cluster=client)
        return _convert(source, destination, setting, given)


def _check_files(given: Mapping[str, Any], destination: str) -> None:
    """Refuse files that would take each other's place, or that of the results."""
    if given["insight"] == STDOUT:
        raise click.UsageError("--insight -: stdout has the summary: name a file")
    taken = {os.path.realpath(destination): "DST is"}
    for name in ("--report", "--insight"):
        path = given[name.removeprefix("--")]
        if path is None or path == STDOUT or (os.path.exists(path) and not os.path.isfile(path)):
            continue  # a device takes what comes
        whose = taken.setdefault(os.path.realpath(path), f"{name} goes")
        if not whose.startswith(name):
            raise click.UsageError(f"{name} {path}: {whose} there already: name another file")


def _convert(source: str, destination: str, setting: Setting, given: Mapping[str, Any]) -> int:
    log = logger(verbose=given["verbose"])
    log.info("%s", setting)
    if setting.cluster is None:
        _say(log, means(setting))
    insight_file = InsightFile(given["insight"]) if given["insight"] is not None else None
    outlets = _outlets(given)
    options = setting.options
    progress = _progress(given, options, partial(_count, source, destination, options))
    setting = setting._replace(on_event=progress.hear)

    def take(outcome: Outcome) -> None:
        progress.take(outcome)
        outlets.take(outcome)

    async def job(converter: Converter) -> Report:
        outlets.when_failed = converter.drain
        report = await converter.convert(
            source,
            destination,
            on_outcome=take if outlets else progress.take,
            trace=given["report"] is not None,
            **{name: given[name] for name in _AS_GIVEN},
        )
        outlets.close()
        if report.stopped and not Stopper.has_signal():
            progress.say("asyncrgb: stopped by errors: the same command goes on from here")
        return report

    report, code = carry_out(setting, job, progress)
    if report is not None and report.insight is not None:
        _say(log, report.insight.lines())
        if insight_file is not None:
            try:
                insight_file.write(report.insight)
            except OSError as error:
                progress.say(f"asyncrgb: {explain(error)}")
                code = 1
    return 1 if report is not None and report.stopped else code


def _say(log: Logger, lines: Iterable[str]) -> None:
    for line in lines:
        log.info("%s", line)


def _outlets(given: Mapping[str, Any]) -> Outlets:
    """Open all that outcomes go to; what cannot be opened is an error before anything begins."""
    forecasts = [Forecast(failures_only=given["quiet"])] if _lists(given) else []
    reports = [ReportFile(given["report"])] if given["report"] is not None else []
    return Outlets([*reports, *forecasts])


def _lists(given: Mapping[str, Any]) -> bool:
    """Tell whether stdout has a list for people, of what would be done."""
    return bool(given["dry_run"]) and given["report"] != STDOUT


def _progress(
    given: Mapping[str, Any], options: RenderOptions, count: Callable[[], int]
) -> Progress:
    reported = given["report"] == STDOUT  # line by line, which is progress enough
    bar = given["progress"] and not given["dry_run"] and not reported
    words = FORECAST if given["dry_run"] else CONVERTING
    advise = partial(advice, options=options, borrowed=given["stats"] is not None)
    return Progress(
        words._replace(advise=advise, located=options.worldfile),
        quiet=given["quiet"],
        count=count if bar else None,
        failures=not _lists(given),
        summary_on_stderr=reported,
    )


def _count(source: str, destination: str, options: RenderOptions) -> int:
    """Count the steps of a bar: with percentiles of a dataset there are two for each image."""
    from asyncrgb import count_sources  # noqa: PLC0415 - needed only for a bar

    stretch = options.stretch
    twice = isinstance(stretch, PercentileStretch) and stretch.scope == "dataset"
    return (2 if twice else 1) * count_sources(source, destination)
