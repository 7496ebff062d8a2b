"""Which values become black and full intensity: numpy.percentile is the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.errors import BandError, OptionsError
from asyncrgb.imaging import in_range
from asyncrgb.imaging.bands import choose
from asyncrgb.imaging.reading import tiff
from asyncrgb.imaging.statistics import Statistics
from asyncrgb.imaging.values import Values
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.stretches import FixedStretch, PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from asyncrgb.stretches import Range

    Write = Callable[..., bytes]

DTYPES: Final = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")


def ranges(data: bytes, **options: Any) -> list[Range]:  # noqa: ANN401 - of RenderOptions
    image, wanted = tiff.find_image(memoryview(data), Limits()), RenderOptions(**options)
    transfers = in_range.transfers(Values(image, choose(image, wanted), wanted))
    return [(transfer.low, transfer.high) for transfer in transfers]


def noise(dtype: str, seed: int, bands: int = 3) -> NDArray[Any]:
    """Give values spread widely, each band differently, with some that are 0."""
    rng = np.random.default_rng(seed)
    limit = np.iinfo(dtype).max if dtype[0] in "iu" else 60_000
    pixels = rng.uniform(0, limit, (9, 7, bands)) * rng.uniform(0.01, 1, bands)
    pixels[rng.random(pixels.shape) < 0.2] = 0
    return (pixels * (-1 if dtype[0] == "i" and seed % 2 else 1)).astype(dtype)


def oracle(pixels: NDArray[Any], low: float, high: float, nodata: float | None) -> Range:
    values = pixels[np.isfinite(pixels)].astype("f8")
    first, last = np.percentile(values[values != nodata], (low, high)).tolist()
    return first, last if first < last else first + max(1, abs(first))


@given(
    dtype=st.sampled_from(DTYPES),
    percents=st.sampled_from([(0, 100), (2, 98), (0.1, 99.9), (33, 34)]),
    nodata=st.sampled_from(["none", 0]),
    joint=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_percentiles_are_those_of_numpy_over_data(  # noqa: PLR0913, PLR0917 - what may matter
    write_tiff: Write,
    dtype: str,
    percents: tuple[float, float],
    nodata: Any,  # noqa: ANN401 - of RenderOptions
    joint: bool,
    seed: int,
) -> None:
    pixels = noise(dtype, seed)
    if dtype[0] == "f":
        pixels[0, 0], pixels[1, 1] = np.nan, np.inf
    stretch = PercentileStretch(*percents, joint=joint)

    found = ranges(write_tiff(pixels), bands=(3, 1, 2), stretch=stretch, nodata=nodata)

    shown = pixels[..., [2, 0, 1]]
    missing = None if nodata == "none" else 0
    every = [oracle(shown, *percents, missing)] * 3
    each = [oracle(shown[..., i], *percents, missing) for i in range(3)]
    assert found == (every if joint else each)


def test_percentiles_are_those_of_what_values_stand_for(write_tiff: Write) -> None:
    pixels = noise("u2", 0)
    data = write_tiff(pixels)
    stretch = PercentileStretch()

    whole = ranges(data, stretch=stretch, offset=-1000)
    assert whole == [oracle(pixels[..., i].astype(int) - 1000, 2, 98, None) for i in range(3)]
    parts = ranges(data, stretch=stretch, offset=0.25)
    assert parts == [oracle(pixels[..., i] + 0.25, 2, 98, None) for i in range(3)]


@pytest.mark.parametrize("joint", [True, False])
def test_what_is_too_large_once_unscaled_does_not_count(write_tiff: Write, joint: bool) -> None:
    text = '<GDALMetadata><Item sample="0" role="scale">1e300</Item></GDALMetadata>'
    pixels = np.array([[[1.0], [2.0], [1e300]]])
    data = write_tiff(pixels, extratags=[(42112, 2, len(text) + 1, text, True)])

    stretch = PercentileStretch(0, 100, joint=joint)
    assert ranges(data, stretch=stretch, unscale=True) == [(1e300, 2e300)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("joint", [True, False])
def test_images_without_data_or_extent_have_a_range_too(
    write_tiff: Write, dtype: str, joint: bool
) -> None:
    data = write_tiff(np.full((4, 4, 3), 100, dtype))
    stretch = PercentileStretch(0, 100, joint=joint)

    for nodata in ("none", 100):
        for low, high in ranges(data, stretch=stretch, nodata=nodata):
            assert low < high
            assert low == (100 if nodata == "none" else 0)


@pytest.mark.parametrize("value", [0, 1, 200, -5])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_a_dataset_of_one_image_has_the_range_of_that_image(
    write_tiff: Write, value: float, dtype: str
) -> None:
    pixels = np.full((4, 4, 3), value, dtype)
    statistics = Statistics()
    statistics.add(pixels, (1, 2, 3))

    (dataset,) = {*statistics.stretch(PercentileStretch()).ranges}
    assert ranges(write_tiff(pixels), stretch=PercentileStretch()) == [dataset] * 3


# What goes without asking.


@pytest.mark.parametrize(
    ("dtype", "bands", "options", "expected"),
    [
        ("u1", 1, {}, (0, 255)),
        ("u1", 3, {}, (0, 255)),
        ("?", 1, {}, (0, 1)),
        ("u1", 4, {}, (0, 255)),
        ("u1", 13, {}, (0, 255)),
        ("u2", 1, {}, (0, 4000)),
        ("u2", 3, {"photometric": "rgb"}, (0, 4000)),
        ("i1", 1, {}, (0, 4000)),
        ("f4", 3, {}, (0, 4000)),
        ("u1", 1, {"photometric": "miniswhite"}, (255, 0)),
        ("u2", 1, {"photometric": "miniswhite"}, (4000, 0)),
    ],
    ids=str,
)
def test_what_has_8_bits_keeps_its_values_and_all_else_has_the_default(
    write_tiff: Write, dtype: str, bands: int, options: dict[str, Any], expected: Range
) -> None:
    data = write_tiff(np.zeros((4, 4, bands), dtype), **options)

    assert {*ranges(data)} == {expected}
    assert {*ranges(data, unscale=True)} == {expected}


def test_a_stretch_that_is_named_counts_for_8_bits_too(write_tiff: Write) -> None:
    data = write_tiff(np.zeros((4, 4, 3), "u1"), photometric="rgb")

    assert ranges(data, stretch=FixedStretch(5, 6)) == [(5, 6)] * 3
    assert ranges(data, bands=(1, 2, 3)) == [(0, 255)] * 3


# Ranges for bands.


@pytest.mark.parametrize("unscale", [True, False])
def test_ranges_are_in_the_order_of_the_bands_shown(write_tiff: Write, unscale: bool) -> None:
    data = write_tiff(np.zeros((4, 4, 5), "u2"))
    stretch = FixedStretch((1, 2, 3), (10, 20, 30))

    found = ranges(data, bands=(5, 1, 2), stretch=stretch, unscale=unscale)
    assert found == [(1, 10), (2, 20), (3, 30)]


@pytest.mark.parametrize("unscale", [True, False])
def test_ranges_for_other_bands_than_are_shown_are_refused(
    write_tiff: Write, unscale: bool
) -> None:
    data = write_tiff(np.zeros((4, 4, 1), "u2"))

    with pytest.raises(BandError, match=r"3 ranges .* shows 1: .* one for each"):
        ranges(data, stretch=FixedStretch((1, 2, 3), (10, 20, 30)), unscale=unscale)


def test_one_image_knows_nothing_of_a_dataset(write_tiff: Write) -> None:
    data = write_tiff(np.zeros((4, 4, 3), "u2"))

    with pytest.raises(OptionsError, match="percentiles of a dataset"):
        ranges(data, stretch=PercentileStretch(scope="dataset"))
