"""How asyncrgb behaves inside a busy event loop: its lag, and the latency of single images.

A ticker that wants to run every millisecond shows how long the loop was kept from it. Single
images are rendered through a warm ``Converter``: first alone, then while a folder converts
through the same one.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import uvloop

from asyncrgb import Converter, Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from typing import Any

_TICK: Final = 0.001
_ALONE: Final = 2000
_BETWEEN: Final = 0.005  # from one image that is rendered beside a folder to the next
_LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
_EDGES: Final = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 50, 100)  # milliseconds
_BAR: Final = 60
_NICE: Final = (Limits().niceness, 1)  # as in a service, as in the command


def show(source: str, work: str, workers: int, rounds: int) -> None:
    """Print lag and latencies under both event loops.

    Args:
        source: folder of the chips that are converted meanwhile.
        work: where the results go.
        workers: how many render.
        rounds: how often each loop takes its turn.

    """
    for number in range(1, rounds + 1):
        for name, factory in _LOOPS.items():
            print(f"\n{name}, round {number} of {rounds}:", flush=True)
            with asyncio.Runner(loop_factory=factory) as runner:
                for nice in _NICE:
                    print(f"workers with nice {nice}:")
                    runner.run(_measured(source, work, Limits(workers=workers, nice=nice)))


async def _measured(source: str, work: str, limits: Limits) -> None:
    chip = _first(source)
    async with Converter(limits=limits) as converter:
        await _uploads(converter, chip, [], 20)  # warm
        alone: list[float] = []
        await _uploads(converter, chip, alone, _ALONE)
        print(f"render, alone: {_summary(alone)}")
        beside: list[float] = []
        await _folder(converter, source, work, _uploads(converter, chip, beside))
        print(f"render, beside a folder: {_summary(beside)}")
        lags: list[float] = []
        await _folder(converter, source, work, _tick(lags))
        print(f"loop lag beside a folder: {_summary(lags)}\n{_histogram(lags)}")


def _first(source: str) -> bytes:
    return min(Path(source).rglob("*.tif")).read_bytes()


async def _folder(
    converter: Converter, source: str, work: str, meanwhile: Coroutine[Any, Any, None]
) -> None:
    """Convert a folder while something else goes on, and print how fast that was."""
    with tempfile.TemporaryDirectory(dir=work) as results:
        async with _going_on(meanwhile):
            report = await converter.convert(source, results)
    if report.failed:
        raise report.failed[0].error
    print(f"folder: {len(report.converted) / report.seconds:,.0f} chips/s meanwhile")


@asynccontextmanager
async def _going_on(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tick(lags: list[float]) -> None:
    """Note how much later than asked the loop comes back, for ever."""
    while True:
        began = perf_counter()
        await asyncio.sleep(_TICK)
        lags.append(perf_counter() - began - _TICK)


async def _uploads(
    converter: Converter, chip: bytes, seconds: list[float], count: int = sys.maxsize
) -> None:
    """Render one image after another, and note how long each takes."""
    for _ in range(count):
        began = perf_counter()
        await converter.render(chip)
        seconds.append(perf_counter() - began)
        await asyncio.sleep(_BETWEEN if count == sys.maxsize else 0)


def _summary(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    middle, high = ordered[len(ordered) // 2], ordered[int(0.99 * (len(ordered) - 1))]
    return (
        f"median {1e3 * middle:.2f} ms, p99 {1e3 * high:.2f} ms, "
        f"maximum {1e3 * ordered[-1]:.2f} ms, {len(ordered):,} times"
    )


def _histogram(seconds: Sequence[float]) -> str:
    lines, low = [], 0.0
    for edge in (*_EDGES, float("inf")):
        count = sum(low <= 1e3 * max(value, 0) < edge for value in seconds)
        lines.append(f"  < {edge:5g} ms {count:7,} {'#' * (_BAR * count // len(seconds))}")
        low = edge
    return "\n".join(lines)
