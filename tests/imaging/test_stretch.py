"""From pixel values to 8 bits: the formula, computed one value at a time by Python's floats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from asyncrgb.imaging import stretch
from asyncrgb.options import FixedStretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTEGERS: Final = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
FLOATS: Final = ("f2", "f4", "f8")

numbers = st.integers(-(2**40), 2**40) | st.floats(-1e300, 1e300)


def expected(value: float, low: float, high: float) -> int:
    share = (value - low) / (high - low)
    return 0 if math.isnan(share) else int(255 * min(max(share, 0.0), 1.0))


def assert_follows_the_formula(pixels: NDArray[Any], low: float, high: float) -> None:
    rgb = stretch.apply(pixels, FixedStretch(low, high))

    assert rgb.dtype == np.uint8
    assert rgb.shape == pixels.shape
    values = map(float, pixels.ravel().tolist())
    assert rgb.ravel().tolist() == [expected(value, low, high) for value in values]


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", ">u2", ">i2"])
@pytest.mark.parametrize(("low", "high"), [(0, 4000), (-100, 100), (-0.5, 0.25), (3, 255.5)])
def test_every_small_integer_follows_the_formula(dtype: str, low: float, high: float) -> None:
    limits = np.iinfo(dtype)
    every = np.arange(limits.min, limits.max + 1).astype(dtype).reshape(-1, 16, 4)

    assert_follows_the_formula(every, low, high)


@given(
    dtype=st.sampled_from(INTEGERS + FLOATS),
    order=st.sampled_from("<>"),
    low=numbers,
    high=numbers,
    seed=st.integers(0, 2**32 - 1),
)
@example(dtype="f8", order="<", low=-1e300, high=1e300, seed=0)
@example(dtype="f8", order="<", low=0, high=5e-324, seed=0)
@example(dtype="f8", order="<", low=-(2**70), high=2**700, seed=0)
@example(dtype="f2", order="<", low=0, high=1, seed=1)
def test_all_bits_of_all_dtypes_follow_the_formula(
    dtype: str, order: str, low: float, high: float, seed: int
) -> None:
    assume(low < high)
    bits = np.random.default_rng(seed).bytes(3 * 5 * 2 * np.dtype(dtype).itemsize)
    pixels = np.frombuffer(bits, order + dtype).reshape(3, 5, 2)

    assert_follows_the_formula(pixels, low, high)


@given(low=numbers, high=numbers)
def test_the_ends_of_the_range_are_black_and_white(low: float, high: float) -> None:
    assume(low < high)
    ends = np.array([[[low, high]]], "f8")
    assume(ends[0, 0, 0] < ends[0, 0, 1])

    assert stretch.apply(ends, FixedStretch(low, high)).tolist() == [[[0, 255]]]


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_no_number_is_black_and_what_is_endless_clips(dtype: str) -> None:
    limits = np.finfo(dtype)
    values = [np.nan, -np.nan, np.inf, -np.inf, limits.max, limits.min, -0.0]
    pixels = np.array(values, dtype).reshape(1, -1, 1)

    rgb = stretch.apply(pixels, FixedStretch(0, 4000))

    assert rgb.ravel().tolist() == [0, 0, 255, 0, 255, 0, 0]


def test_a_difference_too_large_for_floats_clips() -> None:
    pixels = np.array([[[1.7e308, -1.7e308]]])

    assert stretch.apply(pixels, FixedStretch(-1e308, 0)).tolist() == [[[255, 0]]]
    assert stretch.apply(pixels, FixedStretch(0, 1e308)).tolist() == [[[255, 0]]]


def test_signed_values_keep_their_order() -> None:
    """Their bits, read as unsigned numbers, do not."""
    pixels = np.array([[[-32_768, -1, 0, 1, 32_767]]], "i2")

    assert stretch.apply(pixels, FixedStretch(-2, 2)).tolist() == [[[0, 63, 127, 191, 255]]]


@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_a_view_of_some_bands_is_no_different(dtype: str) -> None:
    pixels = np.arange(4 * 4 * 6).reshape(4, 4, 6).astype(dtype) * 100
    before = pixels.copy()

    backwards = stretch.apply(pixels[..., 3:0:-1], FixedStretch(0, 4000))

    np.testing.assert_array_equal(
        backwards, stretch.apply(pixels[..., [3, 2, 1]], FixedStretch(0, 4000))
    )
    np.testing.assert_array_equal(pixels, before)


def test_ranges_and_dtypes_do_not_share_a_table() -> None:
    pixels = np.array([[[300]]], "u2")
    signed, swapped = pixels.view("i2"), pixels.astype(">u2")

    for _ in range(2):
        assert stretch.apply(pixels, FixedStretch(0, 400)).item() == 191
        assert stretch.apply(pixels, FixedStretch(0, 300)).item() == 255
        assert stretch.apply(signed, FixedStretch(-300, 400)).item() == 218
        assert stretch.apply(swapped, FixedStretch(0, 400)).item() == 191
