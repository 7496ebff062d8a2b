"""From pixel values to intensities: oracles are the formula itself, Python's floats, and GDAL."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import tifffile
from hypothesis import assume, example, given
from hypothesis import strategies as st

from asyncrgb.imaging import stretch
from asyncrgb.imaging.stretch import Affine, Response, Transfer

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL: Final = ("u1", "i1", "<u2", "<i2", ">u2", ">i2")
INTEGERS: Final = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
FLOATS: Final = ("f2", "f4", "f8")
DEFAULT: Final = Transfer(0, 4000)
EUROSAT: Final = Response(1, 255, nearest=True)  # the recipe of the published RGB edition

numbers = st.integers(-(2**40), 2**40) | st.floats(-1e300, 1e300)
responses = st.builds(
    lambda ends, scale, gamma, nearest: Response(
        scale * min(ends), scale * max(ends), gamma, nearest, scale > 1
    ),
    st.tuples(st.integers(0, 255), st.integers(0, 255)).filter(lambda ends: ends[0] != ends[1]),
    st.sampled_from([1, 257]),
    st.sampled_from([1, 1.0, 0.5, 1.4, 2.2]),
    st.booleans(),
)
affines = st.builds(
    Affine,
    st.sampled_from([0, -1000, 0.5, 2**31]),
    st.sampled_from([1, 1e-4, -2.0]),
    st.sampled_from([0, -0.1, 30]),
)
ranges = st.tuples(numbers, numbers).filter(lambda ends: 0 < abs(ends[1] - ends[0]) < 1e308)
transfers = st.builds(
    lambda ends, *rest: Transfer(ends[0], ends[1], *rest),
    st.sampled_from([(0, 4000), (4000, 0), (-100.5, 100), (0, 1)]) | ranges,
    affines,
    st.none() | st.sampled_from([0, 255, -1, -32768, 7.5, math.nan]),
    responses,
)


def apply(pixels: NDArray[Any], *each: Transfer, lasting: bool = True) -> NDArray[Any]:
    """Stretch with one transfer for all bands, or one for each."""
    every = each if len(each) > 1 else each * pixels.shape[-1]
    return stretch.apply(pixels, every, lasting=lasting)


def every(dtype: str) -> NDArray[Any]:
    """Give every value of an integer dtype, (height, width, 1)."""
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype).reshape(-1, 16, 1)


def noise(dtype: str, seed: int, shape: tuple[int, ...] = (3, 5, 2)) -> NDArray[Any]:
    """Give values of which every bit is random."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(np.random.default_rng(seed).bytes(size), dtype).reshape(shape)


def expected(value: float, low: float, high: float) -> int:
    """Compute the formula with Python's floats, which are numpy's float64."""
    if not math.isfinite(value):
        return 0
    share = (value - low) / (high - low)
    return int(255 * min(max(share, 0.0), 1.0))


def assert_follows_the_formula(pixels: NDArray[Any], low: float, high: float) -> None:
    rgb = apply(pixels, Transfer(low, high))

    assert rgb.dtype == np.uint8
    assert rgb.shape == pixels.shape
    values = map(float, pixels.ravel().tolist())
    assert rgb.ravel().tolist() == [expected(value, low, high) for value in values]


# The default.


@pytest.mark.parametrize("dtype", ["i1", "<u2", "<i2", ">u2", ">i2", "<u4", ">i8", *FLOATS, ">f4"])
@pytest.mark.parametrize("lasting", [True, False])
def test_the_default_is_the_tutorial_s_formula_bit_for_bit(dtype: str, lasting: bool) -> None:
    rng = np.random.default_rng(0)
    limit = min(6000, np.iinfo(dtype).max) if dtype[-2] in "iu" else 6000
    v = rng.uniform(max(-limit, 0), limit, (300, 100, 3)).astype(dtype)
    if dtype[-2:] in ("u2", "i2"):
        v = np.dstack([every(dtype).reshape(256, 256)] * 3)

    oracle = (255 * (v / (4000 if v.dtype.itemsize > 1 else 4000.0)).clip(0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(apply(v, DEFAULT, lasting=lasting), oracle)
    assert len(np.unique(oracle)) > 5


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_finite_half_and_many_floats_follow_the_formula(dtype: str) -> None:
    halves = np.arange(2**16, dtype="u2").view("f2").astype(dtype)
    v = halves[np.isfinite(halves)].reshape(-1, 1, 1)

    with np.errstate(all="ignore"):
        oracle = (255 * (v / 4000).clip(0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(apply(v, DEFAULT), oracle)


@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize(("low", "high"), [(0, 4000), (-100, 100), (-0.5, 0.25), (3, 255.5)])
def test_every_small_integer_follows_the_formula(dtype: str, low: float, high: float) -> None:
    assert_follows_the_formula(every(dtype), low, high)


@given(
    dtype=st.sampled_from((*INTEGERS, "f8")),
    order=st.sampled_from("<>"),
    ends=ranges,
    seed=st.integers(0, 2**32 - 1),
)
@example(dtype="f8", order="<", ends=(-1e300, 1e300), seed=0)
@example(dtype="f8", order="<", ends=(0, 5e-324), seed=0)
@example(dtype="f8", order="<", ends=(-(2**70), 2**700), seed=0)
def test_all_bits_of_all_dtypes_follow_the_formula(
    dtype: str, order: str, ends: tuple[float, float], seed: int
) -> None:
    assume(ends[0] < ends[1])

    assert_follows_the_formula(noise(order + dtype, seed), *ends)


@pytest.mark.parametrize("dtype", ["f2", "f4"])
@pytest.mark.parametrize(
    ("low", "high"), [(-1e300, 1e300), (0, 1e39), (0, 5e-324), (0, 1e5), (-1, 66000.0)]
)
def test_floats_that_cannot_hold_the_range_are_widened(dtype: str, low: float, high: float) -> None:
    pixels = noise(dtype, 3, (40, 50, 1))
    with np.errstate(invalid="ignore"):  # NaN that signal
        widened = apply(pixels.astype("f8"), Transfer(low, high)).astype(int)

    # where floats of this kind do hold it, they may round otherwise
    assert np.abs(apply(pixels, Transfer(low, high)).astype(int) - widened).max() <= 1
    if abs(high) > float(np.finfo(dtype).max) or high < 1e-300:
        np.testing.assert_array_equal(apply(pixels, Transfer(low, high)), widened)


# Oracles for what is written.


@pytest.mark.parametrize("low_high", [(0, 2750), (0, 4000), (0, 10000), (0, 65535), (0, 255)])
def test_the_eurosat_recipe_is_that_of_gdal(low_high: tuple[int, int], tmp_path: Path) -> None:
    shown = by_gdal(tmp_path, *low_high, 1, 255)

    ours = apply(every("u2"), Transfer(*low_high, response=EUROSAT))
    np.testing.assert_array_equal(ours.ravel(), shown)


@pytest.mark.parametrize("seed", range(12))
def test_other_ranges_are_those_of_gdal_too(seed: int, tmp_path: Path) -> None:
    """Compared inside of the range: outside of it, GDAL goes on beyond the ends of the picture."""
    rng = np.random.default_rng(seed)
    low, first = int(rng.integers(0, 60_000)), int(rng.integers(0, 250))
    high, last = int(rng.integers(low + 1, 65_536)), int(rng.integers(first + 1, 256))
    shown = by_gdal(tmp_path, low, high, first, last)

    ours = apply(every("u2"), Transfer(low, high, response=Response(first, last, nearest=True)))
    inside = slice(low, high + 1)
    np.testing.assert_array_equal(ours.ravel()[inside], shown[inside])
    assert {*ours.ravel()[:low]} <= {first}
    assert {*ours.ravel()[high:]} == {last}


def by_gdal(folder: Path, low: int, high: int, first: int, last: int) -> NDArray[Any]:
    """Let GDAL scale every value of uint16."""
    program = shutil.which("gdal_translate")
    if program is None:
        pytest.skip("gdal_translate is not installed")
    source, target = folder / "every.tif", folder / "scaled.tif"
    tifffile.imwrite(source, every("u2").reshape(256, 256))
    scale = [str(number) for number in (low, high, first, last)]
    command = [program, "-q", "-ot", "Byte", "-scale", *scale, str(source), str(target)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    shown: NDArray[Any] = tifffile.imread(target).ravel()
    return shown


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
def test_sixteen_bits_are_exact(dtype: str) -> None:
    v = np.arange(0, 120, 0.5).astype(dtype).reshape(-1, 1, 1)

    shown = apply(v, Transfer(0, 100, response=Response(last=65_535, deep=True)))

    assert shown.dtype == np.uint16
    oracle = (65_535 * (v / v.dtype.type(100)).clip(0, 1)).astype(np.uint16)
    np.testing.assert_array_equal(shown, oracle)
    assert shown.max() == 65_535


def test_sixteen_bits_of_halves_are_exact() -> None:
    """Halves themselves hold no number above 65,504, and not every whole number above 2,048."""
    v = np.arange(0, 120, 0.5).astype("f2").reshape(-1, 1, 1)
    response = Response(first=1000, last=5001, deep=True)

    shown = apply(v, Transfer(0, 100, response=response))
    oracle = (1000 + 4001 * (v.astype("f8") / 100).clip(0, 1)).astype(np.uint16)
    np.testing.assert_array_equal(shown, oracle)


def test_bits_are_scaled_to_the_full_range() -> None:
    for bits in range(1, 9):
        v, most = np.arange(2**bits, dtype="u1").reshape(-1, 1, 1), 2**bits - 1
        for last in (255, 65_535):
            response = Response(last=last, deep=last > 255)
            shown = apply(v, Transfer(0, most, response=response)).ravel().tolist()
            assert shown == [value * last // most for value in range(2**bits)]
            turned = apply(v, Transfer(most, 0, response=response)).ravel().tolist()
            assert turned == shown[::-1]


def test_bools_are_black_and_white() -> None:
    pixels = np.array([[[False], [True]]])

    assert apply(pixels, Transfer(0, 1)).ravel().tolist() == [0, 255]
    assert apply(pixels, Transfer(0, 1, nodata=1)).ravel().tolist() == [0, 0]
    assert apply(pixels, Transfer(1, 0, nodata=1)).ravel().tolist() == [255, 0]


@pytest.mark.parametrize("gamma", [0.5, 1.4, 2.2])
@pytest.mark.parametrize("dtype", ["u2", "f8"])
def test_gamma_is_a_power(gamma: float, dtype: str) -> None:
    v = np.arange(5000).astype(dtype).reshape(-1, 1, 1)

    shown = apply(v, DEFAULT._replace(response=Response(gamma=gamma)))

    oracle = [int(255 * min(value / 4000, 1) ** (1 / gamma)) for value in range(5000)]
    differ = np.flatnonzero(shown.ravel() != oracle)
    assert np.abs(shown.ravel().astype(int) - oracle).max() <= 1
    assert len(differ) <= 2, "numpy's power may round otherwise than Python's, where it is close"
    assert shown[1000] > 255 / 4 if gamma > 1 else shown[1000] < 255 / 4


@given(affine=affines, dtype=st.sampled_from((*INTEGERS, *FLOATS)), seed=st.integers(0, 99))
def test_values_stand_for_what_floats_say(affine: Affine, dtype: str, seed: int) -> None:
    pixels = noise(dtype, seed)
    with np.errstate(all="ignore"):
        oracle = (pixels.astype("f8") + affine.add) * affine.scale + affine.shift
        got = affine.apply(pixels).astype("f8")

    np.testing.assert_array_equal(got, oracle)


def test_an_offset_keeps_small_integers_exact() -> None:
    shifted = Affine(-1000).apply(np.array([0, 65_535], "u2"))

    assert shifted.dtype.kind == "i"
    assert shifted.tolist() == [-1000, 64_535]


# Invariants.


@given(transfer=transfers, dtype=st.sampled_from(SMALL))
def test_the_table_says_what_the_formula_says(transfer: Transfer, dtype: str) -> None:
    pixels = every(dtype) if dtype[-1] == "1" else noise(dtype, 1, (20, 30, 1))

    by_table = apply(pixels, transfer)
    directly = apply(pixels[:8], transfer, lasting=False)
    np.testing.assert_array_equal(by_table[:8], directly)
    assert by_table.dtype == directly.dtype == (np.uint16 if transfer.response.deep else np.uint8)


@given(transfer=transfers, dtype=st.sampled_from(("i2", "u2", "i8", *FLOATS)), seed=st.integers(0))
def test_brighter_values_are_no_darker(transfer: Transfer, dtype: str, seed: int) -> None:
    values = noise(dtype, seed, (200, 1, 1))
    values = np.sort(values[np.isfinite(values)]).reshape(-1, 1, 1)
    rising = (transfer.low < transfer.high) == (transfer.affine.scale > 0)

    shown = apply(values, transfer._replace(nodata=None)).ravel().astype(int)

    steps = np.diff(shown if rising else shown[::-1])
    assert (steps >= 0).all()
    first, last = transfer.response[:2]
    assert not len(shown) or first <= shown.min() <= shown.max() <= last


@given(transfer=transfers, dtype=st.sampled_from((*INTEGERS, *FLOATS)), lasting=st.booleans())
def test_what_is_no_data_is_no_colour(transfer: Transfer, dtype: str, lasting: bool) -> None:
    pixels = noise(dtype, 5, (10, 10, 1)).copy()
    value = transfer.nodata
    if value is not None and math.isfinite(value) and can_hold(dtype, value):
        pixels[3, 3] = value
        assert apply(pixels, transfer, lasting=lasting)[3, 3] == 0
    if dtype in FLOATS:
        pixels[0, :3, 0] = (np.nan, np.inf, -np.inf)
        assert not apply(pixels, transfer, lasting=lasting)[0, :3].any()


def can_hold(dtype: str, value: float) -> bool:
    if dtype in FLOATS:
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


@given(low=numbers, high=numbers)
def test_the_ends_of_the_range_are_black_and_white(low: float, high: float) -> None:
    assume(low < high)
    ends = np.array([[[low, high]]], "f8")
    assume(ends[0, 0, 0] < ends[0, 0, 1])

    assert apply(ends, Transfer(low, high)).tolist() == [[[0, 255]]]
    assert apply(ends, Transfer(high, low)).tolist() == [[[255, 0]]]


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_no_number_is_black(dtype: str) -> None:
    limits = np.finfo(dtype)
    values = [np.nan, -np.nan, np.inf, -np.inf, limits.max, limits.min, -0.0]
    pixels = np.array(values, dtype).reshape(1, -1, 1)

    assert apply(pixels, DEFAULT).ravel().tolist() == [0, 0, 0, 0, 255, 0, 0]
    bright = DEFAULT._replace(response=Response(100, 200))
    assert apply(pixels, bright).ravel().tolist() == [0, 0, 0, 0, 200, 100, 100]


def test_differences_too_large_for_floats_clip() -> None:
    pixels = np.array([[[1.7e308, -1.7e308, 0]]])

    assert apply(pixels, Transfer(-1e308, 0)).tolist() == [[[255, 0, 255]]]
    assert apply(pixels, Transfer(0, 1e308)).tolist() == [[[255, 0, 0]]]
    assert apply(pixels, Transfer(-1.7e308, 1.7e308)).tolist() == [[[255, 0, 127]]]
    assert apply(pixels, Transfer(-1, 1, Affine(0, 1e300))).tolist() == [[[255, 0, 127]]]


def test_signed_values_keep_their_order() -> None:
    """Their bits, read as unsigned numbers, do not."""
    pixels = np.array([[[-32_768], [-1], [0], [1], [32_767]]], "i2")

    assert apply(pixels, Transfer(-2, 2)).ravel().tolist() == [0, 63, 127, 191, 255]


@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_a_view_of_some_bands_is_no_different(dtype: str) -> None:
    pixels = np.arange(4 * 4 * 6).reshape(4, 4, 6).astype(dtype) * 100
    before = pixels.copy()

    backwards = apply(pixels[..., 3:0:-1], DEFAULT)

    np.testing.assert_array_equal(backwards, apply(pixels[..., [3, 2, 1]], DEFAULT))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4"])
@pytest.mark.parametrize("lasting", [True, False])
def test_each_band_has_its_own_transfer(dtype: str, lasting: bool) -> None:
    pixels = np.arange(6 * 5 * 3).reshape(6, 5, 3).astype(dtype)
    each = [Transfer(0, 50), Transfer(10, 90, Affine(5)), Transfer(0, 50, nodata=4)]

    shown = apply(pixels, *each, lasting=lasting)

    for band, transfer in enumerate(each):
        alone = apply(pixels[..., band : band + 1], transfer)
        np.testing.assert_array_equal(shown[..., band : band + 1], alone)


@pytest.mark.parametrize("shape", [(3, 100_000, 1), (500, 400, 3), (1, 1, 1), (70_000, 1, 2)])
def test_large_images_are_no_different(shape: tuple[int, ...]) -> None:
    """They are computed some rows at a time."""
    pixels = np.random.default_rng(0).uniform(-100, 5000, shape)

    oracle = (255 * (pixels / 4000).clip(0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(apply(pixels, DEFAULT), oracle)


def test_ranges_and_dtypes_do_not_share_a_table() -> None:
    pixels = np.array([[[300]]], "u2")
    signed, swapped = pixels.view("i2"), pixels.astype(">u2")

    for _ in range(2):
        assert apply(pixels, Transfer(0, 400)).item() == 191
        assert apply(pixels, Transfer(0, 300)).item() == 255
        assert apply(signed, Transfer(-300, 400)).item() == 218
        assert apply(swapped, Transfer(0, 400)).item() == 191
        assert apply(pixels, Transfer(0, 400, Affine(-100))).item() == 127
        assert apply(pixels, Transfer(0, 400, nodata=300)).item() == 0


# Which values are data.


@pytest.mark.parametrize(
    ("dtype", "nodata", "found"),
    [
        ("u1", 255, [255]),
        ("u1", 256, []),
        ("u1", -1, []),
        ("u1", 0.5, []),
        ("i1", -128, [128]),
        ("u2", 65_535.0, [65_535]),
        ("u2", math.nan, []),
        ("u2", math.inf, []),
        ("i2", -32_768, [32_768]),
        ("i2", 1e300, []),
        ("i2", 10**300, []),
    ],
)
def test_only_what_the_dtype_holds_is_no_data(dtype: str, nodata: float, found: list[int]) -> None:
    bits = np.arange(2 ** (8 * np.dtype(dtype).itemsize)).astype(f"u{dtype[1]}")

    known = stretch.valid(bits.view(dtype), nodata)

    assert (known is None) == (not found)
    assert known is None or np.flatnonzero(~known).tolist() == found


@pytest.mark.parametrize(
    ("dtype", "nodata", "missing"),
    [
        ("u8", 2**64 - 1, [2]),
        ("u8", float(2**64), []),
        ("i8", 2**53 + 1, [1]),
        ("f4", 0.1, [0, 3, 4]),
        ("f4", -3.4028234663852886e38, [1, 3, 4]),
        ("f4", 1e300, [3, 4]),
        ("f4", 10**300, [3, 4]),
        ("f8", 0.1, [0, 3, 4]),
    ],
)
def test_wide_values_are_matched_exactly(dtype: str, nodata: float, missing: list[int]) -> None:
    values: dict[str, list[float]] = {
        "u8": [0, 1, 2**64 - 1],
        "i8": [2**53, 2**53 + 1, -1],
        "f4": [0.1, -3.4028234663852886e38, 3.4e38, math.inf, math.nan],
        "f8": [0.1, float(np.float32(0.1)), 3.4e38, math.inf, math.nan],
    }
    known = stretch.valid(np.array(values[dtype], dtype), nodata)

    assert ([] if known is None else np.flatnonzero(~known).tolist()) == missing
