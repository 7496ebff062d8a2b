"""From the pieces that workers made of a scene to one file: what goes before, between, after.

The process that joins them never looks into a piece and needs no numpy: a recipe says what the
file will be, a note what is to know of each piece. Pieces come in order, from the top down.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from asyncrgb.imaging.writing import container, directory
from asyncrgb.imaging.writing.directory import TiffRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    Patch: TypeAlias = tuple[int, bytes]

_ADLER_BASE: Final = 65_521  # largest prime below 2**16
_NO_BYTES: Final = 1  # Adler-32 of nothing
_ZLIB_HEAD: Final = b"\x78\x01"  # deflate with a window of 32 KiB, the fastest that compresses
_LAST_BLOCK: Final = b"\x03\x00"  # of deflate: fixed codes, nothing but the end


class PngRecipe(NamedTuple):
    """What joins pieces to a PNG.

    Attributes:
        height: rows of the whole picture.
        width: pixels of a row.
        samples: 1 to 4 of each pixel: grey, grey and alpha, RGB, RGBA.
        bits: 8 or 16 of each sample.

    """

    height: int
    width: int
    samples: int
    bits: int


class PngNote(NamedTuple):
    """What joining has to know of a piece of a PNG.

    Attributes:
        adler32: checksum of its filtered rows, before they were deflated.
        size: bytes of these rows.

    """

    adler32: int
    size: int


class TiffNote(NamedTuple):
    """What joining has to know of a piece of a TIFF.

    Attributes:
        sizes: bytes of each of its tiles, which follow each other, row by row.

    """

    sizes: tuple[int, ...]


Recipe: TypeAlias = PngRecipe | TiffRecipe
Note: TypeAlias = PngNote | TiffNote


class Joiner(Protocol):
    """Joins pieces of one kind; for one file."""

    def begin(self) -> bytes:
        """Give what comes before the first piece."""

    def add(self, note: Note, size: int) -> bytes:
        """Take note of the next piece, of ``size`` bytes, and give what comes right before it."""

    def end(self) -> tuple[bytes, Sequence[Patch]]:
        """Give what comes after the last piece, and what is to be written over at which offset."""


def joiner(recipe: Recipe) -> Joiner:
    """Make what joins pieces to the file that ``recipe`` describes."""
    return _Tiff(recipe) if isinstance(recipe, TiffRecipe) else _Png(recipe)


class _Png:
    """Joins pieces that are chunks of deflated rows, each ended on a byte by a full flush."""

    def __init__(self, recipe: PngRecipe) -> None:
        self._recipe = recipe
        self._adler32 = _NO_BYTES

    def begin(self) -> bytes:
        return container.head(*self._recipe) + container.chunk(b"IDAT", _ZLIB_HEAD)

    def add(self, note: Note, size: int) -> bytes:  # noqa: ARG002 - a TIFF's joiner needs it
        if not isinstance(note, PngNote):
            raise TypeError(f"{note} is of no piece of a PNG")
        self._adler32 = adler32_combine(self._adler32, note.adler32, note.size)
        return b""

    def end(self) -> tuple[bytes, Sequence[Patch]]:
        last = _LAST_BLOCK + struct.pack(">I", self._adler32)
        return container.chunk(b"IDAT", last) + container.END, ()


def adler32_combine(first: int, second: int, size: int) -> int:
    """Give the Adler-32 of some bytes and ``size`` further ones from the checksums of both.

    As zlib's ``adler32_combine`` does. The low half is 1 and the sum of all bytes; the high
    half the sum of the low halves after each byte, so that each of the second part counts what
    the low half of the first adds to its own.
    """
    low = (first & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + size * low
    return (high % _ADLER_BASE) << 16 | (low + (second & 0xFFFF)) % _ADLER_BASE


class _Tiff:
    """Joins pieces that are rows of tiles; the directory, which says where they lie, is last."""

    def __init__(self, recipe: TiffRecipe) -> None:
        self._recipe = recipe
        self._at = 0
        self._starts: list[int] = []
        self._sizes: list[int] = []

    def begin(self) -> bytes:
        head = directory.head(self._recipe)
        self._at = len(head)
        return head

    def add(self, note: Note, size: int) -> bytes:
        if not isinstance(note, TiffNote) or sum(note.sizes) != size:
            raise TypeError(f"{note} is of no piece of a TIFF of {size} bytes")
        for tile in note.sizes:
            self._starts.append(self._at)
            self._sizes.append(tile)
            self._at += tile
        return b""

    def end(self) -> tuple[bytes, Sequence[Patch]]:
        return directory.tail(self._recipe, self._at, self._starts, self._sizes)
