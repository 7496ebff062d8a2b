"""The histogram of one band, and its percentiles."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asyncrgb.imaging.statistics.record import checked
from asyncrgb.imaging.statistics.tally import (
    CUT_BITS,
    Tally,
    blocks,
    joined,
    narrowed,
    tallied,
    widened,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_SUMMARY: Final = (0.1, 1, 2, 5, 25, 50, 75, 95, 98, 99, 99.9)


class Histogram:
    """Counts of the values of one band.

    Integers (and bools, as 0 and 1) are exact as long as they span at most 2**22 different
    values. Beyond that, bins hold 2, 4, 8, ... neighbouring values each, and percentiles are
    right to a bin's width.

    Floats share a bin if they round to the same number of 12 significant bits: percentiles
    are right to 1 part in 4096 (in the normal range of float32), and exact for float16. Where
    integers and floats meet, the integers become floats.

    Minimum, maximum and count are exact always, and so is the mean of integers. NaN and
    infinities do not count.
    """

    __slots__ = ("tally",)

    def __init__(self) -> None:
        self.tally: Tally | None = None

    @classmethod
    def of(cls, values: NDArray[Any]) -> Histogram:
        """Count ``values``: of any shape, strides, byte order and real dtype."""
        histogram = cls()
        for block in blocks(values):
            histogram.tally = joined(histogram.tally, tallied(block))
        return histogram

    @property
    def count(self) -> int:
        """Number of values."""
        return self.tally.size if self.tally else 0

    @property
    def minimum(self) -> float | None:
        """The smallest value, an int if all were integers; None if there is no value."""
        return self.tally.minimum if self.tally else None

    @property
    def maximum(self) -> float | None:
        """The largest value, an int if all were integers; None if there is no value."""
        return self.tally.maximum if self.tally else None

    @property
    def mean(self) -> float | None:
        """The mean: of integers the exact one, rounded once; None if there is no value."""
        if self.tally is None:
            return None
        low, high = Fraction(self.tally.minimum), Fraction(self.tally.maximum)
        return float(min(max(self.tally.total / self.tally.size, low), high))

    def merge(self, other: Histogram) -> None:
        """Count the values of ``other`` as well."""
        self.tally = joined(self.tally, other.tally)

    def __reduce__(self) -> tuple[Callable[[Tally | None], Histogram], tuple[Tally | None]]:
        """Travel with counts that are no wider than they must be: most in a quarter of the bytes.

        Workers send theirs batch by batch; where they go as they are, that is a tenth of all
        their work.
        """
        return _arrived, (None if self.tally is None else narrowed(self.tally),)

    def percentiles(self, percents: Sequence[float]) -> tuple[float, ...]:
        """Give percentiles as ``numpy.percentile`` does: linear between neighbours.

        For integers the result is that of numpy bit for bit, except where numpy subtracts
        integers in a dtype that cannot hold the difference, such as int8.

        Raises:
            ValueError: there are no values, or a percent is not in 0 .. 100.

        """
        if self.tally is None:
            raise ValueError("no values, so no percentiles")
        if not all(0 <= percent <= 100 for percent in percents):  # noqa: PLR2004 - per cent
            raise ValueError(f"percents {percents}: give numbers from 0 to 100")
        return percentiles_of(self.tally, percents)

    def to_dict(self) -> dict[str, Any]:
        """Give a summary for people and the bins for ``from_dict``, all fit for JSON."""
        tally = self.tally
        used = np.flatnonzero(tally.counts) if tally else np.arange(0)
        return {
            "count": self.count,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "mean": self.mean,
            "percentiles": self._summary(),
            "kind": "floats" if tally and tally.floats else "integers",
            "sum": [*tally.total.as_integer_ratio()] if tally else [0, 1],
            "bins": [tally.first + offset for offset in used.tolist()] if tally else [],
            "counts": tally.counts[used].tolist() if tally else [],
        }

    def _summary(self) -> dict[str, float]:
        """Name percentiles by their percents."""
        values = self.percentiles(_SUMMARY) if self.tally else ()
        return dict(zip(map(str, _SUMMARY), values, strict=False))

    @classmethod
    def from_dict(cls, fields: object) -> Histogram:
        """Take back what ``to_dict`` gave; the mean and the percentiles in it are not read.

        Raises:
            OptionsError: it is something else; the message says what is wrong with it.

        """
        histogram = cls()
        histogram.tally = checked(fields)
        return histogram


def _arrived(tally: Tally | None) -> Histogram:
    histogram = Histogram()
    histogram.tally = None if tally is None else widened(tally)
    return histogram


# Percentiles: tally → values.


def percentiles_of(tally: Tally, percents: Sequence[float]) -> tuple[float, ...]:
    """Find the two neighbours of each percentile, all with one look at the counts."""
    last = tally.size - 1
    places = [last * (percent / 100) for percent in percents]
    lower = [min(math.floor(place), last) for place in places]
    ranks = [*lower, *(min(rank + 1, last) for rank in lower)]
    offsets = tally.counts.cumsum().searchsorted(ranks, side="right").tolist()
    values = [_value(tally, *found) for found in zip(ranks, offsets, strict=True)]
    return tuple(
        _between(values[at], values[at + len(lower)], place - lower[at])
        for at, place in enumerate(places)
    )


def _value(tally: Tally, rank: int, offset: int) -> float:
    """Give the value of the ``rank``-th smallest number, known to be in a bin: its middle."""
    if rank == 0:
        return tally.minimum
    if rank == tally.size - 1:
        return tally.maximum
    key = tally.first + offset
    middle = _float_value(key) if tally.floats else (key << tally.bits) + (2**tally.bits // 2)
    return min(max(middle, tally.minimum), tally.maximum)


def _float_value(key: int) -> float:
    (magnitude,) = struct.unpack("=f", struct.pack("=i", abs(key) << CUT_BITS))
    return math.copysign(magnitude, key)


def _between(low: float, high: float, share: float) -> float:
    """Interpolate in numpy's order of arithmetic, which the last bit depends on."""
    gap = high - low
    if math.isinf(gap):
        return low * (1 - share) + high * share
    return float(high - gap * (1 - share) if share >= 0.5 else low + gap * share)  # noqa: PLR2004
