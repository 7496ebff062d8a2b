"""What is refused before it is decoded: what is too large, and what is not all there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asyncrgb.errors import DecodeError, LimitError

if TYPE_CHECKING:
    from asyncrgb.imaging.reading.layout import Form, Layout
    from asyncrgb.imaging.reading.segments import Segments
    from asyncrgb.limits import Limits

_HARMLESS: Final = 2**26  # decoded bytes that are no danger, however small the file
_PICTURE: Final = 3  # bytes that a pixel takes at least: what is made of it


class OversizedError(Exception):
    """An image is not to be handled whole: it is drawn part by part instead (``scene``)."""


def check_whole(form: Form, most: int | None) -> None:
    """See whether an image may be handled whole.

    Raises:
        OversizedError: it has more than ``most`` bytes of pixels, if there is such a limit.

    """
    if most is not None and form.height * form.width * form.bands * form.dtype.itemsize > most:
        raise OversizedError


def check_size(form: Form, segment: tuple[int, int], size: int, limits: Limits) -> None:
    """Refuse an image that is too large, or has strips or tiles that are."""
    height, width = form.height, form.width
    if segment[0] * segment[1] > height * width:
        height, width = segment
    pixels = height * width
    if limits.max_pixels and pixels > limits.max_pixels:
        raise LimitError(
            f"{height} x {width} pixels are more than the limit of {limits.max_pixels}: raise "
            "Limits.max_pixels (--limit-pixels) if the file is to be trusted"
        )
    if limits.max_bands and form.bands > limits.max_bands:
        raise LimitError(too_many_bands(str(form.bands), limits))
    decoded = pixels * max(_PICTURE, form.bands * form.dtype.itemsize)
    if limits.max_expansion and decoded > _HARMLESS and decoded > limits.max_expansion * size:
        raise LimitError(
            f"a file of {size} bytes that declares {decoded} bytes of pixels: "
            f"raise Limits.max_expansion (--limit-expansion) above {decoded // size} if it is to "
            "be trusted"
        )


def too_many_bands(count: str, limits: Limits) -> str:
    """Say that there are too many."""
    return (
        f"{count} bands are more than the limit of {limits.max_bands}: "
        "raise Limits.max_bands (--limit-bands) if the file is to be trusted"
    )


def check_present(needed: int, size: int) -> None:
    """Refuse a file of ``size`` bytes whose pixels need more."""
    if needed > size:
        raise DecodeError(
            f"truncated: the pixels reach to byte {needed}, the file has {size}: "
            "copy it again from where it came"
        )


def check_all_present(parts: Layout | Segments, size: int) -> None:
    """Refuse a file of ``size`` bytes that ends before its last segment does."""
    check_present(max(map(sum, zip(parts.offsets, parts.counts, strict=True))), size)
