"""A PNG writer for rendered images (PNG specification, third edition).

Written by hand because encoding is most of the work on a chip: the general encoders
(libpng by way of Pillow, imageio or imagecodecs) take three to fifteen times as long for
files of the same size.

What a PNG filter leaves of a satellite image hardly ever repeats, so a long search for
repetitions finds short, far matches that cost more bits than the literals they replace.
With a history of 2 bytes ISA-L keeps the runs (flat areas, pixels without data), gives up
the rest, and is the faster for it: files 5 % smaller than with its full history.
"""

from __future__ import annotations

import zlib
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from isal import isal_zlib

from asyncrgb.errors import EncodeError
from asyncrgb.imaging.writing import quick
from asyncrgb.imaging.writing.container import COLOUR_TYPES, END, chunk, head

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Bytes2D: TypeAlias = NDArray[np.uint8]

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
_LARGEST_CHUNK: Final = 2**30
_DIMENSIONS: Final = 3
_LONGEST_SIDE: Final = 2**31 - 1
_LARGEST_SAMPLE: Final = 2  # bytes


def encode(pixels: NDArray[Any], level: int = 1) -> bytes:
    """Encode ``pixels`` as a PNG file.

    Args:
        pixels: (height, width, samples), uint8 or uint16; 1 to 4 samples: grey, grey and
            alpha, RGB, RGBA.
        level: 0 (stored) to 9 (smallest).

    Raises:
        EncodeError: PNG cannot hold an image of this shape or dtype.

    """
    start = _head(pixels.shape, pixels.dtype)
    squeeze = LEVELS[level]
    stream = squeeze.deflate(squeeze.filter(rows_of(pixels), pixels.shape[2] * pixels.itemsize))
    return b"".join((start, *_data(stream), END))


def rows_of(pixels: NDArray[Any]) -> Bytes2D:
    """Give the bytes of each row, (height, row bytes), as PNG has them: big-endian."""
    if pixels.itemsize > 1:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">"))
    return np.ascontiguousarray(pixels).reshape(len(pixels), -1).view(np.uint8)


@lru_cache(maxsize=64)
def _head(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Write all that comes before the pixels."""
    _check(shape, dtype)
    height, width, samples = shape
    return head(height, width, samples, 8 * dtype.itemsize)


def _check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    fits = (
        len(shape) == _DIMENSIONS
        and min(shape) > 0
        and max(shape) <= _LONGEST_SIDE
        and shape[2] in COLOUR_TYPES
        and dtype.kind == "u"
        and dtype.itemsize <= _LARGEST_SAMPLE
    )
    if not fits:
        raise EncodeError(
            f"PNG cannot hold pixels of shape {shape} and {dtype}: give "
            f"(height, width, samples), 1 to {max(COLOUR_TYPES)} samples of uint8 or uint16"
        )


def _data(stream: bytes) -> list[bytes]:
    parts = range(0, len(stream), _LARGEST_CHUNK)
    return [
        chunk(b"IDAT", stream[start : start + _LARGEST_CHUNK], isal_zlib.crc32) for start in parts
    ]


# Filters: rows (height, row bytes) → (height, 1 + row bytes), the filter's number in front.


def unfiltered(rows: Bytes2D, _step: int) -> Bytes2D:
    """Leave the bytes as they are."""
    return _numbered(rows.shape, _NONE, rows)


def sub(rows: Bytes2D, step: int) -> Bytes2D:
    """Subtract the pixel on the left, ``step`` bytes away: nothing of the row above."""
    filtered = _numbered(rows.shape, _SUB, rows)
    filtered[:, 1 + step :] -= rows[:, :-step]
    return filtered


def average(rows: Bytes2D, step: int) -> Bytes2D:
    """Subtract the mean of the pixel on the left and the one above, rounded down."""
    mean, above = np.zeros_like(rows), rows[:-1]
    mean[:, step:] = rows[:, :-step]
    half = (mean[1:] ^ above) >> 1
    mean[0] >>= 1
    mean[1:] &= above
    mean[1:] += half  # in 8 bits: what both have, and half of what only one has
    return _numbered(rows.shape, _AVERAGE, np.subtract(rows, mean, out=mean))


def up(rows: Bytes2D, _step: int) -> Bytes2D:
    """Subtract the pixel above."""
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _paeth(rows: Bytes2D, step: int) -> Bytes2D:
    return _numbered(rows.shape, _PAETH, rows - _paeth_predictor(*_neighbours(rows, step)))


def adaptive(rows: Bytes2D, step: int, rounds: int = 0) -> Bytes2D:
    """Give each row the filter with the least sum of absolute differences, as libpng does.

    Each of ``rounds`` then weighs the bytes by their cost in bits, as far as the choice
    before tells it, and chooses again.
    """
    candidates = _candidates(rows, step)
    magnitude = np.minimum(candidates, -candidates)
    best = magnitude.sum(axis=2, dtype=np.uint64).argmin(axis=0)
    every = np.arange(len(rows))
    for _ in range(rounds):
        counts = np.bincount(candidates[best, every].ravel(), minlength=256) + 0.5
        bits = np.log2(counts.sum() / counts).astype(np.float32)
        best = bits.take(candidates).sum(axis=2).argmin(axis=0)
    return _numbered(rows.shape, best, candidates[best, every])


def _candidates(rows: Bytes2D, step: int) -> NDArray[np.uint8]:
    """Apply all filters, in the order of their numbers: (5, height, row bytes)."""
    left, up, corner = _neighbours(rows, step)
    mean = (left & up) + ((left ^ up) >> 1)  # in 8 bits
    predictor = _paeth_predictor(left, up, corner)
    return np.stack([rows, rows - left, rows - up, rows - mean, rows - predictor])


def _numbered(shape: tuple[int, ...], number: int | NDArray[np.intp], body: Bytes2D) -> Bytes2D:
    filtered = np.empty((shape[0], shape[1] + 1), np.uint8)
    filtered[:, 0] = number
    filtered[:, 1:] = body
    return filtered


def _neighbours(rows: Bytes2D, step: int) -> tuple[Bytes2D, Bytes2D, Bytes2D]:
    """Shift ``rows`` so that each byte meets the one left of it, above it, and above left."""
    left, up, corner = np.zeros_like(rows), np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    up[1:] = rows[:-1]
    corner[1:, step:] = rows[:-1, :-step]
    return left, up, corner


def _paeth_predictor(left: Bytes2D, up: Bytes2D, corner: Bytes2D) -> Bytes2D:
    to_left = up.astype(np.int16) - corner
    to_up = left.astype(np.int16) - corner
    to_corner = np.abs(to_left + to_up)
    np.abs(to_left, out=to_left)
    np.abs(to_up, out=to_up)
    takes_left = (to_left <= to_up) & (to_left <= to_corner)
    return np.where(takes_left, left, np.where(to_up <= to_corner, up, corner))


# Deflate: filtered rows → one zlib stream.


def _stored(filtered: Bytes2D) -> bytes:
    return zlib.compress(filtered.data, 0)


def _fast(filtered: Bytes2D) -> bytes:
    return quick.compress(filtered.data.cast("B"))


def _smallest(filtered: Bytes2D, effort: int) -> bytes:
    """Keep the smaller of the fast stream and libdeflate's, which finds what does repeat."""
    from imagecodecs import deflate_encode  # noqa: PLC0415 - 75 ms that lower levels never need

    thorough = deflate_encode(filtered.tobytes(), level=effort)
    return min(_fast(filtered), bytes(thorough), key=len)


class _Squeeze(NamedTuple):
    filter: Callable[[Bytes2D, int], Bytes2D]
    deflate: Callable[[Bytes2D], bytes]


LEVELS: Final = (
    _Squeeze(unfiltered, _stored),
    _Squeeze(up, _fast),
    _Squeeze(_paeth, _fast),
    _Squeeze(adaptive, _fast),
    *(
        _Squeeze(partial(adaptive, rounds=rounds), partial(_smallest, effort=effort))
        for rounds, effort in ((1, 4), (2, 6), (3, 9), (3, 10), (3, 11), (3, 12))
    ),
)
