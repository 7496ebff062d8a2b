"""Measure what several event loops (--shards) give where one is the limit: rendering costs nothing.

    python scripts/shards.py --count 27000 --rounds 5

Warm Converters with one event loop and with more take turns, on the same chips, with the same
number of workers in all; once they render, once each picture is a copy of a constant PNG, so that
all there is to do is what event loops do. Processor time is the kernel's count. What the process
that deals to the shards computes in Python for a chip is what bounds their number. Needs the
dependency group ``bench``.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass
from multiprocessing import active_children
from statistics import median
from typing import TYPE_CHECKING

import command_line
import psutil
import uvloop
from benchmarks import chips
from benchmarks.cheap import Cheap
from command_line import positive

from asyncrgb import Converter, Limits, RenderOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEAD = """\
| rendering | event loops | images/s (min to max) | first process, µs a chip | shards | workers |
| --- | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for each chip.

    Attributes:
        python: of the first process, in user mode.
        system: of it, in the system.
        shards: of the processors, for all shards.
        workers: the same, for all workers.
        wall: from one chip to the next.

    """

    python: float
    system: float
    shards: float
    workers: float
    wall: float


Kind = tuple[str, int]


def main(arguments: Sequence[str]) -> int:
    """Measure; print a table, and what follows from it."""
    options = _parser().parse_args(arguments)
    with chips.work_folder(options.work, options.count) as work:
        source, what = chips.prepare(options.source, work, options.count, None)
        print(f"{what}, {chips.described(work)}; {options.workers} workers in all", flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            costs = runner.run(_costs(source, work, options))
    print(_HEAD)
    for kind, found in costs.items():
        print(_line(kind, found))
    print("\n".join(_conclusions(costs, max(options.shards))))
    return 0


async def _costs(source: Path, work: Path, options: argparse.Namespace) -> dict[Kind, list[Cost]]:
    recipes = {"none": Cheap(), "real": RenderOptions()}
    kinds = [(name, count) for name in recipes for count in sorted({1, *options.shards})]
    costs: dict[Kind, list[Cost]] = {kind: [] for kind in kinds}
    for number in range(options.rounds):
        for name, count in kinds if number % 2 else reversed(kinds):
            limits = Limits(workers=options.workers, shards=count)
            async with AsyncExitStack() as stack:
                results = stack.enter_context(tempfile.TemporaryDirectory(dir=work))
                converter = await stack.enter_async_context(Converter(recipes[name], limits=limits))
                await _converted(converter, source, f"{results}/warm")
                costs[name, count].append(await _converted(converter, source, f"{results}/timed"))
    return costs


async def _converted(converter: Converter, source: Path, results: str) -> Cost:
    before = _now()
    report = await converter.convert(source, results)
    after = _now()
    count = len(report.converted)
    return Cost(*(1e6 * (b - a) / count for a, b in zip(before, after, strict=True)))


def _now() -> tuple[float, ...]:
    """Give seconds up to now, in the order of ``Cost``."""
    ours = resource.getrusage(resource.RUSAGE_SELF)
    shards = {each.pid for each in active_children() if "shard" in each.name}
    spent = {True: 0.0, False: 0.0}
    for each in psutil.Process().children(recursive=True):
        times = each.cpu_times()
        spent[each.pid in shards] += times.user + times.system
    return ours.ru_utime, ours.ru_stime, spent[True], spent[False], time.perf_counter()


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(median(values) for values in zip(*map(astuple, costs), strict=True)))


def _line(kind: Kind, costs: list[Cost]) -> str:
    name, count = kind
    cost, rates = _median(costs), [1e6 / each.wall for each in costs]
    spread = f"{1e6 / cost.wall:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    first = f"{cost.python:.0f} in Python + {cost.system:.0f}"
    shards = f"{cost.shards:.0f}" if count > 1 else ""
    return f"| {name} | {count} | {spread} | {first} | {shards} | {cost.workers:.0f} |"


def _conclusions(costs: dict[Kind, list[Cost]], most: int) -> list[str]:
    """Say what several loops gain here, and how many could be dealt to."""
    one, several = _median(costs["none", 1]), _median(costs["none", most])
    loop = _median(costs["real", 1]).python
    dealt = 1e6 / several.python
    return [
        f"{most} event loops are {one.wall / several.wall:.2f} times as fast as one",
        f"one event loop: {1e6 / loop:,.0f} chips/s at most",
        f"one dealer: {dealt:,.0f} chips/s at most, as many as {dealt * loop / 1e6:.1f} loops",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--count", type=positive, default=5400, metavar="N", help="chips (default: %(default)s)")
    add("--rounds", type=positive, default=3, metavar="N", help="default: %(default)s")
    add("--shards", type=positive, nargs="+", default=[2], metavar="N", help="default: 2")
    add("--workers", type=positive, default=Limits().worker_count, metavar="N", help="in all")
    add("--source", metavar="DIR", help="class folders with TIFFs, which are repeated")
    add("--work", metavar="DIR", help="where to work (default: in memory if there is room)")
    return parser


if __name__ == "__main__":
    command_line.run(main)
