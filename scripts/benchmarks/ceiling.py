"""asyncrgb's own renderer with no coordination at all: a bound on what a pipeline can reach.

The files are split evenly beforehand, and each worker reads, renders and writes its own.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from asyncrgb import render
from benchmarks.formula import result_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Render: TypeAlias = Callable[[bytes], bytes]


def run(chips: Sequence[str], destination: str, workers: int) -> None:
    """Convert all ``chips``."""
    spread(render, chips, destination, workers)


def spread(render: Render, chips: Sequence[str], destination: str, workers: int) -> None:
    """Give each worker its share of ``chips``, at once."""
    context = multiprocessing.get_context("forkserver")
    shares = [chips[start::workers] for start in range(workers)]
    with ProcessPoolExecutor(workers, context) as pool:
        list(pool.map(partial(_convert, render, destination), shares))


def _convert(render: Render, destination: str, chips: Sequence[str]) -> None:
    for chip in chips:
        with open(chip, "rb") as file:
            data = file.read()
        with open(result_path(chip, destination), "wb") as file:
            file.write(render(data))
