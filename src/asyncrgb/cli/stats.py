"""``asyncrgb stats``: the values of a dataset, counted once for any number of conversions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from asyncrgb.cli.cluster import cluster, each_of
from asyncrgb.cli.limits import limit_options, limits, terminal_options
from asyncrgb.cli.parameters import STDOUT, GroupedCommand, GroupedOption, any_path, written_file
from asyncrgb.cli.picture import value_options
from asyncrgb.cli.running import Setting, logger
from asyncrgb.cli.session import carry_out
from asyncrgb.cli.stopping import Stopper
from asyncrgb.cli.terminal import MEASURING, Progress, tell
from asyncrgb.cli.words import explain
from asyncrgb.cli.written import write_text
from asyncrgb.options import RenderOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncrgb import Converter, Statistics


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="SRC", type=any_path)
@click.option(
    "-o",
    "--output",
    cls=GroupedOption,
    group="Files",
    type=written_file,
    metavar="FILE",
    default=STDOUT,
    show_default=True,
    help="Where to; - is stdout.",
)
@value_options
@limit_options
@terminal_options
def stats(source: str, output: str, **given: Any) -> int:  # noqa: ANN401 - click's
    """Count the values of all TIFFs in SRC, band by band, and write them as JSON.

    `asyncrgb SRC DST --stats FILE` then stretches by their percentiles, in another dataset
    too. Give the same --nodata, --unscale and --offset there.
    """
    options = RenderOptions(**{name: given[name] for name in ("nodata", "unscale", "offset")})
    found = limits(given)
    with cluster(given["dask"], found, quiet=given["quiet"]) as client:
        each = each_of(given["dask"], found)
        setting = Setting(options, each, given["executor"], cluster=client)
        return _measure(source, output, setting, given)


def _measure(source: str, output: str, setting: Setting, given: Mapping[str, Any]) -> int:
    logger(verbose=given["verbose"]).info("%s", setting)
    _write(output, None)
    progress = Progress(
        MEASURING,
        quiet=given["quiet"],
        count=partial(_count, source) if given["progress"] else None,
        summary_on_stderr=output == STDOUT,
    )

    async def job(converter: Converter) -> Statistics:
        return await converter.measure(source, on_outcome=progress.take)

    statistics, code = carry_out(setting, job, progress)
    if statistics is None or Stopper.has_signal():  # those of a part would look like all
        return code
    if not statistics.images:
        progress.say("asyncrgb: no image could be measured: no statistics have been written")
        return 1
    try:
        _write(output, statistics.to_json())
    except OSError as error:
        tell(f"asyncrgb: {explain(error)}", err=True)
        return 1
    return code


def _count(source: str) -> int:
    from asyncrgb import count_sources  # noqa: PLC0415 - needed only for a bar

    return count_sources(source, "")


def _write(path: str, text: str | None) -> None:
    """Write a file that is seen whole or not at all; None: only find out whether that can be.

    Raises:
        OSError: it cannot be written.

    """
    if path != STDOUT:
        write_text(path, text)
    elif text is not None:
        tell(text.removesuffix("\n"))
