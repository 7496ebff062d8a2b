"""Sample data: chips like those of EuroSAT, for a first run, for tests and for benchmarks.

``measured`` is what was measured on real chips, ``landscape`` draws the ground,
``bands`` turns it into 13 bands, ``geotiff`` writes the container.
"""

import os
from collections.abc import Callable, Iterator

from numpy.random import PCG64, Generator, SeedSequence

from asyncrgb.errors import OptionsError
from asyncrgb.sample.bands import draw_chips
from asyncrgb.sample.geotiff import header
from asyncrgb.sample.measured import CLASSES
from asyncrgb.sample.whole import whole

__all__ = ["write_samples"]

_BLOCK = 6


def write_samples(
    destination: str | os.PathLike[str],
    count: int,
    *,
    seed: int = 0,
    replace: bool = True,
    on_written: Callable[[str], None] | None = None,
) -> list[str]:
    """Write ``count`` chips to destination/<Class>/<Class>_<n>.tif and return their paths.

    A chip is a GeoTIFF of 107,244 bytes, laid out as the real ones are: 64 by 64 pixels of
    10 m, 13 bands (B01 to B12, then B8A), uint16, reflectance times 10,000. The chips take
    turns through the ten classes, ``n`` counts from 1 within a class. What a chip shows
    depends on ``seed``, its class and ``n`` only, so a larger ``count`` adds chips and changes
    none. Folders are made, files that exist are overwritten unless ``replace`` is False;
    ``on_written`` is called with the path of each file as soon as it is complete.

    Raises OptionsError if ``count`` is below 1 or ``seed`` below 0, FileExistsError if a chip
    would take the place of something else and may not, and OSError if ``destination`` is a file
    or cannot be written.
    """
    _check(count, seed)
    destination = os.fspath(destination)
    os.makedirs(destination, exist_ok=True)
    for name in CLASSES[:count]:
        os.makedirs(os.path.join(destination, name), exist_ok=True)
    paths = []
    for name, number, data in _chips(count, seed):
        path = os.path.join(destination, name, f"{name}_{number}.tif")
        with whole(path, replace=replace) as unfinished, open(unfinished, "wb") as file:
            file.write(data)
        paths.append(path)
        if on_written is not None:
            on_written(path)
    return paths


def _check(count: int, seed: int) -> None:
    if count < 1:
        raise OptionsError(f"count is {count}: ask for at least 1 sample")
    if seed < 0:
        raise OptionsError(f"seed is {seed}: choose 0 or a positive integer")


def _chips(count: int, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """Yield class, number and file content of each chip, the classes taking turns."""
    made = 0
    while made < count:
        first = made // len(CLASSES)
        blocks = [_block(row, first, seed) for row in range(min(count - made, len(CLASSES)))]
        for index in range(_BLOCK):
            for name, block in zip(CLASSES, blocks, strict=False):
                if made < count:
                    yield name, first + index + 1, block[index]
                made += 1


def _block(row: int, first: int, seed: int) -> list[bytes]:
    """Return the files of the chips of a class that follow the ``first`` ones."""
    rng = Generator(PCG64(SeedSequence((seed, row, first))))
    pixels = draw_chips(CLASSES[row], _BLOCK, rng)
    return [_geo_header(rng) + chip.tobytes() for chip in pixels]


def _geo_header(rng: Generator) -> bytes:
    zone = int(rng.integers(30, 36))
    scale_x, scale_y = rng.normal(10, 0.004, 2).tolist()
    corner = rng.uniform(300_000, 700_000), rng.uniform(4_200_000, 6_800_000)
    return header(zone, (scale_x, scale_y), corner)
