"""Where the pixels of a plain TIFF lie: a checked look at its first directory.

Written by hand for speed: the chips of a collection share their directory byte for byte,
so what it says is worked out once and remembered, and a chip costs two look-ups.
Terms and tag numbers are those of the TIFF 6.0 specification.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP = 266, 273, 277, 278
_STRIP_COUNTS, _PLANAR, _SAMPLE_FORMAT = 279, 284, 339

# A file with any other value of these, or with one of the tags, is no case for a view. A
# predictor is no such tag: it belongs to compression, and without any it means nothing.
_PLAIN: Final = {
    _COMPRESSION: (1,),
    _PHOTOMETRIC: (0, 1, 2),
    _FILL_ORDER: (1,),
    _PLANAR: (1,),
    254: (0,),  # NewSubfileType: a full-resolution image
    255: (1,),  # SubfileType: the same
}
_NEVER: Final = frozenset({322, 323, 324, 325, 32997, 32998})  # tiles, volumes
_INTEGERS: Final = {1: "B", 3: "H", 4: "I"}
_KINDS: Final = {1: "u", 2: "i", 3: "f"}
_DTYPES: Final = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"})
_ARRAYS: Final = (_BITS, _STRIP_OFFSETS, _STRIP_COUNTS, _SAMPLE_FORMAT)
_SCALARS: Final = (_WIDTH, _LENGTH, _SAMPLES, _ROWS_PER_STRIP, *_PLAIN)
_REQUIRED: Final = frozenset({_WIDTH, _LENGTH, _PHOTOMETRIC, _STRIP_OFFSETS, _STRIP_COUNTS})
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_INLINE: Final = 4  # bytes of a value that a directory entry holds itself
_ENTRY: Final = 12  # bytes of a directory entry
_SMALLEST_FILE: Final = 8
_MOST_ENTRIES: Final = 512


class Layout(NamedTuple):
    """Pixels (height, width, bands) of ``dtype``, in one piece of ``size`` bytes at ``start``."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    start: int
    size: int


def find(data: memoryview) -> Layout | None:
    """Say where the pixels of ``data``, a whole file, lie; None if they are no plain array.

    The layout may reach beyond the end of a truncated file.
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
    ranges = _ranges(order, directory)
    if ranges is None or any(stop > len(data) for _, stop in ranges):
        return None
    arrays = b"".join([data[start:stop] for start, stop in ranges])
    return _layout(order, directory, arrays)


class _Field(NamedTuple):
    kind: int
    number: int
    inline: bytes

    @property
    def size(self) -> int:
        return self.number * struct.calcsize(_INTEGERS[self.kind])


def _fields(order: str, directory: bytes) -> dict[int, _Field]:
    entries = struct.iter_unpack(order + "HHI4s", directory[:-4])
    return {tag: _Field(kind, count, inline) for tag, kind, count, inline in entries}


@lru_cache(maxsize=64)
def _ranges(order: str, directory: bytes) -> tuple[tuple[int, int], ...] | None:
    """List the byte ranges of the arrays that the directory points to, or None if not plain."""
    fields = _fields(order, directory)
    if any(directory[-4:]) or not _is_orderly(fields, len(directory) // _ENTRY):
        return None
    outside = [fields[tag] for tag in _ARRAYS if tag in fields and fields[tag].size > _INLINE]
    starts = [struct.unpack(order + "I", field.inline)[0] for field in outside]
    return tuple((at, at + field.size) for at, field in zip(starts, outside, strict=True))


def _is_orderly(fields: dict[int, _Field], entries: int) -> bool:
    """Tell whether each tag stands there once, all needed do, and each holds what it should."""
    if len(fields) != entries or not fields.keys() >= _REQUIRED or _NEVER & fields.keys():
        return False
    arrays = [fields[tag] for tag in _ARRAYS if tag in fields]
    scalars = [fields[tag] for tag in _SCALARS if tag in fields]
    return all(field.kind in _INTEGERS for field in arrays + scalars) and all(
        field.number == 1 for field in scalars
    )


@lru_cache(maxsize=64)
def _layout(order: str, directory: bytes, arrays: bytes) -> Layout | None:
    values = _values(order, _fields(order, directory), arrays)
    if any(values[tag][0] not in plain for tag, plain in _PLAIN.items() if tag in values):
        return None
    height, width = values[_LENGTH][0], values[_WIDTH][0]
    samples = values.get(_SAMPLES, (1,))[0]
    dtype = _dtype(order, values, samples)
    if dtype is None or not height or not width or not samples:
        return None
    row = width * samples * dtype.itemsize
    start = _contiguous_start(values, height, row)
    if start is None:
        return None
    return Layout((height, width, samples), dtype, start, height * row)


def _values(order: str, fields: dict[int, _Field], arrays: bytes) -> dict[int, Sequence[int]]:
    values: dict[int, Sequence[int]] = {}
    position = 0
    for tag in _ARRAYS + _SCALARS:
        if tag not in fields:
            continue
        field = fields[tag]
        source, at = (field.inline, 0) if field.size <= _INLINE else (arrays, position)
        position += field.size if source is arrays else 0
        form = f"{order}{field.number}{_INTEGERS[field.kind]}"
        values[tag] = struct.unpack_from(form, source, at)
    return values


def _dtype(order: str, values: dict[int, Sequence[int]], samples: int) -> np.dtype[Any] | None:
    bits = values.get(_BITS, (1,))
    formats = values.get(_SAMPLE_FORMAT, (1,))
    if len(bits) != samples or len(set(bits)) != 1 or len(set(formats)) != 1:
        return None
    name = f"{_KINDS.get(formats[0], '?')}{bits[0] // 8}"
    return np.dtype(order + name) if name in _DTYPES and not bits[0] % 8 else None


def _contiguous_start(values: dict[int, Sequence[int]], height: int, row: int) -> int | None:
    """Give the first byte of strips that follow each other without a gap, or None."""
    offsets, counts = values[_STRIP_OFFSETS], values[_STRIP_COUNTS]
    per_strip = min(values.get(_ROWS_PER_STRIP, (height,))[0], height)
    if not per_strip or not len(offsets) == len(counts) == -(-height // per_strip):
        return None
    tops = range(0, height, per_strip)
    expected = [min(per_strip, height - top) * row for top in tops]
    in_place = [offsets[0] + top * row for top in tops]
    return offsets[0] if list(counts) == expected and list(offsets) == in_place else None
