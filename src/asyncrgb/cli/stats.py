"""``asyncrgb stats``: the values of a dataset, counted once for any number of conversions."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from asyncrgb.cli.parameters import GroupedCommand
from asyncrgb.cli.picture import value_options
from asyncrgb.cli.running import limit_options, limits, run, terminal_options
from asyncrgb.cli.terminal import Progress
from asyncrgb.options import RenderOptions

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Executor

    from asyncrgb import Statistics


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="SRC")
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to; - is stdout.")
@value_options
@limit_options
@terminal_options
def stats(source: str, output: str, **given: Any) -> int:  # noqa: ANN401 - click's
    """Count the values of all TIFFs in SRC, band by band, and write them as JSON.

    ``asyncrgb SRC DST --stats FILE`` then stretches by their percentiles, in another dataset
    too. Give the same --nodata, --unscale and --offset there.
    """
    options = RenderOptions(**{name: given[name] for name in ("nodata", "unscale", "offset")})
    most = limits(given)
    bar = given["progress"] and not given["quiet"]

    def work(executor: Executor | None) -> Coroutine[Any, Any, Statistics]:
        from asyncrgb import measure  # noqa: PLC0415 - what --help does not need

        return measure(source, options, limits=most, executor=executor, on_outcome=progress.take)

    with Progress(bar=bar, count=partial(_count, source)) as progress:
        statistics = run(work, given["executor"], most)
    _write(output, statistics.to_json())
    if not given["quiet"]:
        click.echo(progress.summary("Measured"), err=output == "-")
    return 1 if progress.counts["Failed"] else 0


def _count(source: str) -> int:
    from asyncrgb import count_sources  # noqa: PLC0415 - needed only for a bar

    return count_sources(source, "")


def _write(path: str, text: str) -> None:
    """Write a file that is seen whole or not at all."""
    if path == "-":
        sys.stdout.write(text)
        return
    temporary = os.path.join(os.path.dirname(path), f".asyncrgb-{os.getpid()}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # what went wrong is known already
            os.unlink(temporary)
        raise
