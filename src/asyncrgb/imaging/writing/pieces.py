"""Pieces of a picture file: rows of pixels as workers encode them, to be joined in order.

A piece of a PNG is deflated without a look at the others. It ends on a byte, and its first row has
a filter that needs no row above. No dictionary is handed on: what filters leave of satellite images
repeats so little that a longer history makes it larger, not smaller (see ``png``).

The mean of left and above is the filter to begin with: for a tenth of the time, pieces of 8 bits
are 4 to 10 % smaller than with the one that chips have, "up" (Sentinel-2, Landsat and EuroSAT). In
16 bits they would be larger: halves of low bytes say little.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from isal import isal_zlib

from asyncrgb.imaging.writing import blocks, encode, png
from asyncrgb.imaging.writing.container import chunk
from asyncrgb.imaging.writing.directory import TiffRecipe
from asyncrgb.imaging.writing.joining import PngNote, PngRecipe, TiffNote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.georeference import Georeference
    from asyncrgb.imaging.writing.joining import Note, Recipe
    from asyncrgb.imaging.writing.png import Bytes2D

    Filter: TypeAlias = Callable[[Bytes2D, int], Bytes2D]

_BLOCK: Final = 240_000  # bytes filtered at once: they stay in the cache, and make one block
_TILE: Final = 256  # pixels of a side
_STEP: Final = 16  # TIFF wants tiles in multiples of it
_DEPTH: Final = 8  # bits


def recipe(  # noqa: PLR0913 - what there is to know of a file
    name: str,
    height: int,
    width: int,
    samples: int,
    bits: int,
    *,
    georeference: Georeference | None = None,
    tile_height: int = _TILE,
) -> Recipe:
    """Say what joins the pieces of a picture.

    Args:
        name: the format, "png" or "tiff".
        height: rows of the whole picture.
        width: pixels of a row.
        samples: 1 to 4 of each pixel: grey, grey and alpha, RGB, RGBA.
        bits: 8 or 16 of each sample.
        georeference: copied into a tiff.
        tile_height: of a tiff: rows of a tile, a multiple of 16; all pieces but the last have a
            multiple of it, those of a png any number of rows.

    Raises:
        EncodeError: the format cannot hold such a picture.

    """
    encode.check((height, width, samples), np.dtype(f"u{bits // _DEPTH}"), name)
    if name == "png":
        return PngRecipe(height, width, samples, bits)
    down, across = (-(-side // _STEP) * _STEP for side in (height, width))
    tile = min(tile_height, down), min(_TILE, across)
    return TiffRecipe(height, width, samples, bits, *tile, georeference)


def room(of: Recipe, rows: int) -> int:
    """Give the most bytes that a piece of ``rows`` rows can take."""
    size = of.samples * of.bits // _DEPTH
    if isinstance(of, TiffRecipe):
        rows = -(-rows // of.tile_height) * of.tile_height
        size *= of.tiles[1] * of.tile_width * rows
    else:
        size = (size * of.width + 1) * rows
    return size + size // 64 + 2**16


def piece(pixels: NDArray[Any], of: Recipe, level: int) -> tuple[bytes, Note]:
    """Encode the rows ``pixels`` of a picture.

    Args:
        pixels: (rows, width, samples), uint8 or uint16, as many bits as ``of`` says.
        of: what joins the pieces.
        level: 0 (stored) to 9 (smallest).

    """
    return _tiles(pixels, of, level) if isinstance(of, TiffRecipe) else _chunks(pixels, level)


# PNG: chunks of one deflate stream.


class _Compressor(Protocol):
    def compress(self, data: Any, /) -> bytes: ...  # noqa: ANN401 - what has a buffer

    def flush(self, mode: int, /) -> bytes: ...


class _Squeeze(NamedTuple):
    filter: Filter
    compressors: Sequence[Callable[[], _Compressor]]  # the smallest stream is kept


def _chunks(pixels: NDArray[Any], level: int) -> tuple[bytes, PngNote]:
    squeeze = _DEEP_LEVELS[level] if pixels.itemsize > 1 else _LEVELS[level]
    compressors = [make() for make in squeeze.compressors]
    streams: list[list[bytes]] = [[] for _ in compressors]
    checksum, size = 1, 0
    for rows in _filtered(pixels, squeeze.filter):
        checksum = isal_zlib.adler32(rows.data, checksum)
        size += rows.size
        for stream, compressor in zip(streams, compressors, strict=True):
            stream.append(compressor.compress(rows.data))
    for stream, compressor in zip(streams, compressors, strict=True):
        stream.append(compressor.flush(zlib.Z_FULL_FLUSH))
    best = min(streams, key=lambda stream: sum(map(len, stream)))
    chunks = [chunk(b"IDAT", body, isal_zlib.crc32) for body in best if body]
    return b"".join(chunks), PngNote(checksum, size)


def _filtered(pixels: NDArray[Any], apply: Filter) -> Iterator[Bytes2D]:
    """Filter block by block; the row above the first is not there."""
    _, width, samples = pixels.shape
    step = samples * pixels.itemsize
    yield png.sub(png.rows_of(pixels[:1]), step)
    height = max(1, _BLOCK // (width * step))
    for top in range(1, len(pixels), height):
        rows = png.rows_of(pixels[top - 1 : top + height])
        yield apply(rows, step)[1:]


def _zlib(level: int, strategy: int) -> Callable[[], _Compressor]:
    return partial(zlib.compressobj, level, zlib.DEFLATED, -15, 9, strategy)


_STORED: Final = _zlib(0, zlib.Z_DEFAULT_STRATEGY)
_REPEATING: Final = partial(isal_zlib.compressobj, blocks.SOUND_LEVEL, zlib.DEFLATED, -15)


def _levels(quick: Filter) -> Sequence[_Squeeze]:
    return (
        _Squeeze(png.unfiltered, [_STORED]),
        _Squeeze(quick, [blocks.Compressor]),
        _Squeeze(png.adaptive, [blocks.Compressor]),
        _Squeeze(png.adaptive, [blocks.Compressor, _REPEATING]),
        *(
            _Squeeze(
                partial(png.adaptive, rounds=min(level - 3, 3)),
                [blocks.Compressor, _zlib(level, zlib.Z_FILTERED)],
            )
            for level in range(4, 10)
        ),
    )


_LEVELS: Final = _levels(png.average)
_DEEP_LEVELS: Final = _levels(png.up)


# TIFF: tiles, each a stream of its own.


def _tiles(pixels: NDArray[Any], of: TiffRecipe, level: int) -> tuple[bytes, TiffNote]:
    tiles = [
        _tile(pixels[top : top + of.tile_height, left : left + of.tile_width], of, level)
        for top in range(0, len(pixels), of.tile_height)
        for left in range(0, of.width, of.tile_width)
    ]
    return b"".join(tiles), TiffNote(tuple(map(len, tiles)))


def _tile(pixels: NDArray[Any], of: TiffRecipe, level: int) -> bytes:
    """Encode differences from the left: of what lies outside of the picture there are none."""
    height, width, samples = pixels.shape
    full = np.zeros((of.tile_height, of.tile_width, samples), pixels.dtype.newbyteorder("<"))
    full[:height, 0] = pixels[:, 0]
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=full[:height, 1:width])
    return png.LEVELS[level].deflate(full.reshape(of.tile_height, -1).view(np.uint8))
