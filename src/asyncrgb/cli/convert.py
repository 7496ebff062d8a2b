"""``asyncrgb SRC DST``: the main job."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from asyncrgb.cli.parameters import (
    GroupedCommand,
    GroupedOption,
    band_list,
    byte_size,
    default_of,
    shown_size,
)
from asyncrgb.cli.terminal import Progress
from asyncrgb.options import FixedStretch, Limits, RenderOptions
from asyncrgb.sensors import COMPOSITES, SENSORS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from asyncrgb import Report

_option = partial(click.option, cls=GroupedOption)
_picture = partial(_option, group="Picture")
_files = partial(_option, group="Files")
_limit = partial(_option, group="Limits")
_output = partial(_option, group="Terminal")

_BANDS = default_of(RenderOptions, "bands")
_STRETCH = default_of(RenderOptions, "stretch")


@click.command(cls=GroupedCommand)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@_picture(
    "-b",
    "--bands",
    "band_lists",
    type=band_list,
    multiple=True,
    metavar="R,G,B",
    help="Bands shown as red, green and blue: numbers, counted from 1, or names of the --sensor.  "
    f"[default: {','.join(map(str, _BANDS))}]",
)
@_picture(
    "--sensor",
    type=click.Choice(list(SENSORS)),
    help="Whose bands are named; each has its own names and the common ones of STAC.",
)
@_picture(
    "--composite",
    type=click.Choice(list(COMPOSITES)),
    help="Bands of a well-known composite of the --sensor.",
)
@_picture(
    "--scale",
    nargs=2,
    type=float,
    metavar="MIN MAX",
    default=(_STRETCH.low, _STRETCH.high),
    show_default=False,
    help="Pixel values that become black and full intensity.  "
    f"[default: {_STRETCH.low:g} {_STRETCH.high:g}]",
)
@_picture(
    "--compress-level",
    metavar="0-9",
    type=int,
    default=default_of(RenderOptions, "compress_level"),
    show_default=True,
    help="0 stores, 1 is the fastest that compresses, 9 gives the smallest files.",
)
@_files(
    "--layout",
    type=click.Choice(["flat", "tree"]),
    default="flat",
    show_default=True,
    help="All results in one folder, or in folders as in SRC.",
)
@_files("--force", is_flag=True, help="Convert also what is up to date.")
@_limit(
    "--workers",
    type=int,
    metavar="N",
    show_default="one for each processor",
    help="Renderers at work at once.",
)
@_limit(
    "--reads",
    type=int,
    metavar="N",
    default=default_of(Limits, "reads"),
    show_default=True,
    help="Most reads in flight; fast storage never needs as many.",
)
@_limit(
    "--writes",
    type=int,
    metavar="N",
    default=default_of(Limits, "writes"),
    show_default=True,
    help="Most writes in flight.",
)
@_limit(
    "--memory",
    type=byte_size,
    metavar="SIZE",
    default=shown_size(default_of(Limits, "memory")),
    show_default=True,
    help="Image data held at any moment.",
)
@_limit(
    "--executor",
    type=click.Choice(["process", "thread", "serial"]),
    default="process",
    show_default=True,
    help="Where to render: in processes, in threads, or in the main thread.",
)
@_output("--progress/--no-progress", default=True, help="Bar on stderr, where it is a terminal.")
@_output("-q", "--quiet", is_flag=True, help="No bar and no summary; failures only.")
@_output("-v", "--verbose", is_flag=True, help="Say with which settings the run goes on.")
@click.version_option(package_name="asyncrgb", message="asyncrgb %(version)s")
def convert(source: str, destination: str, **given: Any) -> int:  # noqa: ANN401 - click's
    """Turn the multispectral TIFFs in SRC into RGB PNGs in DST.

    SRC is a folder, read with all folders below it, or a file. DST is a folder, or the name
    of one result, ending in .png. The folder may lie in SRC, and it is brought up to date: a
    run that was broken off goes on where it stopped, and only what is new or changed is
    converted.
    """
    options = RenderOptions(
        bands=_bands(given["band_lists"], given["sensor"], given["composite"]),
        stretch=FixedStretch(*given["scale"]),
        compress_level=given["compress_level"],
    )
    limits = Limits(**{name: given[name] for name in ("workers", "reads", "writes", "memory")})
    log = _log(verbose=given["verbose"])
    log.info("%s, %s, executor=%s", options, limits, given["executor"])
    bar = given["progress"] and not given["quiet"]
    with Progress(bar=bar, count=partial(_count, source, destination)) as progress:
        _convert(
            source,
            destination,
            options,
            limits=limits,
            executor=_executor(given["executor"], limits),
            layout=given["layout"],
            force=given["force"],
            on_outcome=progress.take,
        )
    if not given["quiet"]:
        click.echo(progress.summary())
    return 1 if progress.counts["Failed"] else 0


def _bands(
    lists: tuple[tuple[int | str, ...], ...], sensor: str | None, composite: str | None
) -> tuple[int, ...]:
    """Find the band numbers that the options ask for, in whichever way."""
    bands = sum(lists, ())
    if composite is not None:
        if sensor is None or bands:
            raise click.UsageError("--composite: give a --sensor with it, and no --bands")
        return SENSORS[sensor].composite(composite)
    names = [band for band in bands if isinstance(band, str)]
    if names and sensor is None:
        raise click.UsageError(f"--bands {names[0]}: names need a --sensor; or give numbers")
    if sensor is None:
        return tuple(band for band in bands if isinstance(band, int)) or _BANDS
    its = SENSORS[sensor]
    if not bands:
        return its.composite("true-color")
    return tuple(its.indexes(band)[0] if isinstance(band, str) else band for band in bands)


def _convert(source: str, destination: str, options: RenderOptions, **given: Any) -> Report:  # noqa: ANN401 - passed on
    """Run ``asyncrgb.convert`` in an event loop, uvloop's where it is installed."""
    if given["executor"] is None:
        _start_fork_server()
    import asyncio  # noqa: PLC0415 - 60 ms that --help does not need

    from asyncrgb import convert as convert_all  # noqa: PLC0415 - the same

    work = convert_all(source, destination, options, **given)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_until_interrupted(work))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def _until_interrupted(work: Coroutine[Any, Any, Report]) -> Report:
    """Cancel ``work`` at the first Ctrl-C; impatient ones do not disturb its clearing up."""
    import asyncio  # noqa: PLC0415 - loaded already

    task = asyncio.ensure_future(work)
    with contextlib.suppress(NotImplementedError):  # Windows has only the interpreter's way
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _once(task.cancel))
    return await task


def _once(action: Callable[[], object]) -> Callable[[], None]:
    actions = [action]

    def act() -> None:
        if actions:
            actions.pop()()

    return act


def _start_fork_server() -> None:
    """Let the parent of the workers load what they need while this process loads the rest.

    Loaded once, it is shared by all of them. Not for the library to do: a process has only
    one fork server, and its host may want it otherwise.
    """
    import multiprocessing  # noqa: PLC0415 - 20 ms that --help does not need

    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver  # noqa: PLC0415 - not there on Windows

        multiprocessing.set_forkserver_preload(["asyncrgb.pipeline.worker", "asyncrgb.imaging"])
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is ours alone
        forkserver.ensure_running()
        signal.signal(signal.SIGINT, handler)


def _loop_factory() -> Callable[[], Any] | None:
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _executor(kind: str, limits: Limits) -> Executor | None:
    if kind == "process":
        return None
    if kind == "thread":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - needed only here

        return ThreadPoolExecutor(limits.worker_count)
    from asyncrgb import SerialExecutor  # noqa: PLC0415 - needed only here

    return SerialExecutor()


def _count(source: str, destination: str) -> int:
    from asyncrgb import count_sources  # noqa: PLC0415 - needed only for a bar

    return count_sources(source, destination)


def _log(*, verbose: bool) -> logging.Logger:
    logging.basicConfig(format="asyncrgb: %(message)s", stream=sys.stderr)
    logger = logging.getLogger("asyncrgb")
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    return logger
