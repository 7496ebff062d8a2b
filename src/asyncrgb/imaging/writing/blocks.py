"""Deflate for pieces of a stream, with the shortest history there is (RFC 1951).

ISA-L gives up looking for matches, which filtered images do not have, only with a history of 2
bytes (see ``png``), and has that only for a whole stream: with 512 bytes, the least of those that
it can flush, pieces of satellite images are 4 to 8 % larger, and take longer. So what it makes
of a part is a whole stream, small enough to be a single block, and this is made one that others
can follow: the first bit says that it is the last block, and after its end comes an empty stored
block, which ends on a byte. Where in the last byte it begins depends on the code of the end; that
is found from the lengths of the codes, at the beginning, in a tenth of the time that deflating
takes. Whatever is not as expected here is deflated with 512 bytes.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from isal import igzip_lib, isal_zlib

from asyncrgb.imaging.writing import quick

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGEST: Final = 245_000  # bytes that ISA-L makes one block of, with its largest buffer
SOUND_LEVEL: Final = 3  # of ISA-L, which does not have the error of the others (see ``quick``)
_LAST_DYNAMIC: Final = 0b101  # the last block, and one that brings its codes along
_HEAD: Final = 320  # bytes that no head of a block is longer than
_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_REPEATS: Final = ((2, 3), (3, 3), (7, 11))  # of 16, 17, 18: bits of a count, least count
_FEWEST_LITERALS: Final = 257
_COPY: Final = 16
_LONGEST: Final = 15  # bits of a code
_LONGEST_OF_LENGTHS: Final = 7  # bits of a code for the length of a code
_END: Final = 256  # the symbol for it
_EMPTY: Final = b"\0\0\xff\xff"  # stored block, after its three bits


class Compressor:
    """Deflates like the compressors of zlib, but each part ends on a byte and stands alone."""

    def compress(self, data: memoryview, /) -> bytes:
        """Deflate bytes, one after the other in memory."""
        data = data.cast("B")
        starts = range(0, len(data), _LARGEST)
        return b"".join(_deflated(data[start : start + _LARGEST]) for start in starts)

    def flush(self, _mode: int, /) -> bytes:
        """Give what is still to come: nothing."""
        return b""


def _deflated(data: memoryview) -> bytes:
    start, stream = quick.deflate(data, igzip_lib.MEM_LEVEL_EXTRA_LARGE)
    block = followed(stream)
    if block is not None:
        return start + block
    compressor = isal_zlib.compressobj(SOUND_LEVEL, zlib.DEFLATED, -9)
    return compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)


def followed(stream: bytes) -> bytes | None:
    """Make a deflate stream of one block such that others can follow.

    Args:
        stream: without a container around it.

    Returns:
        The same block, not the last one any more, and ended on a byte; None where ``stream`` is
        not a single block with codes of its own.

    """
    if stream[0] & 7 != _LAST_DYNAMIC:
        return None
    lengths = _lengths(int.from_bytes(stream[:_HEAD], "little"))
    length = lengths[_END]
    if not length:
        return None
    code = _first_codes(lengths)[length] + lengths[:_END].count(length)
    free = _free_bits(stream, code, length)
    if free is None:
        return None
    more = b"" if free >= 3 else b"\0"  # noqa: PLR2004 - bits before a stored block
    return b"".join((bytes((stream[0] & ~1,)), stream[1:], more, _EMPTY))


def _free_bits(stream: bytes, code: int, length: int) -> int | None:
    """Count the bits of the last byte that are behind ``code``, which ends the block.

    They are 0, so what is the last 1 of all bits is the last one of the code. None if the code
    is not there.
    """
    zeros = (code & -code).bit_length() - 1
    tail = int.from_bytes(stream[-4:], "little")
    free = 32 - tail.bit_length() - zeros
    reversed_code = int(f"{code:0{length}b}"[::-1], 2)  # codes begin with their highest bit
    is_there = code and free in range(8) and tail >> (32 - free - length) == reversed_code
    return free if is_there else None


def _lengths(head: int) -> list[int]:
    """Read the lengths of the codes of literals, of the end and of matches' lengths."""
    literals = (head >> 3 & 31) + _FEWEST_LITERALS
    count = (head >> 13 & 15) + 4
    of_lengths = [0] * len(_ORDER)
    for i, symbol in enumerate(_ORDER[:count]):
        of_lengths[symbol] = head >> 17 + 3 * i & 7
    table = _table(of_lengths)
    at, lengths = 17 + 3 * count, list[int]()
    while len(lengths) < literals:
        bits = head >> at & 0x3FFF
        symbol, size = table[bits & 0x7F]
        at += size
        if symbol < _COPY:
            lengths.append(symbol)
            continue
        extra, least = _REPEATS[symbol - _COPY]
        times = (bits >> size & (1 << extra) - 1) + least
        lengths += [lengths[-1] if symbol == _COPY else 0] * times
        at += extra
    return lengths


def _table(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Give the symbol and the bits of its code for each seven bits that may come next."""
    table = [(0, 1)] * 2**_LONGEST_OF_LENGTHS
    codes = _first_codes(lengths)
    for symbol, length in enumerate(lengths):
        if length:
            code = int(f"{codes[length]:0{length}b}"[::-1], 2)
            codes[length] += 1
            for bits in range(code, len(table), 1 << length):
                table[bits] = symbol, length
    return table


def _first_codes(lengths: Sequence[int]) -> list[int]:
    """Give the first code of each length, as RFC 1951 does in section 3.2.2."""
    code, codes = 0, [0]
    for length in range(1, _LONGEST + 1):
        shorter = lengths.count(length - 1) if length > 1 else 0
        code = (code + shorter) << 1
        codes.append(code)
    return codes
