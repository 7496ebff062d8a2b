"""Reading and writing by rasterio, in a process pool."""

from __future__ import annotations

import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from benchmarks.formula import result_path, stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a PNG has no place on Earth


def run(chips: Sequence[str], destination: str, workers: int) -> None:
    """Convert all ``chips``, 64 at a time."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(partial(_convert, destination=destination), chips, chunksize=64))


def _convert(chip: str, destination: str) -> None:
    with rasterio.open(chip) as source:
        rgb = stretch(source.read((4, 3, 2)))
    count, height, width = rgb.shape
    profile = {"driver": "PNG", "dtype": "uint8", "count": count, "height": height, "width": width}
    with rasterio.open(result_path(chip, destination), "w", **profile) as result:
        result.write(rgb)
