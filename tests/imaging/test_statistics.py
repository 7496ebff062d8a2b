"""Statistics: numpy's own functions, given all values at once, say what they have to be."""

from __future__ import annotations

import json
import math
import pickle
import tracemalloc
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncrgb.errors import OptionsError
from asyncrgb.imaging.statistics import Histogram, Statistics, tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

INTEGERS: Final = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
FLOATS: Final = ("f2", "f4", "f8")
SPAN: Final = 2**22  # different integers that are told apart
PERCENTS: Final = (0, 0.1, 1, 2, 5, 25, 33.3, 50, 75, 95, 98, 99, 99.9, 100)
LARGEST: Final = float(np.finfo("f8").max)

percents = st.lists(st.floats(0, 100), max_size=8).map(lambda more: (*PERCENTS, *more))


@st.composite
def integer_arrays(draw: st.DrawFn, span: int = SPAN) -> NDArray[Any]:
    """Draw integers of any dtype and byte order that are less than ``span`` apart."""
    dtype = np.dtype(draw(st.sampled_from("<>")) + draw(st.sampled_from(INTEGERS)))
    limits = np.iinfo(dtype)
    low = draw(st.integers(int(limits.min), int(limits.max)))
    high = min(int(limits.max), low + draw(st.integers(0, span - 1)))
    values = draw(st.lists(st.integers(low, high), min_size=1, max_size=60))
    return np.array(values, dtype)


def pieces(values: NDArray[Any], cuts: list[int], seed: int) -> list[NDArray[Any]]:
    """Cut ``values`` anywhere and shuffle the pieces, some of which are empty."""
    found = np.split(values, sorted(cut % (len(values) + 1) for cut in cuts))
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[at] for at in order]


def merged(parts: Sequence[NDArray[Any]]) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.merge(Histogram.of(part))
    return histogram


def exact(values: NDArray[Any], wanted: Sequence[float]) -> list[float]:
    """Ask numpy, in a dtype that can hold the differences of neighbours."""
    wide = values.astype("u8" if values.dtype.kind == "u" else "i8")
    return [float(value) for value in np.percentile(wide, wanted)]


def assert_exact(histogram: Histogram, values: NDArray[Any], wanted: Sequence[float]) -> None:
    every = list(map(int, values.ravel().tolist()))
    assert histogram.count == len(every)
    assert (histogram.minimum, histogram.maximum) == (min(every), max(every))
    assert {type(histogram.minimum), type(histogram.maximum)} == {int}
    assert histogram.mean == sum(every) / len(every)
    assert list(histogram.percentiles(wanted)) == exact(values, wanted)


# Integers


@given(values=integer_arrays(), wanted=percents)
@example(values=np.array([0, 2**64 - 1], "u8")[1:], wanted=PERCENTS)
@example(values=np.array([-(2**63), -(2**63) + SPAN - 1]), wanted=PERCENTS)
@example(values=np.array([2**64 - SPAN, 2**64 - 2, 2**64 - 1], "u8"), wanted=PERCENTS)
def test_integers_are_numpys_bit_for_bit(values: NDArray[Any], wanted: Sequence[float]) -> None:
    assert_exact(Histogram.of(values), values, wanted)


@given(
    values=integer_arrays(),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_in_any_order_equal_the_whole(
    values: NDArray[Any], cuts: list[int], seed: int
) -> None:
    histogram = merged(pieces(values, cuts, seed))

    assert_exact(histogram, values, PERCENTS)
    assert histogram.to_dict() == Histogram.of(values).to_dict()


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", ">u2", ">i2"])
def test_every_small_integer_has_its_bin(dtype: str) -> None:
    limits = np.iinfo(dtype)
    every = np.arange(limits.min, limits.max + 1).astype(dtype)

    histogram = Histogram.of(np.concatenate([every, every[::2]]))

    counts = [2, 1] * (len(every) // 2)
    assert histogram.to_dict()["bins"] == every.tolist()
    assert histogram.to_dict()["counts"] == counts


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">u2"])
def test_many_values_are_numpys(dtype: str) -> None:
    bits = np.random.default_rng(7).bytes(50_000 * np.dtype(dtype).itemsize)
    values = np.frombuffer(bits, dtype)

    assert_exact(Histogram.of(values), values, np.linspace(0, 100, 1001).tolist())


def test_neighbours_far_apart_are_numpys() -> None:
    """Rounding shows here: the last bit depends on the order of arithmetic."""
    values = np.random.default_rng(8).integers(0, SPAN, 301, "u4")

    assert_exact(Histogram.of(values), values, np.linspace(0, 100, 20_011).tolist())


def test_numpys_own_dtype_agrees_where_it_does_not_overflow() -> None:
    values = np.array([3, 65_535, 0, 700], "u2")

    assert Histogram.of(values).percentiles(PERCENTS) == tuple(np.percentile(values, PERCENTS))


def test_bools_are_zero_and_one() -> None:
    values = np.array([[True, False], [True, True]])

    assert_exact(Histogram.of(values), values, PERCENTS)


@pytest.mark.parametrize(
    "view",
    [
        lambda cube: cube[..., 3:0:-1],
        lambda cube: cube[::3, 1::2],
        lambda cube: cube.transpose(2, 1, 0),
        lambda cube: cube[0, 0, 0],
        lambda cube: np.asarray(cube[0, 0, 0]),
        lambda cube: np.broadcast_to(cube[:1, :1], (5, 5, 6)),
    ],
    ids=["backwards", "strided", "turned", "scalar", "no dimensions", "broadcast"],
)
@pytest.mark.parametrize("dtype", ["<u2", ">i2", ">u8", "<i4"])
def test_any_view_counts(view: Callable[[NDArray[Any]], NDArray[Any]], dtype: str) -> None:
    cube = (np.arange(7 * 8 * 6).reshape(7, 8, 6) * 37).astype(dtype)
    before = cube.copy()

    values = np.asarray(view(cube))

    assert_exact(Histogram.of(values), values, PERCENTS)
    np.testing.assert_array_equal(cube, before)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<u8", "<f4", "?"])
def test_values_of_several_blocks_count_once_each(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (np.arange(10 * 11 * 6).reshape(10, 11, 6) % 200).astype(dtype)[..., 1:4]
    whole = Histogram.of(values).to_dict()

    monkeypatch.setattr(tally, "BLOCK", 16)

    assert Histogram.of(values).to_dict() == whole
    assert whole["count"] == values.size


def test_a_merge_leaves_the_other_as_it_was() -> None:
    one, other = Histogram(), Histogram.of(np.array([1, 2]))

    one.merge(other)
    one.merge(Histogram.of(np.array([1, 1, 50])))
    one.merge(one)

    assert other.to_dict() == Histogram.of(np.array([1, 2])).to_dict()
    assert one.to_dict() == Histogram.of(np.array([1, 1, 1, 2, 50] * 2)).to_dict()


# Integers that are far apart


@settings(deadline=None, max_examples=40)  # bins by the million
@given(
    dtype=st.sampled_from(["u4", "i4", "u8", "i8"]),
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(23, 64),
    cuts=st.lists(st.integers(0, 60), max_size=3),
)
def test_wide_ranges_are_right_to_a_bin(dtype: str, seed: int, bits: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    end = min(int(limits.max), int(limits.min) + 2**bits - 1)
    values = rng.integers(int(limits.min), end, 60, dtype, endpoint=True)

    histogram = merged(pieces(values, cuts, seed))

    every = values.tolist()
    width = 2 ** max(0, (max(every) - min(every)).bit_length() - 22) * 2
    lower = np.percentile(values, PERCENTS, method="lower").tolist()
    higher = np.percentile(values, PERCENTS, method="higher").tolist()
    assert (histogram.minimum, histogram.maximum) == (min(every), max(every))
    assert histogram.mean == sum(every) / len(every)
    assert histogram.percentiles((0, 100)) == (float(min(every)), float(max(every)))
    for found, low, high in zip(histogram.percentiles(PERCENTS), lower, higher, strict=True):
        slack = width + (max(abs(low), abs(high)) >> 52)  # and what float64 cannot hold
        assert low - slack <= found <= high + slack
    assert same(histogram, Histogram.of(values))


def same(one: Histogram, other: Histogram) -> bool:
    if one.tally is None or other.tally is None:
        return one.tally is other.tally
    return one.tally[:-1] == other.tally[:-1] and np.array_equal(one.tally[-1], other.tally[-1])


def test_one_value_more_than_are_told_apart_doubles_the_bins() -> None:
    kept = Histogram.of(np.array([4, 5, 5, 3 + SPAN], "u4"))
    doubled = Histogram.of(np.array([4, 5, 5, 4 + SPAN], "u4"))

    assert kept.to_dict()["bins"] == [4, 5, 3 + SPAN]
    assert doubled.to_dict()["bins"] == [2, 2 + SPAN // 2]
    assert doubled.to_dict()["counts"] == [3, 1]


def test_a_range_that_straddles_bins_gets_wider_ones() -> None:
    """One too many: 2**23 values from an odd one on touch 2**22 + 1 bins of two."""
    histogram = Histogram.of(np.array([1, 2 * SPAN], "u4"))

    assert histogram.to_dict()["bins"] == [0, SPAN // 2]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_histograms_of_different_widths_merge_without_loss(order: tuple[int, ...]) -> None:
    parts = [
        np.array([-7, -3, 0, 5, 9]),
        np.array([-(2**30), 2**30, 77]),
        np.array([-(2**40) + 1, 2**41]),
    ]

    assert same(merged([parts[at] for at in order]), Histogram.of(np.concatenate(parts)))


# Floats


def tolerance(value: float) -> float:
    return abs(value) / 4096 + 1e-37


@given(
    dtype=st.sampled_from(FLOATS),
    order=st.sampled_from("<>"),
    values=st.lists(st.floats(-3e38, 3e38), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_floats_are_right_to_a_bin(
    dtype: str, order: str, values: list[float], cuts: list[int], seed: int
) -> None:
    limit = float(np.finfo(dtype).max)
    array = np.array(values).clip(-limit, limit).astype(order + dtype)

    histogram = merged(pieces(array, cuts, seed))

    assert histogram.count == len(array)
    assert (histogram.minimum, histogram.maximum) == (array.min(), array.max())
    lower = np.percentile(array, PERCENTS, method="lower").tolist()
    higher = np.percentile(array, PERCENTS, method="higher").tolist()
    for found, low, high in zip(histogram.percentiles(PERCENTS), lower, higher, strict=True):
        assert low - tolerance(low) <= found <= high + tolerance(high)
    assert histogram.percentiles((0, 100)) == (array.min(), array.max())
    mean = sum(map(Fraction, array.tolist()), Fraction()) / len(array)
    scale = max(map(abs, array.tolist()))
    assert histogram.mean is not None
    nearest = Fraction(5e-324)  # no float lies nearer to zero, nor to the next one there
    assert abs(Fraction(histogram.mean) - mean) <= Fraction(scale) * Fraction(2, 10**14) + nearest


def test_the_error_of_floats_is_seen_and_is_that_small() -> None:
    values = np.random.default_rng(3).uniform(-2, 2, 10_001).astype("f4")

    found = np.array(Histogram.of(values).percentiles(PERCENTS))

    wanted = np.percentile(values.astype("f8"), PERCENTS)
    assert (found != wanted).any()
    np.testing.assert_allclose(found, wanted, rtol=1 / 4096, atol=0)


def test_every_float16_is_exact() -> None:
    every = np.arange(2**16).astype("u2").view("f2")
    finite = every[np.isfinite(every)]

    histogram = Histogram.of(every)

    ranks = [100 * rank / (len(finite) - 1) for rank in range(0, len(finite), 997)]
    wanted = np.percentile(finite.astype("f8"), ranks)
    assert histogram.count == len(finite)
    assert len(histogram.to_dict()["bins"]) == len(np.unique(finite))
    np.testing.assert_allclose(histogram.percentiles(ranks), wanted, rtol=1e-12)


def test_zeros_share_a_bin_whatever_their_sign() -> None:
    there, back = np.array([0.0, -0.0, -0.0]), np.array([-0.0, -0.0, 0.0])

    histogram = Histogram.of(there)

    assert histogram.to_dict()["bins"] == [0]
    assert histogram.to_dict()["counts"] == [3]
    assert json.dumps(histogram.to_dict()) == json.dumps(Histogram.of(back).to_dict())
    assert math.copysign(1, histogram.percentiles([50])[0]) == 1


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_no_number_or_endless_does_not_count(dtype: str) -> None:
    values = np.array([np.nan, 1, np.inf, 2, -np.inf, 3, -np.nan], dtype)

    histogram = Histogram.of(values)

    assert histogram.to_dict() == Histogram.of(np.array([1.0, 2.0, 3.0])).to_dict()
    assert histogram.percentiles((0, 50, 100)) == (1, 2, 3)
    assert Histogram.of(values[[0, 2]]).count == 0


def test_floats_beyond_float32_stay_finite() -> None:
    values = np.array([-LARGEST, -1e300, 5.0, 1e300, LARGEST])

    histogram = merged([values, values])

    assert histogram.minimum == -LARGEST
    assert histogram.maximum == LARGEST
    assert histogram.percentiles((0, 50, 100)) == (-LARGEST, 5, LARGEST)
    assert all(map(math.isfinite, histogram.percentiles(PERCENTS)))
    assert histogram.mean is not None
    assert math.isfinite(histogram.mean)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_too_large_for_floats_still_has_a_mean(sign: int) -> None:
    values = np.full(1000, sign * LARGEST)

    assert merged([values, values]).mean == sign * LARGEST


@pytest.mark.parametrize("count", range(1, 60))
def test_a_mean_is_not_outside_of_what_it_is_the_mean_of(count: int) -> None:
    assert Histogram.of(np.full(count, 0.1)).mean == 0.1


def test_neighbours_too_far_apart_for_floats_have_a_middle() -> None:
    histogram = Histogram.of(np.array([-LARGEST, LARGEST]))

    assert histogram.percentiles((0, 50, 100)) == (-LARGEST, 0, LARGEST)


def test_extended_floats_count() -> None:
    values = np.array([1, 2, 4], np.longdouble)

    assert Histogram.of(values).percentiles((0, 50, 100)) == (1, 2, 4)


# Integers and floats


@given(
    whole=st.lists(st.integers(-4096, 4096), min_size=1, max_size=30),
    broken=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30),
)
def test_integers_among_floats_are_floats(whole: list[int], broken: list[float]) -> None:
    integers, floats = np.array(whole, "i2"), np.array(broken, "f4")

    one, other = merged([integers, floats]), merged([floats, integers])

    joined = Histogram.of(np.concatenate([integers.astype("f4"), floats]))
    assert one.percentiles(PERCENTS) == joined.percentiles(PERCENTS)
    assert one.to_dict()["bins"] == joined.to_dict()["bins"]
    assert one.to_dict() == other.to_dict()
    assert type(one.minimum) is type(one.maximum) is float


@pytest.mark.parametrize("values", [[-(2**63), 3, 2**63 - 1], [2**62, 2**62 + 1], [0, 2**50]])
def test_large_integers_become_floats(values: list[int]) -> None:
    histogram = merged([np.array(values), np.array([0.5])])

    assert histogram.count == len(values) + 1
    assert histogram.minimum == float(min(*values, 0.5))
    assert histogram.maximum == float(max(values))
    assert Histogram.from_dict(histogram.to_dict()).to_dict() == histogram.to_dict()


def test_wide_bins_become_floats() -> None:
    integers = np.random.default_rng(9).integers(2**40, 2**41, 500)
    floats = integers[::3] / 2

    histogram = merged([integers, floats])

    wanted = np.percentile(np.concatenate([integers, floats]), PERCENTS)
    np.testing.assert_allclose(histogram.percentiles(PERCENTS), wanted, rtol=1 / 2000)


def test_no_values_of_one_kind_do_not_change_the_other() -> None:
    assert type(merged([np.array([np.nan]), np.array([3], "u1")]).minimum) is int


# No values, wrong values


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0, 2)])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "?"])
def test_nothing_has_no_statistics(shape: tuple[int, ...], dtype: str) -> None:
    histogram = Histogram.of(np.zeros(shape, dtype))

    assert histogram.count == 0
    assert histogram.minimum is histogram.maximum is histogram.mean is None
    assert histogram.to_dict() == Histogram().to_dict()
    assert Histogram.from_dict(histogram.to_dict()).count == 0
    with pytest.raises(ValueError, match="no values"):
        histogram.percentiles([50])


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan, math.inf])
def test_percents_lie_between_0_and_100(percent: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        Histogram.of(np.array([1])).percentiles([50, percent])


def test_no_percents_are_no_percentiles() -> None:
    assert Histogram.of(np.array([1])).percentiles([]) == ()


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(TypeError, match="complex64"):
        Histogram.of(np.zeros(3, "c8"))


# Images

images = st.lists(
    st.tuples(
        st.sampled_from(["u1", "<u2", ">u2", "i2", "f4"]),
        st.integers(1, 5),
        st.integers(1, 5),
        st.permutations([1, 2, 3, 8]).map(lambda bands: tuple(bands[:3])),
        st.booleans(),
        st.integers(0, 2**32 - 1),
    ),
    max_size=8,
)


def chip(dtype: str, height: int, width: int, seed: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    cube = rng.integers(0, 200, (height, width, 7)).astype(dtype)
    return cube[..., 5:2:-1], rng.random((height, width, 3)) < 0.7


@settings(deadline=None)
@given(found=images, workers=st.integers(1, 3), block=st.sampled_from([1, 40, 2**20]))
def test_images_in_workers_equal_their_values_at_once(
    found: list[Any], workers: int, block: int
) -> None:
    shares = [Statistics() for _ in range(workers)]
    values: dict[int, list[NDArray[Any]]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "BLOCK", block)
        for at, (dtype, height, width, bands, masked, seed) in enumerate(found):
            pixels, valid = chip(dtype, height, width, seed)
            shares[at % workers].add(pixels, bands, valid if masked else None)
            for column, band in enumerate(bands):
                seen = pixels[..., column]
                seen = seen[valid[..., column]] if masked else seen.ravel()
                values.setdefault(band, []).append(seen)
        total = Statistics()
        for share in reversed(shares):
            total.merge(pickle.loads(pickle.dumps(share)))  # noqa: S301 - our own

    assert total.images == len(found)
    assert list(total.bands) == sorted(values)
    for band, parts in values.items():
        assert total.bands[band].to_dict() == merged(parts).to_dict()


def test_pixels_are_copied() -> None:
    """A decoder's memory may be used again before the values are counted."""
    pixels = np.full((2, 3, 1), 7, "u2")
    planar = np.moveaxis(np.full((1, 2, 3), 7, "u2"), 0, 2)
    total = Statistics()

    for image in (pixels, planar):
        total.add(image, (1,))
        image[...] = 9

    assert total.bands[1].maximum == 7
    assert total.bands[1].count == 12


def test_images_of_different_dtypes_keep_their_values() -> None:
    """Together numpy would make floats of them."""
    total = Statistics()
    for value, dtype in ((2**63 + 1, "u8"), (2**63 - 1, "i8"), (2**63 + 3, "u8")):
        total.add(np.full((1, 1, 1), value, dtype), (1,))

    assert total.bands[1].to_dict()["bins"] == [2**63 - 1, 2**63 + 1, 2**63 + 3]


def test_a_large_image_is_not_copied_whole() -> None:
    """A sparse one takes no memory at all."""
    pixels = np.broadcast_to(np.array(7, "u2"), (4000, 3000, 3))
    total = Statistics()

    tracemalloc.start()
    total.add(pixels, (4, 3, 2))
    assert total.bands[3].count == 4000 * 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < pixels.nbytes / 3


def test_a_band_named_twice_counts_once() -> None:
    total = Statistics()

    total.add(np.full((2, 3, 3), 7, "u1"), (4, 4, 2))

    assert {band: found.count for band, found in total.bands.items()} == {2: 6, 4: 6}


def test_each_band_needs_its_number() -> None:
    with pytest.raises(ValueError, match="zip"):
        Statistics().add(np.zeros((2, 2, 3), "u1"), (1, 2))


def test_few_values_wait() -> None:
    total = Statistics()
    pixels = np.zeros((64, 64, 3), "u2")

    for _ in range(200):
        total.add(pixels, (4, 3, 2))

    room = [vars(line)["_values"].size for line in vars(total)["_waiting"].values()]
    assert len(room) == 3
    assert 3 * 64 * 64 < sum(room) <= 2**20
    assert total.bands[4].count == 200 * 64 * 64


def test_what_is_handed_over_is_the_same_however_often() -> None:
    """A worker hands over batch by batch, of images that need not have the same bands."""
    total, whole, ours = Statistics(), Statistics(), Statistics()
    rng = np.random.default_rng(3)
    for batch in range(6):
        dtype, bands = ("u2", "f4")[batch == 4], ((1, 2, 3), (4,))[batch % 2]
        for _ in range(batch):
            pixels = rng.integers(0, 3000, (30, 20, len(bands))).astype(dtype)
            ours.add(pixels, bands)
            whole.add(pixels, bands)
        taken = ours.handed_over()
        assert taken.images == batch
        assert set(taken.bands) == (set(bands) if batch else set())
        total.merge(pickle.loads(pickle.dumps(taken)))  # noqa: S301 - our own

    assert total.to_json() == whole.to_json()
    assert (ours.images, ours.bands) == (0, {})


@given(integer_arrays())
@example(np.array([np.nan, 1.5, -2], "f4"))
@example(np.array([np.nan], "f4"))
def test_histograms_travel(values: NDArray[Any]) -> None:
    sent = Histogram.of(values)
    come = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own

    assert come.to_dict() == sent.to_dict()
    if come.tally is not None:
        assert come.tally.counts.dtype == np.int64


def test_what_is_pickled_is_counted_and_small() -> None:
    total = Statistics()
    for _ in range(20):
        total.add(np.full((64, 64, 3), 30_000, "u2"), (4, 3, 2))

    pickled = pickle.dumps(total)

    assert len(pickled) < 2000
    again = pickle.loads(pickled)  # noqa: S301 - our own
    assert again.to_json() == total.to_json()
    again.add(np.zeros((1, 1, 1), "u2"), (4,))
    assert again.bands[4].minimum == 0
    assert total.bands[4].minimum == 30_000


# Ranges


def three_bands() -> tuple[Statistics, NDArray[Any]]:
    pixels = np.random.default_rng(5).gamma(2, [400, 900, 50], (20, 30, 3)).astype("u2")
    total = Statistics()
    total.add(pixels, (4, 3, 2))
    return total, pixels


def test_a_range_for_each_band() -> None:
    total, pixels = three_bands()

    found = total.in_range((2, 4, 2), 2, 98, joint=False)

    wanted = [tuple(np.percentile(pixels[..., column], (2, 98))) for column in (2, 0, 2)]
    assert found == tuple(wanted)


@pytest.mark.parametrize(
    ("bands", "columns"), [((4, 3, 2), [0, 1, 2]), ((3, 2, 3), [1, 2]), ((2,), [2])]
)
def test_one_range_for_all_bands_counts_each_once(
    bands: tuple[int, ...], columns: list[int]
) -> None:
    total, pixels = three_bands()
    before = total.to_json()

    found = total.in_range(bands, 2, 98, joint=True)

    wanted = tuple(np.percentile(pixels[..., columns], (2, 98)))
    assert found == (wanted,) * len(bands)
    assert total.to_json() == before


@pytest.mark.parametrize("joint", [False, True])
def test_no_values_have_a_range_that_can_be_stretched(joint: bool) -> None:
    total = Statistics()
    total.add(np.ones((2, 2, 2), "u2"), (1, 2), np.zeros((2, 2, 2), np.bool_))

    assert total.in_range((1, 2), 2, 98, joint=joint) == ((0, 1), (0, 1))


def test_bands_without_values_do_not_change_the_others() -> None:
    total = Statistics()
    total.add(np.array([[[5, np.nan], [5, np.nan]]]), (1, 2))

    assert total.in_range((2, 1), 2, 98, joint=False) == ((0, 1), (5, 5))
    assert total.in_range((2, 1), 2, 98, joint=True) == ((5, 5), (5, 5))


@pytest.mark.parametrize("joint", [False, True])
def test_a_band_that_was_never_added_is_named(joint: bool) -> None:
    total, _ = three_bands()

    with pytest.raises(OptionsError, match=r"band 8 .* they have 2, 3, 4"):
        total.in_range((4, 8), 2, 98, joint=joint)
    with pytest.raises(OptionsError, match=r"band 1 .* they have none"):
        Statistics().in_range((1,), 2, 98, joint=joint)


# JSON


@settings(deadline=None, max_examples=40)
@given(
    whole=integer_arrays() | integer_arrays(span=2**64),
    broken=st.lists(st.floats(), max_size=30),
    narrow=st.lists(st.floats(width=32), max_size=30),
)
def test_json_brings_everything_back(
    whole: NDArray[Any], broken: list[float], narrow: list[float]
) -> None:
    total = Statistics()
    for band, values in ((12, whole), (3, np.array(broken, "f8")), (1, np.array(narrow, "f4"))):
        total.add(values.reshape(1, -1, 1), (band,))

    again = Statistics.from_json(total.to_json())

    assert again.images == 3
    assert list(again.bands) == [1, 3, 12]
    assert again.to_json() == total.to_json()
    for band, histogram in total.bands.items():
        assert same(again.bands[band], histogram)
    again.merge(total)
    assert again.bands[12].count == 2 * whole.size


def test_json_tells_people_what_they_want_to_know() -> None:
    total, pixels = three_bands()

    text = total.to_json()

    found = json.loads(text)["bands"]["4"]
    assert len(text.splitlines()) == 3 + 2
    assert found["count"] == 600
    assert found["minimum"] == pixels[..., 0].min()
    assert found["maximum"] == pixels[..., 0].max()
    assert found["mean"] == pixels[..., 0].mean()
    wanted = {
        str(percent): np.percentile(pixels[..., 0], percent)
        for percent in (0.1, 1, 2, 5, 25, 50, 75, 95, 98, 99, 99.9)
    }
    assert found["percentiles"] == wanted


def test_statistics_of_nothing_survive_json() -> None:
    again = Statistics.from_json(Statistics().to_json())

    assert again.images == 0
    assert again.bands == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        ("[]", r"statistics: \[\] is no object"),
        ("null", "statistics: None is no object"),
        ("{}", "statistics: no format, version, images, bands"),
    ],
)
def test_what_is_no_statistics_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        Statistics.from_json(text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "GeoJSON", "format 'GeoJSON'"),
        ("version", 2, "version 2"),
        ("version", True, "version True"),
        ("version", "1", "version '1'"),
        ("images", -1, "images -1"),
        ("images", 1.0, "images 1.0"),
        ("images", None, "images None"),
        ("bands", [], r"bands \[\] is no object"),
        ("bands", {"0": {}}, "band '0'"),
        ("bands", {"01": {}}, "band '01'"),
        ("bands", {"-3": {}}, "band '-3'"),
        ("bands", {"²": {}}, "band '²'"),
        ("bands", {"red": {}}, "band 'red'"),
        ("bands", {"9" * 5000: {}}, "band '999"),
        ("bands", {"3": []}, "band 3: histogram: "),
        ("bands", {"3": {"sum": 0}}, "band 3: histogram: no kind, minimum"),
    ],
)
def test_wrong_statistics_are_refused(field: str, value: object, message: str) -> None:
    found = json.loads(three_bands()[0].to_json())

    with pytest.raises(OptionsError, match=message):
        Statistics.from_json(json.dumps({**found, field: value}))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "numbers", "kind 'numbers'"),
        ("kind", ["integers"], "kind"),
        ("minimum", 4.0, "minimum 4.0"),
        ("minimum", None, "minimum None"),
        ("minimum", True, "minimum True"),
        ("minimum", 3, "bins"),
        ("minimum", 9, "minimum 9 is above maximum 8"),
        ("minimum", -(2**63) - 1, "minimum -9"),
        ("maximum", 2**64, "maximum 18"),
        ("maximum", 7, "bins"),
        ("maximum", 2**40, "bins"),
        ("sum", 17, "sum 17"),
        ("sum", [17], "sum"),
        ("sum", [17, 0], "sum"),
        ("sum", [17.0, 1], "sum"),
        ("sum", [33, 2], "sum 33/2"),
        ("sum", [11, 1], "sum 11"),
        ("sum", [25, 1], "sum 25"),
        ("count", 4, "count 4 is not the sum of counts, 3"),
        ("count", 3.0, "count 3.0"),
        ("bins", None, "bins None"),
        ("bins", {}, "bins {}"),
        ("bins", [4, 8, 12], "3 bins, but 2 counts"),
        ("bins", [], "0 bins, but 2 counts"),
        ("bins", [8, 4], "ascend"),
        ("bins", [4, 4], "ascend"),
        ("bins", [4, "8"], "bins: '8'"),
        ("bins", [4, 8.0], "bins: 8.0"),
        ("bins", [4, 4 + SPAN], "span"),
        ("bins", [5, 8], "bins"),
        ("bins", [4, 10**30], "bins: 10"),
        ("counts", [4, -1], "counts: -1"),
        ("counts", [3, 0], "counts: 0"),
        ("counts", [2, True], "counts: True"),
        ("counts", "21", "counts '21'"),
    ],
)
def test_wrong_histograms_are_refused(field: str, value: object, message: str) -> None:
    found = Histogram.of(np.array([4, 4, 8])).to_dict()

    with pytest.raises(OptionsError, match=message):
        Histogram.from_dict({**found, field: value})
    assert Histogram.from_dict(found).to_dict() == found


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("minimum", math.nan, "minimum nan"),
        ("minimum", -math.inf, "minimum -inf"),
        ("maximum", 10**400, "maximum 10"),
        ("maximum", "2.5", "maximum '2.5'"),
        ("maximum", 3.5, "bins"),
        ("bins", [0, 2**19], "bins"),
        ("counts", [2**63 - 1, 1], "count"),
    ],
)
def test_wrong_histograms_of_floats_are_refused(field: str, value: object, message: str) -> None:
    found = Histogram.of(np.array([0.5, 2.5])).to_dict()

    with pytest.raises(OptionsError, match=message):
        Histogram.from_dict({**found, field: value})


@pytest.mark.parametrize("count", [2**63, 2**70])
def test_counts_too_large_are_refused(count: int) -> None:
    found = Histogram.of(np.array([5])).to_dict()

    with pytest.raises(OptionsError, match="count"):
        Histogram.from_dict({**found, "count": count, "counts": [count], "sum": [5 * count, 1]})


def test_a_sum_too_large_for_its_values_does_no_harm() -> None:
    found = Histogram.of(np.array([0.5, 2.5])).to_dict()

    assert Histogram.from_dict({**found, "sum": [2**4000, 1]}).mean == 2.5


def test_nothing_with_a_minimum_is_refused() -> None:
    with pytest.raises(OptionsError, match="not null"):
        Histogram.from_dict({**Histogram().to_dict(), "minimum": 0})


def test_whole_numbers_for_floats_are_read() -> None:
    """Other programs that write JSON drop the fraction of 2.0."""
    found = Histogram.of(np.array([2.0, 3.5])).to_dict()

    again = Histogram.from_dict({**found, "minimum": 2})

    assert again.to_dict() == found
    assert type(again.minimum) is float
