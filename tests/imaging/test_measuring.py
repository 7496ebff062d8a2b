"""Counting the values of images: numpy, given the same pixels, says what they are."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncrgb import Limits, RenderOptions
from asyncrgb.imaging.measuring import GREY, measure
from asyncrgb.imaging.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LIMITS = Limits()
OPTIONS = [
    RenderOptions(),
    RenderOptions(bands=(1, 2, 5)),
    RenderOptions(bands=(2,)),
    RenderOptions(nodata=7),
    RenderOptions(nodata="none"),
    RenderOptions(offset=-1000),
]


def images(write_tiff: Callable[..., bytes]) -> list[tuple[NDArray[Any], int | None, bytes]]:
    """Give files of few forms, some with no data: pixels, the value of no data, the file."""
    rng = np.random.default_rng(1)
    made = []
    for seed, (bands, nodata, compression) in enumerate(
        product((5, 13), (None, 9), (None, "deflate"))
    ):
        for _ in range(2):
            pixels = rng.integers(0, 30 + seed, (8, 6, bands)).astype("u2")
            tags = () if nodata is None else ((42113, "s", 0, str(nodata), True),)
            file = write_tiff(pixels, compression=compression, extratags=tags)
            made.append((pixels, nodata, file))
    return made


def counts(values: NDArray[Any]) -> dict[float, int]:
    found, times = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))


def told(statistics: Statistics) -> dict[int, dict[float, int]]:
    fields = {band: histogram.to_dict() for band, histogram in statistics.bands.items()}
    return {
        band: dict(zip(each["bins"], each["counts"], strict=True)) for band, each in fields.items()
    }


def test_each_image_counts_as_if_it_were_the_only_one(write_tiff: Callable[..., bytes]) -> None:
    """What is remembered of the image before is of no consequence, whatever it was."""
    files, rng = images(write_tiff), np.random.default_rng(2)
    (pixels, declared, file), options, every = files[0], OPTIONS[0], False
    for _ in range(600):
        change = rng.integers(3)
        if change == 0:
            pixels, declared, file = files[rng.integers(len(files))]
        elif change == 1:
            options = OPTIONS[rng.integers(len(OPTIONS))]
        else:
            every = not every
        into = Statistics()
        measure(file, options, LIMITS, into, every=every)

        chosen = options.bands or (4, 3, 2)
        chosen = tuple(range(1, pixels.shape[-1] + 1)) if every else chosen
        numbers = (GREY,) if len(chosen) == 1 else range(1, len(chosen) + 1)
        nodata = {"auto": declared, "none": None}.get(str(options.nodata), options.nodata)
        expected = {}
        for number, band in zip(numbers, chosen, strict=True):
            values = pixels[..., int(band) - 1].astype("i8")
            expected[number] = counts(values[values != nodata] + int(options.offset))
        assert told(into) == expected
        assert into.images == 1
