"""The async program that one writes first: a task a file, bytes to a process pool and back.

Its encoder is a fast one (imageio's would halve the rate), so what it loses, it loses by its
shape.
"""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import aiofiles
import numpy as np
import tifffile
from imagecodecs import PNG, png_encode

from benchmarks.formula import result_path, stretch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

_AT_ONCE = 64


def run(chips: Sequence[str], destination: str, workers: int) -> None:
    """Convert all ``chips``."""
    asyncio.run(_convert_all(chips, destination, workers))


async def _convert_all(chips: Sequence[str], destination: str, workers: int) -> None:
    semaphore = asyncio.Semaphore(_AT_ONCE)
    with ProcessPoolExecutor(workers) as pool:
        await asyncio.gather(
            *(_convert(chip, result_path(chip, destination), semaphore, pool) for chip in chips)
        )


async def _convert(chip: str, result: str, semaphore: asyncio.Semaphore, pool: Executor) -> None:
    loop = asyncio.get_running_loop()
    async with semaphore:
        async with aiofiles.open(chip, "rb") as file:
            data = await file.read()
        png = await loop.run_in_executor(pool, _render, data)
        async with aiofiles.open(result, "wb") as file:
            await file.write(png)


def _render(data: bytes) -> bytes:
    rgb = stretch(tifffile.imread(io.BytesIO(data))[..., (3, 2, 1)])
    return bytes(png_encode(np.ascontiguousarray(rgb), level=1, strategy=PNG.STRATEGY.RLE))
