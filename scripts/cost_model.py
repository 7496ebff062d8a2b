"""Measure what a chip costs the main process and a worker: how many workers a loop can feed.

    python scripts/cost_model.py --count 27000 --rounds 3

Processor time is the kernel's count over whole conversions with workers that are warm, so
that neighbours on the machine matter little. What the main process computes in Python happens
one piece after the other, under one interpreter lock; its system calls let go of that. So one
loop takes at most as many chips a second as its time in user mode allows, if storage gives
them; and it feeds as many workers as fit in there. Needs the dependency group ``bench``.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from dataclasses import astuple, dataclass
from statistics import median
from typing import TYPE_CHECKING

import command_line
import psutil
import uvloop
from benchmarks import chips
from command_line import positive

from asyncrgb import Converter, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one chip cost, in microseconds of a processor.

    Attributes:
        python: of the main process, in user mode.
        system: of the main process, in the system.
        loop: of the thread of the event loop, which is a part of both.
        worker: of the worker that rendered it, all in all.
        wall: from one chip to the next.

    """

    python: float
    system: float
    loop: float
    worker: float
    wall: float


def main(arguments: Sequence[str]) -> int:
    """Measure; print the costs and what follows from them."""
    options = _parser().parse_args(arguments)
    with chips.work_folder(options.work, options.count) as work:
        source, what = chips.prepare(options.source, work, options.count, None)
        print(f"{what}, {chips.described(work)}; {options.workers} workers", flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            costs = runner.run(_costs(source, work, options))
    for cost in costs:
        print(_line(cost))
    cost = Cost(*(median(values) for values in zip(*map(astuple, costs), strict=True)))
    print(f"median: {_line(cost)}")
    print("\n".join(_model(cost)))
    return 0


async def _costs(source: Path, work: Path, options: argparse.Namespace) -> list[Cost]:
    costs = []
    async with Converter(limits=Limits(workers=options.workers)) as converter:
        for number in range(options.rounds + 1):
            with tempfile.TemporaryDirectory(dir=work) as results:
                cost = await _cost(converter, source, results)
            if number:  # the one ahead of them has started the workers
                costs.append(cost)
    return costs


async def _cost(converter: Converter, source: Path, results: str) -> Cost:
    before = _now()
    report = await converter.convert(source, results)
    after = _now()
    count = len(report.converted)
    return Cost(*(1e6 * (b - a) / count for a, b in zip(before, after, strict=True)))


def _now() -> tuple[float, ...]:
    """Give seconds up to now, in the order of ``Cost``."""
    ours = resource.getrusage(resource.RUSAGE_SELF)
    workers = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    theirs = sum(each.user + each.system for each in workers)
    return ours.ru_utime, ours.ru_stime, time.thread_time(), theirs, time.perf_counter()


def _line(cost: Cost) -> str:
    return (
        f"main process {cost.python:.0f} in Python + {cost.system:.0f} in the system "
        f"(event loop {cost.loop:.0f} of these), a worker {cost.worker:.0f}; "
        f"{1e6 / cost.wall:,.0f} chips/s"
    )


def _model(cost: Cost) -> list[str]:
    """Say what follows for machines with more processors than this one."""
    ours, fed = cost.python + cost.system, cost.worker / cost.python
    busy = fed + ours / cost.python
    shares = f"{ours / cost.wall:.0%} of a processor, its event loop {cost.loop / cost.wall:.0%}"
    return [
        f"one loop: {1e6 / cost.python:,.0f} chips/s at most",
        f"one worker: {1e6 / cost.worker:,.0f} chips/s",
        f"one loop feeds {fed:.1f} workers and keeps {busy:.1f} processors busy; more would wait",
        f"here the main process took {shares}",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--count", type=positive, default=5400, metavar="N", help="chips (default: %(default)s)")
    add("--rounds", type=positive, default=3, metavar="N", help="default: %(default)s")
    add("--workers", type=positive, default=Limits().worker_count, metavar="N")
    add("--source", metavar="DIR", help="class folders with TIFFs, which are repeated")
    add("--work", metavar="DIR", help="where to work (default: in memory if there is room)")
    return parser


if __name__ == "__main__":
    command_line.run(main)
