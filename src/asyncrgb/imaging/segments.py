"""Strips and tiles to pixels, those of the wanted bands only.

The decoding itself is tifffile's. What is ours is that a decoder is made once for all files
that are stored alike, as tifffile does it for the pages of one file (parsing each file anew
takes a quarter of the time of a compressed chip), and that a planar file is decoded only where
the wanted bands lie: 3 planes of 13. LZW that is not planar is libtiff's, as long as it finds no
fault. What decoders believe of a stream that they should not is checked before (``streams``,
``lerc``).
"""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

import numpy as np

from asyncrgb.errors import DecodeError
from asyncrgb.imaging import lerc, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from asyncrgb.imaging.layout import Coding, Form, Layout

    Position = tuple[int, int, int, int, int]  # plane, depth, row, column, sample
    Extent = tuple[int, int, int, int]  # depth, rows, columns, samples
    Decoded = tuple[NDArray[Any] | None, Position, Extent]

_MOST_DECODERS: Final = 64
JPEG: Final = frozenset({6, 7, 34892, 33007})  # whose tables lie outside of the segments
_BYTES: Final = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000, 50013})
_DEFLATE: Final = frozenset({8, 32946, 50013})
_LZW: Final = 5
_LZW_FILE: Final = struct.Struct("<4sIH" + 8 * "HHII")  # a TIFF of one row of bytes
_LZW_HEAD: Final = (b"II*\0", 8, 8, 256, 4, 1)  # its width follows
_LZW_MIDDLE: Final = (
    *(257, 4, 1, 1, 258, 3, 1, 8, 259, 3, 1, _LZW, 262, 3, 1, 1),
    *(273, 4, 1, _LZW_FILE.size + 4, 278, 4, 1, 1, 279, 4, 1),
)
_SMALL: Final = 2**24  # bytes of an image of which all bands may be decoded for a few
_LERC: Final = 34887
_COUNTS: Final = (279, 325, 514)  # tags: bytes of each strip, of each tile, of the JPEG
_GREY, _RGB = 1, 2  # values of PhotometricInterpretation
_decoders: dict[tuple[Form, Coding], Decode] = {}


class Decode(Protocol):
    """Turns the bytes of a segment into pixels, as ``tifffile.TiffPage.decode`` does."""

    def __call__(self, data: memoryview | None, index: int, /) -> Decoded:
        """Give the pixels (depth, rows, columns, samples), their place, and their extent there.

        Without ``data`` there are no pixels, but place and extent.
        """


class Segments(NamedTuple):
    """The segments of one image.

    Attributes:
        form: what the image is.
        planar: whether each segment holds one band only.
        offsets, counts: first byte and number of bytes of each; where there are no bytes, there
            are no data.
        decode: turns the bytes of one into pixels.
        whole: whether libtiff may decode all of them at once.

    """

    form: Form
    planar: bool
    offsets: Sequence[int]
    counts: Sequence[int]
    decode: Decode
    whole: bool = False

    def read(self, data: memoryview, bands: Sequence[int]) -> NDArray[Any]:
        """Decode ``bands``, counted from 1, of the file ``data``.

        Returns:
            (height, width, len(bands)) in native byte order.

        Raises:
            Exception: whatever the decoder raises.

        """
        at_once = _at_once(data, self.form) if self.whole else None
        if at_once is not None:
            return pick(at_once, bands)
        form = self.form
        pixels = np.empty((form.height, form.width, len(bands)), form.dtype.newbyteorder("="))
        for index in self._wanted(bands):
            start, size = self.offsets[index], self.counts[index]
            body = data[start : start + size] if size else None
            block, (plane, _, top, left, _), (_, rows, columns, _) = self.decode(body, index)
            target = pixels[top : top + rows, left : left + columns]
            if block is None:
                self._fill(target, plane, bands)
            else:
                _check_kind(block, pixels)
                self._place(target, block[0, : len(target), : target.shape[1]], plane, bands)
        return pixels

    def _wanted(self, bands: Sequence[int]) -> Sequence[int]:
        if not self.planar:
            return range(len(self.offsets))
        each = len(self.offsets) // self.form.bands
        return [each * (band - 1) + i for band in sorted({*bands}) for i in range(each)]

    def _place(
        self, target: NDArray[Any], block: NDArray[Any], plane: int, bands: Sequence[int]
    ) -> None:
        if self.planar:
            target[..., self._channels(plane, bands)] = block
        else:
            target[...] = pick(block, bands)

    def _fill(self, target: NDArray[Any], plane: int, bands: Sequence[int]) -> None:
        channels: Any = self._channels(plane, bands) if self.planar else slice(None)
        target[..., channels] = fill_value(self.form)

    def _channels(self, plane: int, bands: Sequence[int]) -> list[int]:
        return [channel for channel, band in enumerate(bands) if band == plane + 1]


def _at_once(data: memoryview, form: Form) -> NDArray[Any] | None:
    """Let libtiff decode a file, in little more than half the time that LZW takes otherwise.

    None where it finds fault with it: which one is found out segment by segment. Deflate is
    not for it, though faster too: it does not look at checksums.
    """
    import imagecodecs  # noqa: PLC0415 - 60 ms that plain chips never need

    try:
        pixels = imagecodecs.tiff_decode(data)  # type: ignore[arg-type] # any buffer will do
    except Exception:  # noqa: BLE001 - its own, and what it lets through
        return None
    alike = pixels.size == form.height * form.width * form.bands
    if not alike or pixels.dtype != form.dtype.newbyteorder("="):
        return None
    return np.asarray(pixels.reshape(form.height, form.width, form.bands))


def _check_kind(block: NDArray[Any], pixels: NDArray[Any]) -> None:
    if block.dtype not in (pixels.dtype, bool):
        raise DecodeError(
            f"what is compressed are {block.dtype}, and the file says {pixels.dtype}: "
            "copy it again from where it came"
        )


def pick(pixels: NDArray[Any], bands: Sequence[int]) -> NDArray[Any]:
    """Take ``bands`` (from 1) of ``pixels`` (height, width, bands): a view wherever one exists."""
    first, count = bands[0] - 1, len(bands)
    step = bands[1] - bands[0] if count > 1 else 1
    if step and tuple(bands) == tuple(range(bands[0], bands[0] + step * count, step)):
        stop = first + step * count
        return pixels[..., first : stop if stop >= 0 else None : step]
    return pixels[..., [band - 1 for band in bands]]


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
    form, coding, offsets, counts, _ = layout
    decode = _decoders.get((form, coding))
    if decode is None:
        if len(_decoders) >= _MOST_DECODERS:
            _decoders.clear()
        decode = _decoders[form, coding] = _decoder(data, layout)
    whole = not coding.planar and coding.compression == _LZW and layout.size <= _SMALL
    return Segments(form, coding.planar, offsets, counts, decode, whole and all(counts))


def _decoder(data: memoryview, layout: Layout) -> Decode:
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
    """Let libtiff decode LZW: what imagecodecs' own decoder makes of damage is left to chance."""
    if data is None:
        return decode(None, index)
    import imagecodecs  # noqa: PLC0415 - 60 ms that plain chips never need

    size = _bytes(decode(None, index)[2], bits)
    file = _LZW_FILE.pack(*_LZW_HEAD, size, *_LZW_MIDDLE, len(data)) + bytes(4) + data
    return decode(np.asarray(imagecodecs.tiff_decode(file)).data.cast("B"), index)


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
        full = _bytes((depth, rows, columns, samples), bits)
        start = _start(data, _bytes(extent, bits), full) if data else None
        if start is None:
            raise
        return decode(memoryview(zlib.compress(start, 0)), index)


def _start(data: memoryview, size: int, full: int) -> bytes | None:
    """Inflate ``size`` bytes of ``full``; None if these are not all, or damaged."""
    inflater = zlib.decompressobj()
    try:
        whole = inflater.decompress(data, full)
        more = inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        return None
    return whole[:size] if len(whole) == full and not more and inflater.eof else None


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
def opened(data: memoryview) -> Iterator[TiffFile]:
    """Let tifffile look at a file, which is not kept by what is taken from it.

    The bytes of a file are not copied where they are ``bytes`` already.
    """
    from tifffile import TiffFile  # noqa: PLC0415 - 120 ms that plain chips never need

    whole = isinstance(data.obj, bytes) and len(data.obj) == len(data)
    with io.BytesIO(data.obj if whole else data) as file, TiffFile(file) as tif:
        yield tif


def of_page(data: memoryview, page: TiffPage, form: Form) -> Segments:
    """Say how to read a page that tifffile has parsed."""
    expected = prod(page.chunked)
    offsets, counts = page.dataoffsets[:expected], _counts(data, page)[:expected]
    if not len(offsets) == len(counts) == expected:
        raise DecodeError(
            f"{expected} strips or tiles are needed, {min(len(offsets), len(counts))} are there: "
            "copy it again from where it came"
        )
    stored = page.compression == 1
    decode = _page_decoder(page, form)
    if stored:
        sizes = (_bytes(decode(None, index)[2], form.bits) for index in range(expected))
        counts = [*map(min, counts, sizes)]  # a strip may be padded
    return Segments(form, page.shaped[0] > 1, offsets, counts, decode)


def _bytes(extent: Extent, bits: int) -> int:
    """Count the bytes of a segment, whose rows are whole bytes."""
    _, rows, columns, samples = extent
    return rows * -(-columns * samples * bits // 8)


def _counts(data: memoryview, page: TiffPage) -> Sequence[int]:
    """Give the bytes of each segment; all there are where nothing is said of the only one."""
    known = any(tag in page.tags for tag in _COUNTS)
    if known or any(page.databytecounts) or not any(page.dataoffsets):
        return page.databytecounts
    return [max(0, len(data) - page.dataoffsets[0])] if len(page.dataoffsets) == 1 else []


def _page_decoder(page: TiffPage, form: Form) -> Decode:
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
