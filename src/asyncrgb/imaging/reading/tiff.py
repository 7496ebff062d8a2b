"""From the bytes of a TIFF to an image whose bands can be read.

Three ways lead there. Uncompressed chunky pixels that lie in one piece, which is what
EuroSAT and most chip collections are, need no decoding: after a checked look at the
first directory they are a numpy view on the file's bytes (1 % of the time of
``tifffile.imread``; the look is written by hand for that). Images in ordinary segments are
decoded from what that look found. Everything else is parsed by tifffile.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncrgb.imaging.reading import layout, pages, refusals, segments, strips
from asyncrgb.imaging.reading.image import Image, our_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.layout import Layout
    from asyncrgb.limits import Limits

__all__ = ["Image", "bands_of", "find_image", "image_of"]


def find_image(data: memoryview, limits: Limits) -> Image:
    """Find the image of a TIFF file: its first of full resolution, or its pages as bands.

    Args:
        data: the whole file, as bytes.
        limits: what is refused, before anything of its size is allocated.

    Raises:
        DecodeError: no TIFF, damaged, or of a kind that cannot be decoded.
        LimitError: larger than ``limits`` allow.

    """
    return image_of(data, layout.find(data), limits)


def image_of(data: memoryview, found: Layout | None, limits: Limits) -> Image:
    """Give the image that a look at its directory has ``found``; as ``find_image``."""
    if found is None:
        with our_errors(data):
            return pages.parse(data, limits)
    refusals.check_size(found.form, (found.coding.rows, found.coding.columns), len(data), limits)
    if found.start is not None:
        refusals.check_present(found.start + found.size, len(data))
        return Image(found.form, data, partial(plain, data, found))
    refusals.check_all_present(found, len(data))
    return Image(found.form, data, partial(_ordinary, data, found))


def bands_of(data: memoryview, found: Layout, bands: Sequence[int], limits: Limits) -> NDArray[Any]:
    """Read bands of an image of which everything but its size is known to be allowed.

    What is not compressed can be no larger than its file.

    Raises:
        DecodeError, LimitError: as ``find_image`` and ``Image.read``.

    """
    if found.start is None:
        return image_of(data, found, limits).read(bands)
    return plain(data, found, bands)


def plain(data: memoryview, found: Layout, bands: Sequence[int]) -> NDArray[Any]:
    """See bands of an image that is not compressed and lies in one piece; as ``Image.read``.

    Raises:
        DecodeError: it is not all there.

    """
    form, _, _, _, start, size = found
    refusals.check_present((start or 0) + size, len(data))
    shape = form.height, form.width, form.bands
    pixels: NDArray[Any] = np.ndarray(shape, form.dtype, data, start or 0)
    return segments.pick(pixels, bands)


def _ordinary(data: memoryview, found: Layout, bands: Sequence[int]) -> NDArray[Any]:
    pixels = strips.read(data, found, bands) if strips.suit(found) else None
    return segments.find(data, found).read(data, bands) if pixels is None else pixels
