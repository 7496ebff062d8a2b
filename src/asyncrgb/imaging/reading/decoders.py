"""Decoders of strips and tiles: tifffile's, and what has to be mended or checked about them.

A decoder is made once for all files that are stored alike, as tifffile does it for the pages
of one file. What decoders believe of a stream that they should not is checked before
(``streams``, ``lerc``).
"""

from __future__ import annotations

import io
import zlib
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import numpy as np

from asyncrgb.errors import DecodeError
from asyncrgb.imaging.reading import lerc, lzw, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import IOBase
    from typing import IO

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from asyncrgb.imaging.reading.layout import Coding, Form, Layout
    from asyncrgb.imaging.reading.sparse import Sparse

    Position = tuple[int, int, int, int, int]  # plane, depth, row, column, sample
    Extent = tuple[int, int, int, int]  # depth, rows, columns, samples
    Decoded = tuple[NDArray[Any] | None, Position, Extent]

JPEG: Final = frozenset({6, 7, 34892, 33007})  # whose tables lie outside of the segments
_BYTES: Final = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000, 50013})
_DEFLATE: Final = frozenset({8, 32946, 50013})
_LZW: Final = 5
_LERC: Final = 34887
_GREY, _RGB = 1, 2  # values of PhotometricInterpretation


class Decode(Protocol):
    """Turns the bytes of a segment into pixels, as ``tifffile.TiffPage.decode`` does."""

    def __call__(self, data: memoryview | None, index: int, /) -> Decoded:
        """Give the pixels (depth, rows, columns, samples), their place, and their extent there.

        Without ``data`` there are no pixels, but place and extent.
        """


def of_layout(data: memoryview, layout: Layout) -> Decode:
    """Take the decoder of a page that tifffile understands as we do, as it is used for others."""
    with opened(data) as tif:
        page = tif.pages.first
        page.predictor = layout.coding.predictor  # means nothing without compression
        if _understood(page) != _expected(layout.form, layout.coding):
            raise DecodeError("its directory can be read in two ways: write it anew")
        return _byte_decoder(page, layout.coding.rows, layout.form.bits)


def _byte_decoder(page: TiffPage, rows: int, bits: int) -> Decode:
    compression = int(page.compression)
    if compression == _LZW and page.fillorder == 1:
        page.compression = 1  # when it comes to tifffile
        return partial(_unlzw, page.decode, bits)
    decode: Decode = page.decode
    return partial(_inflate, decode, rows, bits) if compression in _DEFLATE else decode


def _unlzw(decode: Decode, bits: int, data: memoryview | None, index: int, /) -> Decoded:
    if data is None:
        return decode(None, index)
    row = np.empty((1, size(decode(None, index)[2], bits)), "u1")
    return decode(lzw.decode([data], 1, row).data.cast("B"), index)


def _inflate(
    decode: Decode, rows: int, bits: int, data: memoryview | None, index: int, /
) -> Decoded:
    """Decode deflate also where the last strip is filled up to the ``rows`` of the others.

    Some writers do that; libdeflate takes it for damage, libtiff does not look at it.
    """
    try:
        return decode(data, index)
    except Exception:
        depth, *_, columns, samples = extent = decode(None, index)[2]
        full = size((depth, rows, columns, samples), bits)
        start = _start(data, size(extent, bits), full) if data else None
        if start is None:
            raise
        return decode(memoryview(zlib.compress(start, 0)), index)


def _start(data: memoryview, length: int, full: int) -> bytes | None:
    """Inflate ``length`` bytes of ``full``; None if these are not all, or damaged."""
    inflater = zlib.decompressobj()
    try:
        whole = inflater.decompress(data, full)
        more = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        return None
    return whole[:length] if len(whole) == full and not more and inflater.eof else None


def _expected(form: Form, coding: Coding) -> tuple[object, ...]:
    planes, samples = (form.bands, 1) if coding.planar else (1, form.bands)
    shape = (planes, 1, form.height, form.width, samples)
    segment = (coding.rows, coding.columns)
    order = form.dtype.newbyteorder("=")
    return shape, segment, coding.tiled, order, coding.compression, 1


def _understood(page: TiffPage) -> tuple[object, ...]:
    return (
        page.shaped,
        shape(page),
        page.is_tiled,
        page.dtype,
        int(page.compression),
        int(page.fillorder),
    )


def shape(page: TiffPage) -> tuple[int, int]:
    """Give rows and columns of the segments of a page."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.rowsperstrip, page.imagelength), page.imagewidth


@contextmanager
def opened(data: memoryview | Sparse) -> Iterator[TiffFile]:
    """Let tifffile look at a file, which is not kept by what is taken from it.

    The bytes of a file are not copied where they are ``bytes`` already.
    """
    from tifffile import TiffFile  # noqa: PLC0415 - 120 ms that plain chips never need

    with _file(data) as file, TiffFile(cast("IO[bytes]", file)) as tif:
        yield tif


def _file(data: memoryview | Sparse) -> IOBase:
    if not isinstance(data, memoryview):
        return data.opened()
    whole = isinstance(data.obj, bytes) and len(data.obj) == len(data)
    return io.BytesIO(data.obj if whole else data)


def size(extent: Extent, bits: int) -> int:
    """Count the bytes of a segment, whose rows are whole bytes."""
    _, rows, columns, samples = extent
    return rows * -(-columns * samples * bits // 8)


def of_page(page: TiffPage, form: Form) -> Decode:
    """Take the decoder of a page, with all that its compression needs besides."""
    planar = page.shaped[0] > 1
    compression = int(page.compression)
    if compression == 1:
        page.predictor = 1  # so says libtiff; the versions of tifffile differ
    if compression in JPEG and planar and page.photometric == _RGB:
        page.photometric = _GREY  # what each plane is: tifffile asks for the colours of all
    if compression in _BYTES:
        return _byte_decoder(page, shape(page)[0], form.bits)
    decode: Any = page.decode
    if compression == _LERC:
        second = (*page.tags.valueof(50674, ()), 0, 0)[1]
        return partial(_lerc, decode, form.dtype, second)
    if compression in JPEG:
        decode = partial(decode, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
    check = partial(streams.check, compression, prod(shape(page)) * (1 if planar else form.bands))
    if not page.jpegheader:
        return partial(_picture, decode, check)
    check(page.jpegheader)  # that of all segments
    return cast("Decode", decode)


def _lerc(
    decode: Decode,
    dtype: np.dtype[Any],
    second: int,
    data: memoryview | None,
    index: int,
    /,
) -> Decoded:
    _, place, extent = decode(None, index)
    return lerc.decode(data, extent, dtype, second) if data is not None else None, place, extent


def _picture(
    decode: Decode, check: Callable[[memoryview], None], data: memoryview | None, index: int, /
) -> Decoded:
    """Decode a segment which is a picture that says itself how large it is."""
    if data is not None:
        check(data)
    return decode(data, index)
