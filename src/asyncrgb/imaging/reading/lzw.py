"""LZW, by libtiff: what imagecodecs' own decoder makes of damage is left to chance.

It takes little more than half the time of that, too. libtiff reads files only, so the streams
are put into one.
"""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from asyncrgb.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.layout import Form

_LZW: Final = 5  # value of the tag Compression
_HEAD: Final = struct.Struct("<4sIH" + 9 * "HHII" + "I")  # the file's, and its directory
_BYTE, _SHORT, _LONG = 8, 3, 4  # bits of a sample; types of values


def decode(
    streams: Sequence[bytes | memoryview], rows: int, target: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Decode streams that follow each other in an image.

    Args:
        streams: none of them empty.
        rows: what each of them holds; the last may hold fewer.
        target: (rows of all, bytes of a row), C-contiguous; where they are decoded to.

    Returns:
        ``target``, all of it written.

    Raises:
        Exception: libtiff's, where it finds fault with one of them.

    """
    if len(streams) > 1 and not all(stream[0] for stream in streams):
        raise DecodeError("LZW of the old style, which libtiff does not take mixed with others")
    import imagecodecs  # noqa: PLC0415 - 60 ms that plain chips never need

    pixels: NDArray[Any] = imagecodecs.tiff_decode(_file(streams, rows, *target.shape), out=target)
    return pixels


def decode_file(data: memoryview, form: Form) -> NDArray[Any]:
    """Decode all bands of a file, (height, width, bands) in native byte order.

    Raises:
        Exception: libtiff's, where it finds fault with it.
        DecodeError: it understands something else than ``form``.

    """
    import imagecodecs  # noqa: PLC0415 - 60 ms that plain chips never need

    buffer: Any = data  # which some versions' types do not know to be taken
    pixels: NDArray[Any] = imagecodecs.tiff_decode(buffer)
    alike = pixels.size == form.height * form.width * form.bands
    if not alike or pixels.dtype != form.dtype.newbyteorder("="):
        raise DecodeError(f"{pixels.shape} values of {pixels.dtype} are no {form}")
    return pixels.reshape(form.height, form.width, form.bands)


def _file(streams: Sequence[bytes | memoryview], rows: int, length: int, width: int) -> bytes:
    """Make a TIFF of bytes, with ``streams`` as its strips."""
    counts, tables = [*map(len, streams)], 0 if len(streams) == 1 else 4 * len(streams)
    start = _HEAD.size + 2 * tables
    offsets = [*accumulate(counts[:-1], initial=start)]
    where = (_HEAD.size, _HEAD.size + tables) if tables else (offsets[0], counts[0])
    entries = (
        (256, _LONG, 1, width),
        (257, _LONG, 1, length),
        (258, _SHORT, 1, _BYTE),
        (259, _SHORT, 1, _LZW),
        (262, _SHORT, 1, 1),
        (273, _LONG, len(streams), where[0]),
        (277, _SHORT, 1, 1),
        (278, _LONG, 1, rows),
        (279, _LONG, len(streams), where[1]),
    )
    head = _HEAD.pack(b"II*\0", 8, len(entries), *(each for entry in entries for each in entry), 0)
    lists = struct.pack(f"<{2 * len(streams)}I", *offsets, *counts) if tables else b""
    return b"".join((head, lists, *streams))
