"""What a TIFF has around its tiles: the head, and the directory, which comes last.

Little-endian on every machine: a classic TIFF (TIFF 6.0), or a BigTIFF where 4 GB may not be
enough. Knows nothing but ``struct``, as the process that joins the pieces of a scene.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb.imaging.reading.georeference import Georeference

_CLASSIC: Final = 2**32 - 2**25  # bytes of pixels; the rest is left for everything else
_DEFLATE, _HORIZONTAL, _CHUNKY, _UNASSOCIATED_ALPHA = 8, 2, 1, 2
_GREY, _RGB = 1, 2
_COLOURS: Final = 3
_WITH_ALPHA: Final = frozenset({2, 4})
_SOFTWARE: Final = b"asyncrgb\0"
_TYPES: Final = {"s": 2, "H": 3, "I": 4, "d": 12, "Q": 16}  # struct's letter → TIFF's number


class _Entry(NamedTuple):
    tag: int
    code: str
    number: int
    value: bytes


class TiffRecipe(NamedTuple):
    """What joins pieces to a tiled TIFF.

    Attributes:
        height: rows of the whole picture.
        width: pixels of a row.
        samples: 1 to 4 of each pixel: grey, grey and alpha, RGB, RGBA.
        bits: 8 or 16 of each sample.
        tile_height: rows of a tile, a multiple of 16; each piece but the last has a multiple
            of it.
        tile_width: pixels of a row of a tile, a multiple of 16.
        georeference: where the picture lies; None if that is not known.

    """

    height: int
    width: int
    samples: int
    bits: int
    tile_height: int
    tile_width: int
    georeference: Georeference | None = None

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of rows of tiles, and of tiles in each."""
        return -(-self.height // self.tile_height), -(-self.width // self.tile_width)

    @property
    def big(self) -> bool:
        """Whether offsets may need more than 32 bits."""
        down, across = self.tiles
        tile = self.tile_height * self.tile_width * self.samples * (self.bits // 8)
        return down * across * tile > _CLASSIC


def head(recipe: TiffRecipe) -> bytes:
    """Write the head; where the directory lies is not known yet."""
    if recipe.big:
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
    return struct.pack("<2sHI", b"II", 42, 0)


def tail(
    recipe: TiffRecipe, at: int, starts: Sequence[int], sizes: Sequence[int]
) -> tuple[bytes, Sequence[tuple[int, bytes]]]:
    """Write what comes at offset ``at``, after the tiles, and what changes in the head."""
    word = 8 if recipe.big else 4
    out = bytearray(-at % word)
    entries = []
    for entry in _entries(recipe, starts, sizes):
        value = entry.value
        if len(value) > word:
            value = struct.pack(_offset(recipe), at + len(out))
            out += entry.value.ljust(-(-len(entry.value) // word) * word, b"\0")
        entries.append(_packed(recipe, entry, value.ljust(word, b"\0")))
    patch = word, struct.pack(_offset(recipe), at + len(out))
    out += struct.pack("<Q" if recipe.big else "<H", len(entries))
    out += b"".join(entries) + bytes(word)
    return bytes(out), (patch,)


def _offset(recipe: TiffRecipe) -> str:
    return "<Q" if recipe.big else "<I"


def _packed(recipe: TiffRecipe, entry: _Entry, value: bytes) -> bytes:
    layout = "<HHQ" if recipe.big else "<HHI"
    return struct.pack(layout, entry.tag, _TYPES[entry.code], entry.number) + value


def _entries(recipe: TiffRecipe, starts: Sequence[int], sizes: Sequence[int]) -> Iterator[_Entry]:
    """Give the entries of the directory in the order of their tags, as it has to be."""
    samples, offsets = recipe.samples, "Q" if recipe.big else "I"
    yield _entry(256, "I", recipe.width)
    yield _entry(257, "I", recipe.height)
    yield _entry(258, "H", *[recipe.bits] * samples)
    yield _entry(259, "H", _DEFLATE)
    yield _entry(262, "H", _RGB if samples >= _COLOURS else _GREY)
    yield _entry(277, "H", samples)
    yield _entry(284, "H", _CHUNKY)
    yield _Entry(305, "s", len(_SOFTWARE), _SOFTWARE)
    yield _entry(317, "H", _HORIZONTAL)
    yield _entry(322, "I", recipe.tile_width)
    yield _entry(323, "I", recipe.tile_height)
    yield _entry(324, offsets, *starts)
    yield _entry(325, "I", *sizes)
    if samples in _WITH_ALPHA:
        yield _entry(338, "H", _UNASSOCIATED_ALPHA)
    yield from _place(recipe.georeference)


def _entry(tag: int, code: str, *values: float) -> _Entry:
    return _Entry(tag, code, len(values), struct.pack(f"<{len(values)}{code}", *values))


def _place(georeference: Georeference | None) -> Iterator[_Entry]:
    for tag, code, count, value, _ in georeference.extratags() if georeference else ():
        if isinstance(value, bytes):
            yield _Entry(tag, code, count, value)
        else:
            yield _entry(tag, code, *value)
