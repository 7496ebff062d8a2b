"""Smaller pictures: means by area, against two other ways of computing them."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import Resampling

from asyncrgb.imaging.reducing import Averaging, Reduction, target
from tests.imaging.writing.test_png import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

sizes = st.tuples(st.integers(1, 30), st.integers(1, 30))
dtypes = st.sampled_from(["u1", "u2", ">u2", "i2", "u4", "i8", "f4", ">f4", "f8"])


def shares(old: int, new: int) -> Iterator[list[tuple[int, Fraction]]]:
    """Give what each new pixel takes of which old ones, by the definition of a mean by area."""
    for at in range(new):
        low, high = Fraction(at * old, new), Fraction((at + 1) * old, new)
        yield [
            (i, min(high, Fraction(i + 1)) - max(low, Fraction(i)))
            for i in range(floor(low), ceil(high))
        ]


def averaged(
    values: NDArray[Any], known: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[list[list[list[Fraction | None]]], NDArray[np.bool_]]:
    """Average in fractions, pixel by pixel; None where there is no data."""
    down = list(shares(values.shape[0], size[0]))
    across = list(shares(values.shape[1], size[1]))
    means = [
        [[_mean(values, known, ys, xs, band) for band in range(values.shape[2])] for xs in across]
        for ys in down
    ]
    has = np.array([[[mean is not None for mean in pixel] for pixel in row] for row in means])
    return means, has


def _mean(
    values: NDArray[Any],
    known: NDArray[np.bool_],
    ys: list[tuple[int, Fraction]],
    xs: list[tuple[int, Fraction]],
    band: int,
) -> Fraction | None:
    taken = [
        (Fraction(values[y, x, band].item()), high * wide)
        for y, high in ys
        for x, wide in xs
        if known[y, x, band]
    ]
    weight = sum(share for _, share in taken)
    return sum(value * share for value, share in taken) / weight if weight else None


def numbers(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    if np.dtype(dtype).kind == "f":
        return np.random.default_rng(seed).normal(0, 1000, shape).astype(dtype)
    return picture(shape, dtype, 5000, seed)


def smaller(data: st.DataObject, source: tuple[int, int]) -> tuple[int, int]:
    height, width = source
    return data.draw(st.integers(1, height)), data.draw(st.integers(1, width))


@given(source=sizes, dtype=dtypes, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_means_are_by_area(
    source: tuple[int, int], dtype: str, seed: int, data: st.DataObject
) -> None:
    values = numbers((*source, 2), dtype, seed)
    share = data.draw(st.sampled_from([None, 0, 0.1, 0.9, 1]))
    known = None if share is None else np.random.default_rng(seed).random(values.shape) >= share
    size = smaller(data, source)
    made, has = Reduction(source, size).reduce(values, known, 0, 0, size[0])
    means, expected = averaged(values, np.ones(values.shape, "?") if known is None else known, size)

    assert made.shape == (*size, 2)
    assert made.dtype == values.dtype.newbyteorder("=")
    if has is None:
        assert known is None
    else:
        np.testing.assert_array_equal(has, expected)
    for y, x, band in np.argwhere(expected):
        mean = means[y][x][band]
        assert mean is not None
        seen = made[y, x, band].item()
        if values.dtype.kind == "f":
            assert seen == pytest.approx(float(mean), rel=1e-6, abs=1e-3)
        else:
            assert seen == floor(abs(mean) + Fraction(1, 2)) * (1 if mean > 0 else -1)


@given(source=sizes, dtype=dtypes, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_rows_come_in_any_pieces(
    source: tuple[int, int], dtype: str, seed: int, data: st.DataObject
) -> None:
    values = numbers((*source, 3), dtype, seed)
    known = np.random.default_rng(seed).random((*source, 1)) > 0.3
    size = smaller(data, source)
    reduction = Reduction(source, size)
    whole, has = reduction.reduce(values, known, 0, 0, size[0], nodata=7)
    assert has is not None
    cuts = sorted(data.draw(st.sets(st.integers(1, size[0]), max_size=4)) | {size[0]})
    top = 0
    for bottom in cuts:
        first, end = reduction.rows(top, bottom)
        args = values[first:end], known[first:end], first, top, bottom
        made, here = reduction.reduce(*args, nodata=7)

        assert made.tobytes() == whole[top:bottom].tobytes()
        np.testing.assert_array_equal(here, has[top:bottom])
        top = bottom


@given(source=sizes, dtype=dtypes, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_target_row_takes_its_rows_in_any_pieces(
    source: tuple[int, int], dtype: str, seed: int, data: st.DataObject
) -> None:
    values = numbers((*source, 1), dtype, seed)
    size = smaller(data, source)
    reduction = Reduction(source, size)
    averaging = Averaging(reduction, 0, size[0], 1, values.dtype)
    cuts = sorted(data.draw(st.sets(st.integers(0, source[0]), max_size=5)) | {0, source[0]})
    for first, end in pairwise(cuts):
        averaging.add(values[first:end], None, first)
    made, known = averaging.result()

    assert known is None
    assert made.tobytes() == reduction.reduce(values, None, 0, 0, size[0])[0].tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_averages_to_the_same(dtype: str, factor: int) -> None:
    """By a whole factor: otherwise its shares are rounded."""
    values = picture((60, 90, 2), dtype, 200, 1)
    expected = by_gdal(values, (60 // factor, 90 // factor), None)
    made, _ = Reduction((60, 90), expected.shape[:2]).reduce(values, None, 0, 0, 60 // factor)

    np.testing.assert_array_equal(made, expected)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_leaves_out_the_same_pixels() -> None:
    values = picture((60, 90, 2), "uint16", 3, 1)
    values[:31, :17] = values[40, 50] = 65_535
    expected = by_gdal(values, (20, 30), 65_535)
    known = values != 65_535
    made, has = Reduction((60, 90), (20, 30)).reduce(values, known, 0, 0, 20, nodata=65_535)

    np.testing.assert_array_equal(has, expected != 65_535)
    np.testing.assert_array_equal(made, expected)


def by_gdal(values: NDArray[Any], size: tuple[int, int], nodata: float | None) -> NDArray[Any]:
    height, width, bands = values.shape
    about = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", nodata=nodata, **about) as dataset:
            dataset.write(np.moveaxis(values, -1, 0))
        with memory.open() as dataset:
            seen = dataset.read(out_shape=(bands, *size), resampling=Resampling.average)
    return np.moveaxis(seen, 0, -1)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
def test_the_same_size_changes_nothing(dtype: str) -> None:
    values = numbers((7, 9, 3), dtype, 0)
    made, _ = Reduction((7, 9), (7, 9)).reduce(values, None, 0, 0, 7)

    np.testing.assert_array_equal(made, values)


@pytest.mark.parametrize(
    ("dtype", "nodata", "mark"),
    [("u1", 9, 9), ("u1", None, 0), ("u1", 300, 0), ("i2", -5, -5), ("f4", -5, -5)],
)
def test_what_has_no_data_gets_nodata(dtype: str, nodata: float | None, mark: float) -> None:
    values = np.full((4, 4, 1), 3, dtype)
    known = np.zeros((4, 4, 1), "?")
    known[:2] = True
    made, has = Reduction((4, 4), (2, 2)).reduce(values, known, 0, 0, 2, nodata=nodata)

    assert made[:, 0, 0].tolist() == [3, mark]
    assert has is not None
    assert has[:, 0, 0].tolist() == [True, False]


@pytest.mark.parametrize("nodata", [None, float("nan")])
def test_floats_without_data_are_nan(nodata: float | None) -> None:
    values = np.array([1, np.inf, np.nan, np.nan], "f4").reshape(4, 1, 1)
    known = np.isfinite(values)
    made, _ = Reduction((4, 1), (2, 1)).reduce(values, known, 0, 0, 2, nodata=nodata)

    np.testing.assert_array_equal(made[:, 0, 0], [1, np.nan])


@pytest.mark.parametrize(
    ("dtype", "nodata", "other"), [("u1", 5, 6), ("u1", 255, 254), ("i2", 0, 1), ("i8", -7, -6)]
)
def test_a_mean_is_not_taken_for_nodata(dtype: str, nodata: int, other: int) -> None:
    """255 of 254.5 and a bit, and of data that surround the value evenly."""
    low, high = (254, 255) if nodata == 255 else (nodata - 1, nodata + 1)
    values = np.array([low, high, high, low], dtype).reshape(2, 2, 1)
    known = np.ones((2, 2, 1), "?")
    made, _ = Reduction((2, 2), (1, 1)).reduce(values, known, 0, 0, 1, nodata=nodata)

    assert made.item() == other


def test_a_float_mean_is_not_taken_for_nodata() -> None:
    values = np.array([-1, 1], "f4").reshape(1, 2, 1)
    made, _ = Reduction((1, 2), (1, 1)).reduce(values, values != 0, 0, 0, 1, nodata=0)

    assert 0 < made.item() < 1e-40


def test_what_is_no_data_may_be_anything() -> None:
    values = np.array([np.nan, 1, np.inf, -np.inf], "f8").reshape(2, 2, 1)
    made, has = Reduction((2, 2), (1, 1)).reduce(values, np.isfinite(values), 0, 0, 1)

    assert made.item() == 1
    assert has is not None
    assert has.all()


@given(source=sizes, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_nearest_takes_the_centre(source: tuple[int, int], seed: int, data: st.DataObject) -> None:
    values = picture((*source, 1), "u1", 200, seed)
    size = smaller(data, source)
    reduction = Reduction(source, size)
    top = data.draw(st.integers(0, size[0] - 1))
    bottom = data.draw(st.integers(top + 1, size[0]))
    first, end = reduction.rows(top, bottom)
    made = reduction.nearest(values[first:end], first, top, bottom)
    ys = [floor((y + Fraction(1, 2)) * source[0] / size[0]) for y in range(top, bottom)]
    xs = [floor((x + Fraction(1, 2)) * source[1] / size[1]) for x in range(size[1])]

    np.testing.assert_array_equal(made, values[ys][:, xs])


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [
        ((10_980, 10_980), 1024, (1024, 1024)),
        ((1933, 1947), 1024, (1017, 1024)),
        ((3, 2000), 100, (1, 100)),
        ((1, 2000), 100, (1, 100)),
        ((5, 10), 5, (3, 5)),
        ((64, 64), 64, (64, 64)),
        ((64, 30), 65, (64, 30)),
        ((2**31 - 1, 2**31 - 1), 2**31 - 2, (2**31 - 2, 2**31 - 2)),
    ],
)
def test_the_longest_side_is_as_long_as_asked_for(
    size: tuple[int, int], most: int, expected: tuple[int, int]
) -> None:
    assert target(*size, most) == expected
    assert target(*size[::-1], most) == expected[::-1]


@pytest.mark.parametrize("taken", [range(4), range(1, 6), [0, 1, 2, 4], [0, 7]])
def test_rows_that_are_missing_are_told(taken: list[int]) -> None:
    """Rather than blended from those that are there."""
    averaging = Averaging(Reduction((8, 2), (3, 1)), 0, 2, 1, "u1")

    def average() -> None:
        for at in taken:
            averaging.add(np.ones((1, 2, 1), "u1"), None, at)
        averaging.result()

    with pytest.raises(ValueError, match="row"):
        average()


@pytest.mark.parametrize(("dtype", "value"), [("u1", 255), ("u2", 65_535), ("i2", -32_768)])
def test_extreme_values_stay_what_they_are(dtype: str, value: int) -> None:
    values = np.full((2003, 3001, 1), value, dtype)
    made, _ = Reduction((2003, 3001), (1009, 1511)).reduce(values, None, 0, 0, 1009)

    assert np.unique(made).tolist() == [value]


def test_little_memory_is_needed() -> None:
    values = np.ones((500, 5000, 3), "u2")
    known = np.ones((500, 5000, 1), "?")
    known[3, 7] = False
    tracemalloc.start()
    Reduction((500, 5000), (3, 30)).reduce(values, known, 0, 0, 3)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < values.nbytes / 4
