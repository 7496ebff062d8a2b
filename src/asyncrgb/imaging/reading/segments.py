"""Strips and tiles to pixels, those of the wanted bands only.

One after the other, in whatever way it is stored. What is ours is that a decoder is remembered
for all files that are stored alike (parsing each file anew takes a quarter of the time of a
compressed chip), and that a planar file is decoded only where the wanted bands lie: 3 planes of
13. Most chips are read in a shorter way; see ``strips``.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asyncrgb.errors import DecodeError
from asyncrgb.imaging.reading import decoders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tifffile import TiffPage

    from asyncrgb.imaging.reading.decoders import Decode
    from asyncrgb.imaging.reading.layout import Coding, Form, Layout
    from asyncrgb.imaging.reading.sparse import Sparse

_MOST_DECODERS: Final = 64
_COUNTS: Final = (279, 325, 514)  # tags: bytes of each strip, of each tile, of the JPEG
_decoders: dict[tuple[Form, Coding], Decode] = {}


class Segments(NamedTuple):
    """The segments of one image.

    Attributes:
        form: what the image is.
        planar: whether each segment holds one band only.
        offsets, counts: first byte and number of bytes of each; where there are no bytes, there
            are no data.
        decode: turns the bytes of one into pixels.

    """

    form: Form
    planar: bool
    offsets: Sequence[int]
    counts: Sequence[int]
    decode: Decode

    def read(self, data: memoryview, bands: Sequence[int]) -> NDArray[Any]:
        """Decode ``bands``, counted from 1, of the file ``data``.

        Returns:
            (height, width, len(bands)) in native byte order.

        Raises:
            Exception: whatever the decoder raises.

        """
        form = self.form
        pixels = np.empty((form.height, form.width, len(bands)), form.dtype.newbyteorder("="))
        for index in self._wanted(bands):
            start, size = self.offsets[index], self.counts[index]
            body = data[start : start + size] if size else None
            block, (plane, _, top, left, _), (_, rows, columns, _) = self.decode(body, index)
            target = pixels[top : top + rows, left : left + columns]
            if block is None:
                self.fill(target, plane, bands)
            else:
                check_kind(block, pixels)
                self.place(target, block[0, : len(target), : target.shape[1]], plane, bands)
        return pixels

    def _wanted(self, bands: Sequence[int]) -> Sequence[int]:
        if not self.planar:
            return range(len(self.offsets))
        each = len(self.offsets) // self.form.bands
        return [each * (band - 1) + i for band in sorted({*bands}) for i in range(each)]

    def place(
        self, target: NDArray[Any], block: NDArray[Any], plane: int, bands: Sequence[int]
    ) -> None:
        """Put ``bands`` of pixels of ``plane``, (rows, columns, samples), where they are wanted."""
        if self.planar:
            target[..., self._channels(plane, bands)] = block
        else:
            target[...] = pick(block, bands)

    def fill(self, target: NDArray[Any], plane: int, bands: Sequence[int]) -> None:
        """Put what stands for pixels that are not stored where they are wanted."""
        channels: Any = self._channels(plane, bands) if self.planar else slice(None)
        target[..., channels] = fill_value(self.form)

    def _channels(self, plane: int, bands: Sequence[int]) -> list[int]:
        return [channel for channel, band in enumerate(bands) if band == plane + 1]


def check_kind(block: NDArray[Any], pixels: NDArray[Any]) -> None:
    """Refuse what was decoded if it is of another dtype than ``pixels``.

    Raises:
        DecodeError: it is.

    """
    if block.dtype not in (pixels.dtype, bool):
        raise DecodeError(
            f"what is compressed are {block.dtype}, and the file says {pixels.dtype}: "
            "copy it again from where it came"
        )


def pick(pixels: NDArray[Any], bands: Sequence[int]) -> NDArray[Any]:
    """Take ``bands`` (from 1) of ``pixels`` (height, width, bands): a view wherever one exists."""
    return pixels[..., _places(tuple(bands))]


@lru_cache(maxsize=64)
def _places(bands: tuple[int, ...]) -> slice | list[int]:
    first, count = bands[0] - 1, len(bands)
    step = bands[1] - bands[0] if count > 1 else 1
    if step and bands == tuple(range(bands[0], bands[0] + step * count, step)):
        stop = first + step * count
        return slice(first, stop if stop >= 0 else None, step)
    return [band - 1 for band in bands]


def fill_value(form: Form) -> float:
    """Give what stands where nothing is stored, as GDAL has it: no data, or else 0."""
    if form.nodata is None:
        return 0
    if form.dtype.kind == "f":
        return form.nodata
    bounds = np.iinfo(form.dtype) if form.dtype.kind in "iu" else None
    fits = bounds is not None and bounds.min <= form.nodata <= bounds.max
    return int(form.nodata) if fits else 0


def find(data: memoryview, layout: Layout) -> Segments:
    """Say how to read an image that is cut and stored as ``layout`` says."""
    form, coding, offsets, counts, *_ = layout
    decode = _decoders.get((form, coding))
    if decode is None:
        if len(_decoders) >= _MOST_DECODERS:
            _decoders.clear()
        decode = _decoders[form, coding] = decoders.of_layout(data, layout)
    return Segments(form, coding.planar, offsets, counts, decode)


def of_page(data: memoryview | Sparse, page: TiffPage, form: Form) -> Segments:
    """Say how to read a page that tifffile has parsed."""
    expected = prod(page.chunked)
    offsets, counts = page.dataoffsets[:expected], _counts(data, page)[:expected]
    if not len(offsets) == len(counts) == expected:
        raise DecodeError(
            f"{expected} strips or tiles are needed, {min(len(offsets), len(counts))} are there: "
            "copy it again from where it came"
        )
    stored = page.compression == 1
    decode = decoders.of_page(page, form)
    if stored:
        counts = [*map(min, counts, sizes(page, form))]  # a strip may be padded
    return Segments(form, page.shaped[0] > 1, offsets, counts, decode)


def sizes(page: TiffPage, form: Form) -> list[int]:
    """Give the bytes that each segment of a page needs where nothing is compressed."""
    (rows, columns), planes = decoders.shape(page), page.shaped[0]
    row = decoders.size((1, 1, columns, form.bands // planes), form.bits)
    if page.is_tiled:
        return [rows * row] * prod(page.chunked)
    return [min(rows, form.height - top) * row for top in range(0, form.height, rows)] * planes


def _counts(data: memoryview | Sparse, page: TiffPage) -> Sequence[int]:
    """Give the bytes of each segment; all there are where nothing is said of the only one."""
    known = any(tag in page.tags for tag in _COUNTS)
    if known or any(page.databytecounts) or not any(page.dataoffsets):
        return page.databytecounts
    return [max(0, len(data) - page.dataoffsets[0])] if len(page.dataoffsets) == 1 else []
