"""What the first directory of a TIFF says: a checked look at it.

Written by hand for speed: the chips of a collection share their directory, so what it says
is worked out once and remembered. A plain chip, whose directory is the same byte for byte,
costs two look-ups; one whose strips have lengths of their own costs their table. Where
anything is out of the ordinary there is no answer, and tifffile has to look.
Terms and tag numbers are those of the TIFF 6.0 specification; 42113 is GDAL's.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP = 266, 273, 277, 278
_STRIP_COUNTS, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_LENGTH = 279, 284, 317, 322, 323
_TILE_OFFSETS, _TILE_COUNTS, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _NODATA = 324, 325, 338, 339, 42113

# A file with any other value of these, or with one of the tags, is out of the ordinary.
_ORDINARY: Final = {
    _COMPRESSION: (1, 5, 8, 32773, 32946, 34925, 50000),  # none and the lossless byte codecs
    _PHOTOMETRIC: (0, 1, 2),
    _FILL_ORDER: (1,),
    _PLANAR: (1, 2),
    _PREDICTOR: (1, 2, 3),
    254: (0,),  # NewSubfileType: a full-resolution image
    255: (1,),  # SubfileType: the same
}
_NEVER: Final = frozenset({32997, 32998})  # volumes
_INTEGERS: Final = {1: "B", 3: "H", 4: "I"}
_TEXT: Final = 2
_KINDS: Final = {1: "u", 2: "i", 3: "f"}
_DTYPES: Final = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"})
_FLOATING_POINT: Final = 3  # a predictor
_ALPHAS: Final = (1, 2)  # values of ExtraSamples
_STRIPS: Final = (_STRIP_OFFSETS, _STRIP_COUNTS)
_TILES: Final = (_TILE_OFFSETS, _TILE_COUNTS)
_ARRAYS: Final = (_BITS, *_STRIPS, *_TILES, _EXTRA_SAMPLES, _SAMPLE_FORMAT)
_SCALARS: Final = (_WIDTH, _LENGTH, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH)
_NUMBERS: Final = frozenset((*_ARRAYS, *_SCALARS, *_ORDINARY))
_REQUIRED: Final = frozenset({_WIDTH, _LENGTH, _PHOTOMETRIC})
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_INLINE: Final = 4  # bytes of a value that a directory entry holds itself
_ENTRY: Final = 12  # bytes of a directory entry
_SMALLEST_FILE: Final = 8
_MOST_ENTRIES: Final = 512
_LONGEST_TEXT: Final = 64  # of a number
_LONGEST_TABLE: Final = 2**14  # bytes of arrays that are worth remembering


class Form(NamedTuple):
    """What an image is.

    Attributes:
        height, width: pixels.
        bands: how many.
        dtype: of a value, in the byte order of the file.
        bits: of a value, as stored.
        colours: "grey", "inverted" (grey, white is zero), "rgb", "palette" or "other".
        alpha: the band, counted from 1, that holds transparency, if any does.
        nodata: the value that stands for no data, if one was declared; may be NaN.

    """

    height: int
    width: int
    bands: int
    dtype: np.dtype[Any]
    bits: int
    colours: str
    alpha: int | None
    nodata: float | None


class Coding(NamedTuple):
    """How pixels are cut into segments (strips or tiles) and how these are stored.

    Attributes:
        planar: whether each segment holds one band only.
        rows, columns: of a segment.
        tiled: whether segments are tiles.
        compression, predictor: values of the tags; the latter 1 where nothing is compressed.

    """

    planar: bool
    rows: int
    columns: int
    tiled: bool
    compression: int
    predictor: int


class Layout(NamedTuple):
    """An image, and where its pixels lie.

    Attributes:
        form: what the image is.
        coding: how it is stored.
        offsets, counts: first byte and number of bytes of each segment.
        start: where all pixels lie in one piece, uncompressed and chunky, its first byte.
        size: bytes of all pixels, decoded.

    """

    form: Form
    coding: Coding
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    start: int | None
    size: int


def find(data: memoryview) -> Layout | None:
    """Say what the image in ``data``, a whole file, is; None if it is out of the ordinary.

    Segments may reach beyond the end of a truncated file.
    """
    order = _ORDERS.get(bytes(data[:4]))
    if order is None or len(data) < _SMALLEST_FILE:
        return None
    (offset,) = struct.unpack_from(order + "I", data, 4)
    if offset + 6 > len(data):
        return None
    (count,) = struct.unpack_from(order + "H", data, offset)
    directory = bytes(data[offset + 2 : offset + 6 + _ENTRY * count])
    if count > _MOST_ENTRIES or len(directory) != 4 + _ENTRY * count:
        return None
    plan = _plan(order, directory)
    if plan is None or plan.end > len(data):
        return None
    arrays = tuple([bytes(data[start:stop]) for start, stop in plan.ranges])
    remembered = sum(map(len, arrays)) <= _LONGEST_TABLE
    return (_layout if remembered else _layout.__wrapped__)(order, directory, arrays)


class _Field(NamedTuple):
    kind: int
    number: int
    inline: bytes

    @property
    def size(self) -> int:
        return self.number * (1 if self.kind == _TEXT else struct.calcsize(_INTEGERS[self.kind]))

    @property
    def bytes(self) -> bytes | None:
        """The value, if it is here."""
        return self.inline[: self.size] if self.size <= _INLINE else None


class _Plan(NamedTuple):
    """Where the values of a directory are.

    Attributes:
        known: tag and type of each value that matters, and its bytes if its entry holds them.
        ranges: the bytes of the others, in their order.
        end: of the last of them.

    """

    known: tuple[tuple[int, int, bytes | None], ...]
    ranges: tuple[tuple[int, int], ...]
    end: int


@lru_cache(maxsize=64)
def _plan(order: str, directory: bytes) -> _Plan | None:
    """Say where the values of a directory are; None if it is out of the ordinary."""
    entries = struct.iter_unpack(order + "HHI4s", directory[:-4])
    fields = {tag: _Field(kind, count, inline) for tag, kind, count, inline in entries}
    if any(directory[-4:]) or not _is_orderly(fields, len(directory) // _ENTRY):
        return None
    known = {tag: field for tag, field in fields.items() if tag in _NUMBERS or tag == _NODATA}
    outside = [field for field in known.values() if field.size > _INLINE]
    starts = [struct.unpack(order + "I", field.inline)[0] for field in outside]
    ranges = [(at, at + field.size) for at, field in zip(starts, outside, strict=True)]
    return _Plan(
        tuple((tag, field.kind, field.bytes) for tag, field in known.items()),
        tuple(ranges),
        max((stop for _, stop in ranges), default=0),
    )


def _is_orderly(fields: Mapping[int, _Field], entries: int) -> bool:
    """Tell whether each tag stands there once, all needed do, and each holds what it should."""
    if len(fields) != entries or not fields.keys() >= _REQUIRED or _NEVER & fields.keys():
        return False
    if sum(tag in fields for tag in _STRIPS) + sum(tag in fields for tag in _TILES) != len(_STRIPS):
        return False
    nodata = fields.get(_NODATA)
    if nodata is not None and (nodata.kind != _TEXT or nodata.number > _LONGEST_TEXT):
        return False
    numbers = [(tag, field) for tag, field in fields.items() if tag in _NUMBERS]
    return all(
        field.kind in _INTEGERS and (tag in _ARRAYS or field.number == 1) for tag, field in numbers
    )


@lru_cache(maxsize=64)
def _layout(order: str, directory: bytes, arrays: tuple[bytes, ...]) -> Layout | None:
    stored = _stored(order, directory, iter(arrays))
    tables = _TILES if _TILE_OFFSETS in stored else _STRIPS
    if not stored.keys() >= {*tables}:
        return None
    offsets, counts = (_numbers(order, *stored.pop(tag)) for tag in tables)
    meaning = _meaning(order, tuple(stored.items()))
    if meaning is None:
        return None
    form, coding = meaning
    if not len(offsets) == len(counts) == _segments(form, coding):
        return None
    if coding.compression == 1:
        counts = tuple(map(min, counts, _sizes(form, coding)))  # a strip may be padded
    size = form.height * form.width * form.bands * form.dtype.itemsize
    return Layout(form, coding, offsets, counts, _start(form, coding, offsets, counts), size)


def _sizes(form: Form, coding: Coding) -> list[int]:
    """Give the bytes that each segment needs where nothing is compressed."""
    bands, planes = (1, form.bands) if coding.planar else (form.bands, 1)
    row = coding.columns * bands * form.dtype.itemsize
    if coding.tiled:
        return [coding.rows * row] * _segments(form, coding)
    tops = range(0, form.height, coding.rows)
    return [min(coding.rows, form.height - top) * row for top in tops] * planes


def _stored(order: str, directory: bytes, arrays: Iterator[bytes]) -> dict[int, tuple[int, bytes]]:
    """Give type and bytes of each value, from wherever they lie."""
    plan = _plan(order, directory)
    return {
        tag: (kind, next(arrays) if inline is None else inline)
        for tag, kind, inline in (plan.known if plan else ())
    }


def _numbers(order: str, kind: int, value: bytes) -> tuple[int, ...]:
    form = _INTEGERS[kind]
    return struct.unpack(f"{order}{len(value) // struct.calcsize(form)}{form}", value)


@lru_cache(maxsize=64)
def _meaning(
    order: str, stored: tuple[tuple[int, tuple[int, bytes]], ...]
) -> tuple[Form, Coding] | None:
    """Work out what the values mean, those apart that say where segments lie."""
    values = {tag: _numbers(order, *value) for tag, value in stored if tag != _NODATA}
    if not all(values.values()):
        return None
    if any(values[tag][0] not in usual for tag, usual in _ORDINARY.items() if tag in values):
        return None
    form = _form(order, values, dict(stored).get(_NODATA, (_TEXT, b""))[1])
    coding = _coding(values)
    if form is None or not all((coding.rows, coding.columns)):
        return None
    if coding.predictor == _FLOATING_POINT and form.dtype.kind != "f":
        return None
    return form, coding


def _form(order: str, values: Mapping[int, Sequence[int]], nodata: bytes) -> Form | None:
    height, width = values[_LENGTH][0], values[_WIDTH][0]
    samples = values.get(_SAMPLES, (1,))[0]
    dtype = _dtype(order, values, samples)
    if dtype is None or not height or not width or not samples:
        return None
    colours = ("inverted", "grey", "rgb")[values[_PHOTOMETRIC][0]]
    alpha = alpha_band(samples, values.get(_EXTRA_SAMPLES, ()))
    bits = 8 * dtype.itemsize
    return Form(height, width, samples, dtype, bits, colours, alpha, number(nodata))


def alpha_band(count: int, extra_samples: Sequence[int]) -> int | None:
    """Find the band that ExtraSamples, which are the last of ``count``, declare as alpha."""
    first = count - len(extra_samples) + 1  # below 1 where more are declared than there are
    return next(
        (first + i for i, kind in enumerate(extra_samples) if kind in _ALPHAS and first + i > 0),
        None,
    )


def number(text: bytes) -> float | None:
    """Read GDAL's text of a number; None if it is none."""
    try:
        return float(text.partition(b"\0")[0])
    except ValueError:
        return None


def _dtype(order: str, values: Mapping[int, Sequence[int]], samples: int) -> np.dtype[Any] | None:
    bits = values.get(_BITS, (1,))
    formats = values.get(_SAMPLE_FORMAT, (1,))
    if len(bits) != samples or len(set(bits)) != 1 or len(set(formats)) != 1:
        return None
    name = f"{_KINDS.get(formats[0], '?')}{bits[0] // 8}"
    return np.dtype(order + name) if name in _DTYPES and not bits[0] % 8 else None


def _coding(values: Mapping[int, Sequence[int]]) -> Coding:
    height, width = values[_LENGTH][0], values[_WIDTH][0]
    tiled = _TILE_WIDTH in values or _TILE_LENGTH in values
    if tiled:
        rows, columns = values.get(_TILE_LENGTH, (0,))[0], values.get(_TILE_WIDTH, (0,))[0]
    else:
        rows, columns = min(values.get(_ROWS_PER_STRIP, (height,))[0], height), width
    compression = values.get(_COMPRESSION, (1,))[0]
    predictor = values.get(_PREDICTOR, (1,))[0] if compression != 1 else 1
    planar = values.get(_PLANAR, (1,))[0] != 1 and values.get(_SAMPLES, (1,))[0] > 1
    return Coding(planar, rows, columns, tiled, compression, predictor)


def _segments(form: Form, coding: Coding) -> int:
    down, across = -(-form.height // coding.rows), -(-form.width // coding.columns)
    return down * across * (form.bands if coding.planar else 1)


def _start(form: Form, coding: Coding, offsets: Sequence[int], counts: Sequence[int]) -> int | None:
    """Give the first byte of strips that follow each other without a gap, or None."""
    if coding.compression != 1 or coding.planar or coding.tiled:
        return None
    sizes = _sizes(form, coding)
    in_place = accumulate(sizes[:-1], initial=offsets[0])
    return offsets[0] if [*counts] == sizes and [*offsets] == [*in_place] else None
