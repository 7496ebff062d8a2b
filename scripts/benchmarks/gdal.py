"""GDAL's command, a process a file."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.formula import result_path

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRANSLATE: Final = (
    *("gdal_translate", "-q", "-of", "PNG", "-ot", "Byte"),
    *("-b", "4", "-b", "3", "-b", "2", "-scale", "0", "4000", "0", "255"),
)


def run(chips: Sequence[str], destination: str, workers: int) -> None:
    """Convert all ``chips``; the threads only wait for their processes."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_convert, destination=destination), chips))


def _convert(chip: str, destination: str) -> None:
    command = [*_TRANSLATE, chip, result_path(chip, destination)]
    subprocess.run(command, check=True)  # noqa: S603 - our own command
