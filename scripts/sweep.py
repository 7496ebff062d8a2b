"""Measure every number of readers with every number of workers: what `asyncrgb tune` spares.

    asyncrgb tune SRC --save tuned.toml
    python scripts/sweep.py SRC --reads 1,4,16,64,256 --workers 1,2,4 --check tuned.toml

All points take turns, round after round, and so does the file to be checked, unless its limits are
those of a point: the last line says which part of the best throughput they give.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import command_line
from command_line import positive

from asyncrgb import Limits, RenderOptions
from asyncrgb.tuning.results import Results
from asyncrgb.tuning.sample import find_sample
from asyncrgb.tuning.trial import Terms, chip, trial

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTING = 10.0  # seconds
_IMAGES = 10_000


def main(arguments: Sequence[str]) -> int:
    """Sweep; print all rates, the best, and the one to be checked."""
    options = _parser().parse_args(arguments)
    points = [
        Limits(reads=reads, workers=workers)
        for workers in options.workers
        for reads in options.reads
    ]
    checked = Limits.from_file(options.check) if options.check else Limits()
    checked = replace(checked, workers=checked.worker_count)  # as a point is written
    rates = asyncio.run(_sweep(options, [*dict.fromkeys([*points, checked])]))
    for limits in points:
        print(f"{limits.reads:4} readers {limits.worker_count:3} workers {rates[limits]:8,.0f}")
    best = max(points, key=rates.__getitem__)
    print(f"best: {rates[best]:,.0f} images/s, {best.reads} readers, {best.worker_count} workers")
    ours = f"{checked.reads} readers, {checked.worker_count} workers"
    name = options.check or "the defaults"
    print(f"{name}: {rates[checked]:,.0f} images/s, {ours}: {rates[checked] / rates[best]:.2f}")
    return 0


async def _sweep(options: argparse.Namespace, points: list[Limits]) -> dict[Limits, float]:
    results = Results(options.destination)
    try:
        terms = await _terms(options, results.make())
        await asyncio.to_thread(terms.sample.probe, Limits().reads, options.seconds * 3)
        print(f"cache: {terms.sample.cache.value}", flush=True)
        rates: dict[Limits, list[float]] = {point: [] for point in points}
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for limits in points:
                folder = results.next()
                figures = await trial(terms, limits, folder)
                results.keep(folder, figures.written)
                rates[limits].append(figures.rate)
    finally:
        results.remove()
    return {limits: median(each) for limits, each in rates.items()}


async def _terms(options: argparse.Namespace, folder: str) -> Terms:
    render = RenderOptions()
    sample = await find_sample(
        options.source, folder, render, seconds=_LISTING, wanted=lambda: True
    )
    warm_up = await asyncio.to_thread(chip)
    return Terms(render, sample, options.seconds, _IMAGES, warm_up, wanted=lambda: True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", metavar="SRC", help="folder of TIFFs")
    add("destination", metavar="DST", nargs="?", help="where results go, and are removed")
    usual = Limits().worker_count
    add("--reads", type=_numbers, default=[1, 4, 16, 64, 256], metavar="N,N")
    add("--workers", type=_numbers, default=sorted({1, usual, 2 * usual}), metavar="N,N")
    add("--seconds", type=float, default=1.0, help="of a trial (default: %(default)s)")
    add("--rounds", type=positive, default=3, metavar="N", help="default: %(default)s")
    add("--check", metavar="FILE", help="a settings file to be compared with the best")
    return parser


def _numbers(text: str) -> list[int]:
    return [positive(each) for each in text.split(",")]


if __name__ == "__main__":
    command_line.run(main)
