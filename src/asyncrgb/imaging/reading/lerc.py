"""Strips and tiles that are compressed with LERC, of which tifffile decodes the simple ones.

Its decoder believes what the stream says of its size, so that is looked at first.
"""

from __future__ import annotations

import struct
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asyncrgb.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY: Final = b"Lerc2 "
_CHECKED, _DEEP = 3, 4  # versions: the first with a checksum, the first with values per pixel
_DEFLATE, _ZSTD = 1, 2  # a second compression


def decode(
    stream: memoryview, extent: tuple[int, int, int, int], dtype: np.dtype[Any], second: int
) -> NDArray[Any]:
    """Decode one segment.

    Args:
        stream: its bytes.
        extent: depth, rows, columns and samples of the segment.
        dtype: of its values, in the byte order of the file.
        second: what was compressed once more with, by the second of LercParameters.

    Returns:
        Pixels of ``extent``; what a mask of its own leaves out is NaN.

    Raises:
        Exception: whatever the decoder raises.

    """
    import imagecodecs  # noqa: PLC0415 - 60 ms that plain chips never need

    most = prod(extent)
    body = bytes(stream)
    if second in (_DEFLATE, _ZSTD):
        inflate = imagecodecs.zlib_decode if second == _DEFLATE else imagecodecs.zstd_decode
        body = bytes(inflate(body, out=2 * most * dtype.itemsize + 2**16))
    _check(body, most)
    pixels, mask = imagecodecs.lerc_decode(body, masks=True)
    if body.count(_KEY) > 1:  # one blob for each band
        pixels = np.moveaxis(pixels, 0, -1)
        mask = None if mask is None else np.moveaxis(mask, 0, -1)
    pixels = pixels.reshape(extent).view(dtype)  # big-endian where the file is: so has libtiff it
    if mask is not None and dtype.kind == "f":
        np.copyto(pixels, np.nan, where=~mask.reshape(*extent[:3], -1))
    return np.asarray(pixels.astype(dtype.newbyteorder("="), copy=False))


def _check(body: bytes, most: int) -> None:
    version, _, rows, columns, each = struct.unpack_from("<iIiii", body, len(_KEY))
    if not body.startswith(_KEY) or version < _CHECKED:
        raise DecodeError("LERC of a version that cannot be decoded: write the file anew")
    values = rows * columns * (each if version >= _DEEP else 1) * body.count(_KEY)
    if values != most:
        raise DecodeError(
            f"{values} values in a strip or tile of {most}: copy it again from where it came"
        )
