"""Smaller pictures: each pixel the mean of those it covers, as far as they are data.

Borders of new pixels cut old ones, which count by the share that lies inside. Shares are whole
numbers, of the units in which both grids are whole, so that the sums of integers of up to 16 bits
are exact (below 2**53), and with them the mean, in whatever pieces the rows come. The sums of
other values are rounded, but in an order that the pieces do not change either.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from asyncrgb.imaging.stretch import as_dtype

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Sums = NDArray[np.float64]


def target(height: int, width: int, max_size: int) -> tuple[int, int]:
    """Give the size of a picture whose longest side is ``max_size`` at most, halves rounded up."""
    longest = max(height, width)
    if longest <= max_size:
        return height, width
    down, across = ((2 * side * max_size + longest) // (2 * longest) for side in (height, width))
    return max(1, down), max(1, across)


class Reduction(NamedTuple):
    """A change of size.

    Attributes:
        source: height and width of the image.
        target: height and width of the picture, at least 1 and not larger.

    """

    source: tuple[int, int]
    target: tuple[int, int]

    def rows(self, top: int, bottom: int) -> tuple[int, int]:
        """Give the first source row that target rows [top, bottom) take, and the one after."""
        old, new = self.source[0], self.target[0]
        return top * old // new, -(-bottom * old // new)

    def reduce(  # noqa: PLR0913 - both grids
        self,
        values: NDArray[Any],
        known: NDArray[np.bool_] | None,
        first_row: int,
        top: int,
        bottom: int,
        *,
        nodata: float | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Average the rows of an image down to target rows [top, bottom).

        Args:
            values: (rows, width, bands), of any real dtype and byte order, all that ``rows`` says
                at least.
            known: which of them are data, of the same shape or (rows, width, 1); None: all.
            first_row: the source row that ``values`` begins with.
            top: first target row.
            bottom: the target row after the last.
            nodata: what target pixels without data get, and those with data never; where there
                is none, or the dtype has no such value, they get 0, or NaN.

        Returns:
            Values, (bottom - top, target width, bands) in the same dtype, integers rounded to
            the nearest, halves away from 0; and which of them have data, None where ``known``
            is None.

        """
        averaging = Averaging(self, top, bottom, values.shape[2], values.dtype)
        averaging.add(values, known, first_row)
        return averaging.result(nodata)

    def nearest(self, values: NDArray[Any], first_row: int, top: int, bottom: int) -> NDArray[Any]:
        """Take the value in the centre of each pixel instead, as for indexes of a palette.

        Arguments and result are those of ``reduce``; (rows, width) will do as well.
        """
        (old_height, old_width), (height, width) = self
        down = (2 * np.arange(top, bottom) + 1) * old_height // (2 * height) - first_row
        across = (2 * np.arange(width) + 1) * old_width // (2 * width)
        return values[down][:, across]


class Averaging:
    """Averages an image whose rows come in pieces, in order, down to target rows [top, bottom).

    It holds sums of one row of the image, and the result.
    """

    def __init__(
        self, reduction: Reduction, top: int, bottom: int, bands: int, dtype: DTypeLike
    ) -> None:
        (height, width), (lines, columns) = reduction
        self._rows, self._lines = _lowest(height, lines)
        self._top, self._bottom = top, bottom
        self._next, self._end = reduction.rows(top, bottom)
        shape = bottom - top, columns, bands
        self._values = np.zeros(shape, np.dtype(dtype).newbyteorder("="))
        self._known = np.ones(shape, np.bool_)
        self._masked = False
        self._total, self._part = np.zeros((2, width, bands))
        self._lost: Sums | None = None  # shares of what is no data
        old, self._columns = _lowest(width, columns)
        edges = np.arange(columns + 1) * old
        self._edges, inside = divmod(edges, self._columns)
        self._inside = inside.astype(np.float64)
        self._area = float(self._rows * old)

    def add(self, values: NDArray[Any], known: NDArray[np.bool_] | None, first_row: int) -> None:
        """Take the next rows, as ``Reduction.reduce`` does; rows that do not count may be there.

        Raises:
            ValueError: they do not go on where the rows before ended.

        """
        self._masked |= known is not None
        start, end = max(self._next, first_row), min(self._end, first_row + len(values))
        if start >= end:
            return
        if start > self._next:
            raise ValueError(f"row {start} does not follow: add row {self._next} first")
        for at in range(start, end):
            known_row = None if known is None else known[at - first_row]
            self._take(at, values[at - first_row], known_row)
        self._next = end

    def _take(self, at: int, row: NDArray[Any], known: NDArray[np.bool_] | None) -> None:
        """Add a row to the target rows that it lies in: one, or two."""
        start, end = at * self._lines, (at + 1) * self._lines
        for line in range(start // self._rows, (end - 1) // self._rows + 1):
            low, high = line * self._rows, (line + 1) * self._rows
            if self._top <= line < self._bottom:
                self._count(row, known, min(end, high) - max(start, low))
                if end >= high:
                    self._finish(line - self._top)

    def _count(self, row: NDArray[Any], known: NDArray[np.bool_] | None, share: float) -> None:
        np.multiply(row, share, out=self._part, dtype=np.float64)
        if known is not None and not known.all():
            np.copyto(self._part, 0, where=~known)
            if self._lost is None:
                self._lost = np.zeros_like(self._total)
            self._lost += share * ~known
        self._total += self._part

    def _finish(self, line: int) -> None:
        """Turn the sums of a target row into means, and begin the next one."""
        total = self._across(self._total)
        if self._lost is None:
            means = total / self._area
        else:
            weights = self._area - self._across(self._lost)
            known = np.greater(weights, 0, out=self._known[line])
            means = np.divide(total, weights, out=np.zeros_like(total), where=known)
        if self._values.dtype.kind in "iu":
            means += np.copysign(0.5, means)  # and then truncated: halves go where GDAL's go
        with np.errstate(invalid="ignore"):  # 2**64, to which the largest integers are rounded
            self._values[line] = means
        self._total[:] = 0
        self._lost = None

    def _across(self, sums: Sums) -> Sums:
        """Sum (width, bands) up to (target width, bands), each pixel by the share of its width.

        Whole pixels first, from the one that the left border cuts; then without what lies left
        of that border, and with what the right border cuts off.
        """
        planes = np.ascontiguousarray(sums.T)
        first, after = self._edges[:-1], np.minimum(self._edges[1:], len(sums) - 1)
        totals = np.add.reduceat(planes, first, axis=1)
        totals *= self._columns
        totals -= planes[:, first] * self._inside[:-1]
        totals += planes[:, after] * self._inside[1:]
        return totals.T

    def result(self, nodata: float | None = None) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Give what ``Reduction.reduce`` gives.

        Raises:
            ValueError: rows are missing.

        """
        if self._next < self._end:
            raise ValueError(f"row {self._next} is missing: add those up to {self._end - 1}")
        if not self._masked:
            return self._values, None
        _mark(self._values, self._known, nodata)
        return self._values, self._known


def _lowest(old: int, new: int) -> tuple[int, int]:
    """Give both in lowest terms: the fewer units, the fewer sums are rounded."""
    common = gcd(old, new)
    return old // common, new // common


def _mark(values: NDArray[Any], known: NDArray[np.bool_], nodata: float | None) -> None:
    """Write ``nodata`` where nothing is known, and move means that happen to be the same."""
    dtype = values.dtype
    mark = as_dtype(nodata, dtype)
    if mark is None:
        values[~known] = np.nan if dtype.kind == "f" else 0
        return
    if dtype.kind == "f":
        other = np.nextafter(
            mark, dtype.type(0 if mark > 0 else np.inf)
        )  # there is none beyond max
    else:
        other = mark + 1 if mark < np.iinfo(dtype).max else mark - 1
    values[values == mark] = other
    values[~known] = mark
