"""Damaged TIFFs, made of whole ones, and bombs: tiny ones that declare gigabytes."""

from __future__ import annotations

import io
import itertools
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

import asyncrgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

_REAL: Final = Path(__file__).parents[3] / "shared" / "data"
_REAL_CHIPS: Final = (("eurosat", "*_1.tif"), ("chips", "*.tif"))
_SAMPLES: Final = 10
_HEADER: Final = 8
_ENTRY: Final = 12
_VALUES: Final = (0, 1, 2, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_SHORT: Final = 3
_LONG: Final = 4
_COMPRESSIONS: Final = (1, 5, 7, 8, 32773, 34712, 34887, 34925, 50000, 50001)
_SIDES: Final = ((65_535, 65_535), (2**31 - 1, 2**31 - 1), (2**14, 2**14), (2**32 - 1, 1))
_SAMPLE_COUNTS: Final = (1, 13, 4096)


def originals(work: Path) -> list[bytes]:
    """Give whole chips, real ones where they are, and one of them stored in other ways."""
    found = [path for folder, name in _REAL_CHIPS for path in (_REAL / folder).rglob(name)]
    if not found:
        asyncrgb.write_samples(work, _SAMPLES)
        found = list(work.rglob("*.tif"))
    chips = [path.read_bytes() for path in sorted(found)]
    return [*chips, *_stored_anew(chips[0])]


def _stored_anew(chip: bytes) -> Iterator[bytes]:
    """Write a chip with tifffile in all ways that differ in what a decoder has to do."""
    pixels = tifffile.imread(io.BytesIO(chip))
    for compression, planar in itertools.product(("zlib", "lzw", "packbits"), (False, True)):
        layout = {"planarconfig": "separate"} if planar else {"planarconfig": "contig"}
        bands = np.moveaxis(pixels, -1, 0) if planar else pixels
        yield _written(bands, compression=compression, **layout)
    yield _written(pixels, planarconfig="contig", byteorder=">")
    yield _written(pixels, planarconfig="contig", bigtiff=True)
    yield _written(pixels, planarconfig="contig", tile=(16, 16), compression="zlib", predictor=2)


def _written(pixels: Any, **options: Any) -> bytes:  # noqa: ANN401 - numpy's and tifffile's
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="minisblack", metadata=None, **options)
    return file.getvalue()


def mutant(chips: Sequence[bytes], draw: Random) -> bytes:
    """Damage one of the chips."""
    damage = draw.choice((_flip, _flip, _flip, _declare, _declare, _cut, _splice, _blot))
    data = bytearray(draw.choice(chips))
    return bytes(damage(data, draw, chips))


def _flip(data: bytearray, draw: Random, _: Sequence[bytes]) -> bytearray:
    """Change some bytes of the header and the directory, or of what lies behind that."""
    for _each in range(draw.randint(1, 8)):
        data[draw.choice(_places(data, draw))] ^= draw.choice((1 << draw.randrange(8), 255))
    return data


def _places(data: bytearray, draw: Random) -> range:
    begin, count = _directory(data)
    end = begin + 2 + count * _ENTRY + 4
    ranges = (range(_HEADER), range(begin, end), range(begin, end), range(end, end + 600))
    inside = draw.choice(ranges)
    return range(min(inside.start, len(data) - 1), max(min(inside.stop, len(data)), 1)) or range(8)


def _declare(data: bytearray, draw: Random, _: Sequence[bytes]) -> bytearray:
    """Let some entries of the directory say something else, as large as it may be."""
    begin, count = _directory(data)
    order = _order(data)
    for _each in range(draw.randint(1, 3) if count else 0):
        entry = begin + 2 + draw.randrange(count) * _ENTRY
        where = entry + draw.choice((4, 8, 8, 8))
        if where + 4 <= len(data):
            value = draw.choice((*_VALUES, draw.getrandbits(32), len(data)))
            struct.pack_into(order + "I", data, where, value)
    return data


def _cut(data: bytearray, draw: Random, _: Sequence[bytes]) -> bytearray:
    """Leave the end out, or something in the middle."""
    at = draw.choice((draw.randrange(len(data)), draw.randrange(min(len(data), 400))))
    gone = draw.choice((len(data), draw.randint(1, 1000)))
    del data[at : at + gone]
    return data


def _splice(data: bytearray, draw: Random, chips: Sequence[bytes]) -> bytearray:
    """Go on as another chip does."""
    other, at = draw.choice(chips), draw.randrange(len(data))
    return data[:at] + other[draw.choice((at, draw.randrange(len(other)))) :]


def _blot(data: bytearray, draw: Random, _: Sequence[bytes]) -> bytearray:
    """Put noise, or nothing, where something was."""
    at = draw.randrange(len(data))
    length = min(draw.randint(1, 5000), len(data) - at)
    data[at : at + length] = draw.choice((bytes(length), draw.randbytes(length)))
    return data


def _directory(data: bytearray) -> tuple[int, int]:
    """Give where the first directory begins, and its number of entries as far as they are there."""
    order = _order(data)
    (begin,) = struct.unpack_from(order + "I", data, 4)
    if begin + 2 > len(data):
        return _HEADER, 0
    (count,) = struct.unpack_from(order + "H", data, begin)
    return begin, min(count, (len(data) - begin) // _ENTRY)


def _order(data: bytearray) -> str:
    return ">" if data[:2] == b"MM" else "<"


def bombs() -> Iterator[bytes]:
    """Make files of 122 bytes that declare gigabytes: one strip, of any compression."""
    for compression, (width, height), bands in itertools.product(
        _COMPRESSIONS, _SIDES, _SAMPLE_COUNTS
    ):
        yield _bomb(width, height, bands, compression)


def _bomb(width: int, height: int, bands: int, compression: int) -> bytes:
    fields = {
        256: (_LONG, width),
        257: (_LONG, height),
        258: (_SHORT, 16),
        259: (_SHORT, compression),
        262: (_SHORT, 1),
        273: (_LONG, _HEADER),
        277: (_SHORT, bands),
        278: (_LONG, height),
        279: (_LONG, 114),
    }
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in fields.items()
    )
    return struct.pack("<2sHIH", b"II", 42, _HEADER, len(fields)) + entries + bytes(4)
