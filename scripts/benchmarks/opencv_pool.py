"""Reading by tifffile and writing by OpenCV, in a process pool: the best peer found."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import cv2
import tifffile

from benchmarks.formula import result_path, stretch

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(chips: Sequence[str], destination: str, workers: int) -> None:
    """Convert all ``chips``, 64 at a time."""
    with ProcessPoolExecutor(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        list(pool.map(partial(_convert, destination=destination), chips, chunksize=64))


def _convert(chip: str, destination: str) -> None:
    bgr = stretch(tifffile.imread(chip)[..., (1, 2, 3)])
    cv2.imwrite(result_path(chip, destination), bgr)
