"""Counting the values of one band: values to a tally, and two tallies to one."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BINS_BITS: Final = 22  # integers get at most 2**22 bins a band: 32 MiB
BLOCK: int = 2**18  # values counted at once: copies of them stay in memory that is used again
CUT_BITS: Final = 12  # of the 23 bits of a float32's mantissa: 11 are left
_SMALL: Final = 2  # bytes; unsigned integers up to here are bins as they are
_WIDE: Final = 8  # bytes; integers of this size have differences that int64 cannot hold


class Tally(NamedTuple):
    """Counts of at least one value; never changed, so that histograms can share it.

    Its form follows from the values alone, not from the order in which they came: ``counts``
    reaches from the bin of the minimum to the bin of the maximum, and ``bits`` of integers,
    the logarithm of a bin's width, is the least that leaves no more than 2**22 bins.
    """

    floats: bool
    bits: int
    minimum: float
    maximum: float
    total: Fraction  # the sum: never overflows
    size: int  # number of values
    first: int  # bin of counts[0]
    counts: NDArray[np.int64]


# Counting: values → tally.


def blocks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut values into flat blocks in the byte order of the machine, copied only if need be."""
    blocks: Any = np.nditer(  # its type says nothing of blocks
        values,
        flags=("buffered", "external_loop", "zerosize_ok"),
        op_dtypes=[values.dtype.newbyteorder("=")],
        casting="equiv",
        buffersize=BLOCK,
    )
    yield from blocks


def tallied(values: NDArray[Any]) -> Tally | None:
    """Count values; None if none of them is a finite number."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= _SMALL:
        return _tallied_small(values)
    if values.dtype.kind in "biu":
        return _tallied_integers(values)
    if values.dtype.kind != "f":
        raise TypeError(f"values of {values.dtype} cannot be counted: give real numbers")
    with np.errstate(over="ignore"):  # of floats wider than float64
        floats = values.astype(np.float64)
    floats = floats[np.isfinite(floats)]
    return _tallied_floats(floats) if floats.size else None


def _tallied_small(values: NDArray[Any]) -> Tally:
    """Count values that are bins as they are: half the time, as nothing is computed first."""
    counts = np.bincount(values)
    used = np.flatnonzero(counts)
    minimum, maximum = int(used[0]), int(used[-1])
    return Tally(
        floats=False,
        bits=0,
        minimum=minimum,
        maximum=maximum,
        total=Fraction(int(counts @ np.arange(len(counts)))),
        size=values.size,
        first=minimum,
        counts=counts[minimum:],
    )


def _tallied_integers(values: NDArray[Any]) -> Tally:
    minimum, maximum = int(values.min()), int(values.max())
    bits = bin_bits(minimum, maximum)
    first = minimum >> bits
    offsets = _offsets(values, first << bits)
    keys = (offsets >> bits).astype(np.intp) if bits else offsets.astype(np.intp, copy=False)
    total = Fraction((first << bits) * values.size + _sum(offsets))
    counts = np.bincount(keys)
    return Tally(
        floats=False,
        bits=bits,
        minimum=minimum,
        maximum=maximum,
        total=total,
        size=values.size,
        first=first,
        counts=counts,
    )


def bin_bits(minimum: int, maximum: int) -> int:
    """Find the least number of bits to drop that leaves few enough bins."""
    bits = max(0, (maximum - minimum).bit_length() - BINS_BITS)
    return bits + ((maximum >> bits) - (minimum >> bits) >= 2**BINS_BITS)


def _offsets(values: NDArray[Any], base: int) -> NDArray[Any]:
    """Subtract ``base``, no more than the minimum: differences of 64 bits are unsigned."""
    if values.dtype.itemsize < _WIDE:
        offsets = values.astype(np.int64)
        offsets -= base
        return offsets
    unsigned: NDArray[np.uint64] = values.view(np.uint64) - np.uint64(base % 2**64)
    return unsigned


def _sum(offsets: NDArray[Any]) -> int:
    """Sum up exactly: what 64 bits hold in halves, whose sums do not overflow."""
    if offsets.dtype.kind == "i":
        return int(offsets.sum())
    return (int((offsets >> 32).sum()) << 32) + int((offsets & (2**32 - 1)).sum())


def _tallied_floats(values: NDArray[np.float64]) -> Tally:
    minimum, maximum = float(values.min()) + 0.0, float(values.max()) + 0.0  # never -0.0
    keys = float_keys(values)
    first = int(keys.min())
    counts = np.bincount(keys - first)
    total = _float_sum(values)
    return Tally(
        floats=True,
        bits=0,
        minimum=minimum,
        maximum=maximum,
        total=total,
        size=values.size,
        first=first,
        counts=counts,
    )


def float_keys(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give the numbers of the bins of floats, in the order of the floats.

    The bits of a float32 without its sign, read as an integer, grow with the number. Rounded,
    not cut, the number in the middle of a bin is one with few bits: 0, 1, 0.5, any float16.
    """
    largest = np.finfo(np.float32).max
    bits = values.clip(-largest, largest).astype(np.float32).view(np.int32)
    magnitudes = bits & 0x7FFFFFFF
    signed = np.where(bits < 0, -magnitudes, magnitudes)
    keys: NDArray[np.intp] = ((signed + 2 ** (CUT_BITS - 1)) >> CUT_BITS).astype(np.intp)
    return keys


def _float_sum(values: NDArray[np.float64]) -> Fraction:
    """Sum up in float64, made smaller if the sum would be too large for it."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(values.sum())
    if math.isfinite(total):
        return Fraction(total)
    return Fraction(float(np.ldexp(values, -64).sum())) * 2**64


# Joining: two tallies → one.


def joined(one: Tally | None, other: Tally | None) -> Tally | None:
    """Count the values of both."""
    if one is None or other is None:
        return one or other
    floats = one.floats or other.floats
    if floats:
        one, other = _as_floats(one), _as_floats(other)
    minimum, maximum = min(one.minimum, other.minimum), max(one.maximum, other.maximum)
    bits = 0 if floats else bin_bits(int(minimum), int(maximum))
    first, counts = _added(_rebinned(one, bits), _rebinned(other, bits))
    return Tally(
        floats=floats,
        bits=bits,
        minimum=minimum,
        maximum=maximum,
        total=one.total + other.total,
        size=one.size + other.size,
        first=first,
        counts=counts,
    )


def _added(one: Tally, other: Tally) -> tuple[int, NDArray[np.int64]]:
    first = min(one.first, other.first)
    end = max(one.first + len(one.counts), other.first + len(other.counts))
    counts = np.zeros(end - first, np.int64)
    for tally in (one, other):
        start = tally.first - first
        counts[start : start + len(tally.counts)] += tally.counts
    return first, counts


def _rebinned(tally: Tally, bits: int) -> Tally:
    """Join the bins of integers to bins of 2**bits values: each is part of one of them."""
    more = bits - tally.bits
    if not more:
        return tally
    first = tally.first >> more
    lead = tally.first - (first << more)
    counts = spread((np.arange(len(tally.counts)) + lead) >> more, tally.counts)
    return tally._replace(bits=bits, first=first, counts=counts)


def spread(offsets: NDArray[np.intp], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put each count at its offset; ``offsets`` ascend from 0."""
    spread = np.zeros(int(offsets[-1]) + 1, np.int64)
    np.add.at(spread, offsets, counts)
    return spread


def _as_floats(tally: Tally) -> Tally:
    """Put the bins of integers where floats of their values would be."""
    if tally.floats:
        return tally
    minimum, maximum = float(tally.minimum), float(tally.maximum)
    used = np.flatnonzero(tally.counts)
    values = (used + float(tally.first)) * 2**tally.bits + (2**tally.bits // 2)
    values[0], values[-1] = minimum, maximum  # whatever rounding did
    keys = float_keys(values.clip(minimum, maximum))
    first = int(keys[0])
    counts = spread(keys - first, tally.counts[used])
    return tally._replace(
        floats=True, bits=0, minimum=minimum, maximum=maximum, first=first, counts=counts
    )


# Travelling.


def narrowed(tally: Tally) -> Tally:
    """Give the counts in the smallest dtype that holds them, for the way to another process."""
    counts: Any = tally.counts
    return tally._replace(counts=counts.astype(np.min_scalar_type(int(counts.max()))))


def widened(tally: Tally) -> Tally:
    """Give the counts as they are counted."""
    return tally._replace(counts=tally.counts.astype(np.int64))
