"""Deflate by ISA-L with the shortest history there is, and the same bytes for the same image.

ISA-L has an error (``igzip_icf_body_h1_gr_bt.asm`` of 2.32.1, at ``write_first_byte``): at levels 1
and 2, what it notes of the third byte of a stream it notes under the hash of the stream's own
address. So one entry of its table is another one in each process and thread, and with a history
of 4 bytes one picture in 20,000 came out some bytes longer or shorter. With one of 2 bytes all that
matters of an entry is whether it is odd. The wrong one is even, as empty ones are: it changes
nothing but where it hits that of the second byte, and that is only looked at again where what
follows the first byte repeats itself within 2 bytes. Such a beginning is left to zlib.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
from isal import igzip_lib, isal_zlib

_LEVEL: Final = 1
_HISTORY_BITS: Final = 1
_HEAD: Final = b"\x78\x01"  # of a zlib stream: deflate, quickly
_HASHED: Final = 4  # bytes, after the first
_SHORTEST_WINDOW: Final = -9  # without a container
_LEAST_MEMORY: Final = 1


def compress(data: memoryview) -> bytes:
    """Deflate bytes, one after the other in memory, into a zlib stream (RFC 1950)."""
    if not _repeated(data):
        return _stream(data, igzip_lib.COMP_ZLIB)
    checksum = isal_zlib.adler32(data)
    return b"".join((_HEAD, *deflate(data), checksum.to_bytes(4, "big")))


def deflate(data: memoryview, memory: int = igzip_lib.MEM_LEVEL_DEFAULT) -> tuple[bytes, bytes]:
    """Deflate bytes without a container.

    Args:
        data: one byte after the other.
        memory: of ISA-L; the more, the longer its blocks.

    Returns:
        The beginning, which ends on a byte: mostly nothing. And the rest, a whole stream.

    """
    repeated = _repeated(data)
    start = _deflated_by_zlib(data[:repeated]) if repeated else b""
    return start, _stream(data[repeated:], igzip_lib.COMP_DEFLATE, memory)


def _stream(data: memoryview, flag: int, memory: int = igzip_lib.MEM_LEVEL_DEFAULT) -> bytes:
    return igzip_lib.compress(data, _LEVEL, flag, memory, _HISTORY_BITS)


def _repeated(data: memoryview) -> int:
    """Count the bytes before which whatever is hashed repeats itself within 2 bytes."""
    if len(data) <= _HASHED or data[1] != data[3] or data[2] != data[4]:
        return 0
    values = np.frombuffer(data, np.uint8)
    differs = values[1:-2] != values[3:]
    first = int(differs.argmax())
    return first if differs[first] else len(data)


def _deflated_by_zlib(data: memoryview) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _SHORTEST_WINDOW, _LEAST_MEMORY)
    return compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)
