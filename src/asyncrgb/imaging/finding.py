"""The image of a whole file, as small as it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.imaging.reading import refusals, tiff

if TYPE_CHECKING:
    from asyncrgb.imaging.reading.image import Image
    from asyncrgb.imaging.reading.layout import Layout
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions


def image_for(
    data: memoryview,
    found: Layout | None,
    options: RenderOptions,
    limits: Limits,
    most: int | None = None,
) -> Image:
    """Give the image that a look at its directory has ``found``, as small as it was asked for.

    Args:
        data: the whole file.
        found: what the look found.
        options: whether it is made smaller, and by which overview.
        limits: as for ``tiff.find_image``.
        most: bytes of pixels of the largest image that is handled whole; None: any.

    Raises:
        OversizedError: what has to be decoded is larger than ``most``.
        AsyncRgbError: as ``tiff.find_image`` does; OptionsError also where there is no such
            overview.

    """
    if options.max_size is None and isinstance(options.overview, str):
        image = tiff.image_of(data, found, limits)
        refusals.check_whole(image.form, most)
        return image
    from asyncrgb.imaging import smaller  # noqa: PLC0415 - what few need

    return smaller.image_of(data, found, options, limits, most)
