"""``asyncrgb SRC DST``: the main job."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from asyncrgb.cli.parameters import GroupedCommand, GroupedOption
from asyncrgb.cli.picture import picture_options, render_options
from asyncrgb.cli.running import limit_options, limits, logger, run, terminal_options
from asyncrgb.cli.terminal import Progress
from asyncrgb.options import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Executor

    from asyncrgb import Report

_files = partial(click.option, cls=GroupedOption, group="Files")


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@picture_options
@_files(
    "--layout",
    type=click.Choice(["flat", "tree"]),
    default="flat",
    show_default=True,
    help="All results in one folder, or in folders as in SRC.",
)
@_files("--force", is_flag=True, help="Convert also what is up to date.")
@limit_options
@terminal_options
@click.version_option(package_name="asyncrgb", message="asyncrgb %(version)s")
def convert(source: str, destination: str, **given: Any) -> int:  # noqa: ANN401 - click's
    """Turn the multispectral TIFFs in SRC into RGB pictures in DST.

    SRC is a folder, read with all folders below it, or a file. DST is a folder, or the name
    of one result, ending in .png, .jpg, .webp or .tif. The folder may lie in SRC, and it is
    brought up to date: a run that was broken off goes on where it stopped, and only what is
    new or changed is converted.
    """
    options = render_options(given, source, destination)
    most = limits(given)
    log = logger(verbose=given["verbose"])
    log.info("%s, %s, executor=%s", options, most, given["executor"])
    stretch = options.stretch
    twice = isinstance(stretch, PercentileStretch) and stretch.scope == "dataset"
    bar = given["progress"] and not given["quiet"]
    count = partial(_count, source, destination, 2 if twice else 1)

    def work(executor: Executor | None) -> Coroutine[Any, Any, Report]:
        from asyncrgb import convert as convert_all  # noqa: PLC0415 - what --help does not need

        files = {name: given[name] for name in ("layout", "force")}
        take = progress.take
        return convert_all(
            source, destination, options, limits=most, executor=executor, on_outcome=take, **files
        )

    with Progress(bar=bar, count=count) as progress:
        run(work, given["executor"], most)
    if not given["quiet"]:
        click.echo("\n".join([progress.summary(), *progress.advice()]))
    return 1 if progress.counts["Failed"] else 0


def _count(source: str, destination: str, passes: int) -> int:
    from asyncrgb import count_sources  # noqa: PLC0415 - needed only for a bar

    return passes * count_sources(source, destination)
