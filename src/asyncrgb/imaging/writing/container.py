"""What a PNG file has around its pixels (PNG specification, third edition).

Knows nothing but ``struct`` and ``zlib``: the process that joins the pieces of a scene has no
need of numpy.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES: Final = {
    1: 0,
    2: 4,
    3: 2,
    4: 6,
}  # samples of a pixel → grey, grey + alpha, RGB, RGBA
_WRITTEN_BY: Final = b"Software\0asyncrgb"  # no version: a new one makes no other files


def chunk(kind: bytes, body: bytes, crc32: Callable[[bytes, int], int] = zlib.crc32) -> bytes:
    """Write a chunk of the four letters ``kind``; ``crc32`` may be a faster one of the same."""
    checksum = crc32(body, crc32(kind, 0))
    return b"".join((len(body).to_bytes(4), kind, body, checksum.to_bytes(4)))


def head(height: int, width: int, samples: int, bits: int) -> bytes:
    """Write all that comes before the pixels: 1 to 4 samples of 8 or 16 bits."""
    fields = (width, height, bits, COLOUR_TYPES[samples], 0, 0, 0)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))
    return b"".join((_SIGNATURE, header, chunk(b"tEXt", _WRITTEN_BY)))


END: Final = chunk(b"IEND", b"")
