"""What pictures within a TIFF (JPEG, JPEG 2000, WebP, JPEG XL, PNG) declare of their size.

Their decoders believe that, whatever the TIFF says: a few hundred bytes can ask for gigabytes.
So it is looked at before they are called. Byte codecs (LZW, deflate and the like) need no such
look, as they stop where the segment is full.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_START_OF_FRAME: Final = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_CODESTREAM: Final = re.compile(rb"\xff\x4f\xff\x51", re.DOTALL)  # JPEG 2000
_XL_CODESTREAM: Final = re.compile(rb"(?:jxlc|jxlp.{4})(?=\xff\x0a)", re.DOTALL)
_XL_BITS: Final = (9, 13, 18, 30)
_XL_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def check(compression: int, most: int, stream: bytes | memoryview) -> None:
    """Refuse a picture that is far larger than the segment which is to hold it.

    Args:
        compression: value of the tag.
        most: values that the segment holds; a picture may be a bit larger.
        stream: the bytes of the segment, or those that its header was moved to.

    Raises:
        DecodeError: it is larger, or does not say how large it is.

    """
    size = _SIZES.get(compression)
    if size is None:
        raise DecodeError(
            f"compression {compression} cannot be decoded: write the file anew with another one"
        )
    try:
        values = size(bytes(stream))
    except (IndexError, struct.error, ValueError):
        raise DecodeError(
            "damaged: what is compressed does not say how large it is: "
            "copy it again from where it came"
        ) from None
    if values > 2 * most + 2**16:
        raise DecodeError(
            f"{values} values in a strip or tile of {most}: copy it again from where it came"
        )


def _jpeg(stream: bytes) -> int:
    at = stream.index(b"\xff\xd8") + 2
    while (marker := stream[at + 1]) not in _START_OF_FRAME:
        alone = marker in (0x01, 0xFF) or 0xD0 <= marker <= 0xD8  # noqa: PLR2004 - markers
        if stream[at] != 0xFF or marker == 0xDA:  # noqa: PLR2004 - the scan, without a frame
            raise ValueError(marker)
        length = 0 if alone else struct.unpack_from(">H", stream, at + 2)[0]
        at += (1 if marker == 0xFF else 2) + length  # noqa: PLR2004 - a marker may be padded
    height, width, samples = struct.unpack_from(">HHB", stream, at + 5)
    return int(height * width * samples)


def _whole_jpeg(stream: bytes) -> int:
    """Look for the end as well: for what is missing the decoder makes up pixels."""
    values = _jpeg(stream)
    if b"\xff\xd9" not in stream:
        raise DecodeError("truncated: a JPEG without an end: copy it again from where it came")
    return values


def _jpeg2000(stream: bytes) -> int:
    """Take the largest, as what precedes the codestream could contain what looks like one."""
    sizes = []
    for found in _CODESTREAM.finditer(stream):
        right, bottom, left, top = struct.unpack_from(">4I", stream, found.end() + 4)
        (samples,) = struct.unpack_from(">H", stream, found.end() + 36)
        sizes.append((right - left) * (bottom - top) * samples)
    return int(max(sizes))


def _webp(stream: bytes) -> int:
    kind = stream[12:16]
    if stream[:4] != b"RIFF":
        raise ValueError(kind)
    if kind == b"VP8X":
        width, height = (int.from_bytes(stream[i : i + 3], "little") + 1 for i in (24, 27))
        return width * height
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", stream, 21)
        return int(((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1))
    width, height = struct.unpack_from("<HH", stream, 26)
    return int((width & 0x3FFF) * (height & 0x3FFF))


def _jpeg_xl(stream: bytes) -> int:
    found = _XL_CODESTREAM.search(stream)
    start = found.end() if found else 0
    if stream[start : start + 2] != b"\xff\x0a":
        raise ValueError(start)
    bits = _Bits(int.from_bytes(stream[start + 2 : start + 14], "little"))
    small = bits.take(1)
    height = _xl_side(bits, small=small)
    ratio = bits.take(3)
    if not ratio:
        return height * _xl_side(bits, small=small)
    across, down = _XL_RATIOS[ratio - 1]
    return height * (height * across // down)


class _Bits:
    """Bits of a number, the lowest first."""

    def __init__(self, number: int) -> None:
        self._number = number

    def take(self, count: int) -> int:
        taken = self._number & (1 << count) - 1
        self._number >>= count
        return taken


def _xl_side(bits: _Bits, *, small: int) -> int:
    return (bits.take(5) + 1) * 8 if small else bits.take(_XL_BITS[bits.take(2)]) + 1


def _png(stream: bytes) -> int:
    width, height = struct.unpack_from(">II", stream, 16)
    return int(width * height)


_SIZES: Final[Mapping[int, Callable[[bytes], int]]] = {
    6: _jpeg,  # as a header, without an end
    **dict.fromkeys((7, 33007, 34892), _whole_jpeg),
    **dict.fromkeys((33003, 33004, 33005, 34712), _jpeg2000),
    50001: _webp,
    **dict.fromkeys((50002, 52546), _jpeg_xl),
    34933: _png,
}
