"""Strips and tiles of a page of which only some rows are wanted: where they lie, and their pixels.

What is not compressed is cut by rows, so that strips as tall as the image are no obstacle; of
everything else those segments are decoded whole that the rows touch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asyncrgb.errors import AsyncRgbError, DecodeError
from asyncrgb.imaging.reading import decoders, refusals, segments
from asyncrgb.imaging.reading.sparse import Absent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from asyncrgb.imaging.reading.layout import Form
    from asyncrgb.imaging.reading.segments import Segments
    from asyncrgb.imaging.reading.sparse import Sparse

    Numbers = NDArray[np.int64]

_BYTE: Final = 8  # bits


class Grid(NamedTuple):
    """The segments of a page, in their places.

    Attributes:
        form: what the image is.
        segments: how they are decoded.
        rows, columns: of a segment.
        offsets, counts: first byte and number of bytes of each, (planes, down, across).
        line: bytes of a row of a segment, where segments can be cut by rows; else 0.

    """

    form: Form
    segments: Segments
    rows: int
    columns: int
    offsets: Numbers
    counts: Numbers
    line: int

    @property
    def decoded(self) -> int:
        """The bytes of a segment as it is decoded; of a row of it where it can be cut."""
        samples = 1 if self.segments.planar else self.form.bands
        rows = 1 if self.line else self.rows
        return rows * self.columns * samples * self.form.dtype.itemsize

    def places(self, bands: Sequence[int], top: int, bottom: int) -> tuple[Numbers, Numbers]:
        """Say where the rows from ``top`` to before ``bottom`` of ``bands`` lie in the file.

        Returns:
            First bytes and numbers of bytes, a dimension each.

        """
        planes, first, last = self._planes(bands), top // self.rows, -(-bottom // self.rows)
        offsets, counts = self.offsets[planes, first:last], self.counts[planes, first:last]
        if self.line:
            above = np.arange(first, last)[:, None] * self.rows
            start = np.maximum(top - above, 0) * self.line
            end = np.minimum(bottom - above, self.rows) * self.line
            offsets, counts = offsets + start, np.clip(counts, None, end) - start
        stored = counts > 0
        return offsets[stored], counts[stored]

    def read(self, file: Sparse, bands: Sequence[int], top: int, bottom: int) -> NDArray[Any]:
        """Read the rows from ``top`` to before ``bottom`` of ``bands``, counted from 1.

        Returns:
            (bottom - top, width, len(bands)); it may be a view on the file, in its byte order.

        Raises:
            Absent: they are not all here.
            DecodeError: a segment is damaged; the message names it.

        """
        if self.line and self.segments.planar and len(bands) > 1:
            planes = [self.read(file, [band], top, bottom) for band in bands]
            return np.concatenate(planes, axis=-1)
        seen = self._seen(file, bands, top, bottom) if self.line else None
        if seen is not None:
            return seen
        form = self.form
        shape = (bottom - top, form.width, len(bands))
        pixels = np.empty(shape, form.dtype.newbyteorder("="))
        for index in self._wanted(bands, top, bottom):
            if self.line:
                self._copy(file, index, pixels, bands, top)
            else:
                self._decode(file, index, pixels, bands, top)
        return pixels

    def _planes(self, bands: Sequence[int]) -> list[int]:
        return sorted({band - 1 for band in bands}) if self.segments.planar else [0]

    def _wanted(self, bands: Sequence[int], top: int, bottom: int) -> Iterator[tuple[int, ...]]:
        for plane in self._planes(bands):
            for down in range(top // self.rows, -(-bottom // self.rows)):
                yield from ((plane, down, across) for across in range(self.offsets.shape[2]))

    def _seen(
        self, file: Sparse, bands: Sequence[int], top: int, bottom: int
    ) -> NDArray[Any] | None:
        """See rows that lie in one piece; None where they do not."""
        starts, sizes = self.places(bands, top, bottom)
        size = (bottom - top) * self.line
        whole = self.offsets.shape[2] == 1 and self.columns == self.form.width
        if not whole or not len(starts) or sizes.sum() != size:
            return None
        if (starts[:-1] + sizes[:-1] != starts[1:]).any():
            return None
        start = int(starts[0])
        pixels = self._pixels(file[start : start + size], bottom - top)
        return segments.pick(pixels, [1] * len(bands) if self.segments.planar else bands)

    def _pixels(self, data: memoryview, rows: int) -> NDArray[Any]:
        samples = 1 if self.segments.planar else self.form.bands
        return np.ndarray((rows, self.columns, samples), self.form.dtype, data)

    def _copy(
        self,
        file: Sparse,
        index: tuple[int, ...],
        pixels: NDArray[Any],
        bands: Sequence[int],
        top: int,
    ) -> None:
        """Copy the rows of a segment that is not compressed."""
        plane, down, across = index
        above, left = down * self.rows, across * self.columns
        first = max(0, top - above)
        target = pixels[above + first - top :, left : left + self.columns]
        target = target[: self.rows - first]
        if not self.counts[index]:
            self.segments.fill(target, plane, bands)
            return
        start = int(self.offsets[index]) + first * self.line
        block = self._pixels(file[start : start + len(target) * self.line], len(target))
        self.segments.place(target, block[:, : target.shape[1]], plane, bands)

    def _decode(
        self,
        file: Sparse,
        index: tuple[int, ...],
        pixels: NDArray[Any],
        bands: Sequence[int],
        top: int,
    ) -> None:
        """Decode a segment, and take the rows of it that are wanted."""
        start, size = int(self.offsets[index]), int(self.counts[index])
        number = int(np.ravel_multi_index(index, self.offsets.shape))
        try:
            body = file[start : start + size] if size else None
            block, (plane, _, above, left, _), extent = self.segments.decode(body, number)
            first = max(0, top - above)
            target = pixels[above + first - top :, left : left + extent[2]][: extent[1] - first]
            if block is None:
                self.segments.fill(target, plane, bands)
                return
            segments.check_kind(block, pixels)
            part = block[0, first : first + len(target), : target.shape[1]]
            self.segments.place(target, part, plane, bands)
        except (Absent, MemoryError):
            raise
        except Exception as error:
            raise DecodeError(self._damage(number, start, size, error)) from error

    def _damage(self, number: int, start: int, size: int, error: Exception) -> str:
        """Name a segment that cannot be decoded."""
        kind = "strip" if self.columns == self.form.width else "tile"
        what = error if isinstance(error, AsyncRgbError) else f"{type(error).__name__}: {error}"
        return (
            f"{kind} {number} (of {self.offsets.size}, bytes {start} to {start + size}) cannot be "
            f"decoded ({what}): copy the file again from where it came"
        )


def of_page(file: Sparse, page: TiffPage, form: Form) -> Grid:
    """Find the segments of a page that tifffile has parsed.

    Raises:
        DecodeError: they are not all there.
        Exception: whatever tifffile raises.

    """
    stored = page.compression == 1 and page.fillorder == 1  # decoders may change what it says
    parts = segments.of_page(file, page, form)
    rows, columns = decoders.shape(page)
    shape = (page.shaped[0], -(-form.height // rows), -1)
    offsets = np.array([*parts.offsets], np.int64).reshape(shape)  # of type BYTE they are bytes
    counts = np.array([*parts.counts], np.int64).reshape(shape)
    _check_inside(offsets, counts, len(file))
    line = _line(page, form, counts) if stored else 0
    lean = parts._replace(offsets=(), counts=())  # a million numbers take less room in arrays
    return Grid(form, lean, rows, columns, offsets, counts, line)


def _check_inside(offsets: Numbers, counts: Numbers, size: int) -> None:
    """Refuse segments that begin or end outside of the file, however large the numbers are."""
    if offsets.min() < 0 or counts.min() < 0:
        raise DecodeError("strips or tiles at negative places: copy it again from where it came")
    refusals.check_present(int(offsets.max()), size)
    refusals.check_present(int((offsets + np.minimum(counts, size + 1)).max()), size)


def _line(page: TiffPage, form: Form, counts: Numbers) -> int:
    """Give the bytes of a row of segments that can be cut by rows, being stored as they are."""
    if form.bits != _BYTE * form.dtype.itemsize or not counts.size:
        return 0
    sizes = np.array(segments.sizes(page, form), np.int64).reshape(counts.shape)
    if not ((counts == sizes) | (counts == 0)).all():
        return 0
    (_, columns), planes = decoders.shape(page), page.shaped[0]
    return columns * form.bands // planes * form.dtype.itemsize
