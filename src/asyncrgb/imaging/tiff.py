"""From the bytes of a TIFF to its pixels.

Two ways lead there. Uncompressed chunky pixels that lie in one piece, which is what
EuroSAT and most chip collections are, need no decoding: after a checked look at the
first directory they are a numpy view on the file's bytes (1 % of the time of
``tifffile.imread``; the look is written by hand for that). Everything else goes through
tifffile. This module is the one place that turns the decoders' many exceptions into
``DecodeError``.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging import layout

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPage

    Pixels: TypeAlias = NDArray[Any]


_REAL: Final = frozenset("buif")  # kinds of dtypes
_SIGNATURES: Final = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})


def decode(data: memoryview, max_pixels: int) -> Pixels:
    """Decode the first image of a TIFF file.

    Args:
        data: the whole file, as bytes; the result may be a view on it.
        max_pixels: largest height times width; 0: no limit.

    Returns:
        (height, width, bands), in the file's dtype and byte order.

    Raises:
        DecodeError: no TIFF, damaged, or of a kind that cannot be decoded.
        LimitError: more pixels than ``max_pixels``, or more than memory holds; found out
            before anything of that size is allocated.

    """
    found = layout.find(data)
    if found is None:
        return _decoded(data, max_pixels)
    _check_size(found.shape[0], found.shape[1], max_pixels)
    _check_present(found.start + found.size, len(data))
    return np.ndarray(found.shape, found.dtype, data, found.start)


def _decoded(data: memoryview, max_pixels: int) -> Pixels:
    if not len(data):
        raise DecodeError("the file is empty (0 bytes): copy it again from where it came")
    from tifffile import TiffFile  # noqa: PLC0415 - 120 ms that plain chips never need

    try:
        with TiffFile(io.BytesIO(data)) as tif:
            page = tif.pages.first
            _check_declared(page, max_pixels)
            return _bands_last(_read(page, len(data)))
    except AsyncRgbError:
        raise
    except MemoryError as error:
        raise LimitError(
            "the decoded image does not fit into memory: cut it into smaller ones"
        ) from error
    except Exception as error:
        raise DecodeError(_reason(data, error)) from error


def _reason(data: memoryview, error: Exception) -> str:
    if bytes(data[:4]) not in _SIGNATURES:
        return (
            f"not a TIFF file: it starts with {bytes(data[:8])!r}: name it for what it is, "
            "or copy it again from where it came"
        )
    return (
        f"damaged or unsupported TIFF ({type(error).__name__}: {error}): "
        "see what `tiffinfo` says of it, or copy it again from where it came"
    )


def _read(page: TiffPage, size: int) -> Pixels:
    if _is_sparse(page):
        return np.broadcast_to(np.array(page.nodata, page.dtype), page.shaped)
    _check_complete(page, size)
    try:
        return page.asarray(squeeze=False)
    except Exception:
        _check_present(_end(page), size)
        raise


def _is_sparse(page: TiffPage) -> bool:
    """Tell whether nothing is stored: GDAL's way to say that there are no data.

    tifffile takes the header of such a file for pixels if they would be in one piece.
    """
    return bool(page.dataoffsets) and not any((*page.dataoffsets, *page.databytecounts))


def _check_complete(page: TiffPage, size: int) -> None:
    """Refuse what tifffile would allocate, or fill with the wrong pixels, before it found out.

    Strips in pieces are left to it: some writers give the last one a length it does not have.
    """
    if page.is_tiled:
        _check_present(_end(page), size)
    elif page.is_contiguous:
        _check_present(page.dataoffsets[0] + page.nbytes, size)


def _end(page: TiffPage) -> int:
    return max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)


def _check_declared(page: TiffPage, max_pixels: int) -> None:
    _, depth, height, width, _ = page.shaped
    _check_size(height, width, max_pixels)
    if depth != 1:
        raise DecodeError(f"a volume of {depth} layers is not an image: split it into layers")
    if page.dtype is None or page.nbytes == 0:
        raise DecodeError(
            f"no pixels that can be decoded: shape {page.shape}, {page.bitspersample} bits a "
            f"sample, sample format {page.sampleformat}"
        )
    if page.dtype.kind not in _REAL:
        raise DecodeError(
            f"pixels of {page.dtype} are no intensities: store what is to be shown of them, "
            "such as their magnitude, as real numbers"
        )


def _check_size(height: int, width: int, max_pixels: int) -> None:
    if max_pixels and height * width > max_pixels:
        raise LimitError(
            f"{height} x {width} pixels are more than the limit of {max_pixels}: "
            "raise Limits.max_pixels if the file is to be trusted"
        )


def _check_present(needed: int, size: int) -> None:
    if needed > size:
        raise DecodeError(
            f"truncated: the pixels reach to byte {needed}, the file has {size}: "
            "copy it again from where it came"
        )


def _bands_last(pixels: Pixels) -> Pixels:
    """Bring tifffile's (planes, 1, height, width, samples) to (height, width, bands)."""
    planes, _, height, width, samples = pixels.shape
    if planes > 1 and samples > 1:
        raise DecodeError(f"{planes} planes of {samples} samples each: cannot tell the bands")
    if planes == 1:
        return pixels.reshape(height, width, samples)
    return np.moveaxis(pixels.reshape(planes, height, width), 0, -1)
