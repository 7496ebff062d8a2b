"""One image from the bytes of its TIFF to the bytes of its PNG: what workers run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.errors import BandError
from asyncrgb.imaging import png, stretch, tiff
from asyncrgb.options import Limits, RenderOptions

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from asyncrgb.imaging.tiff import Pixels


def render(
    data: Buffer,
    options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    limits: Limits = Limits(),  # noqa: B008 - the same
) -> bytes:
    """Turn one multispectral TIFF into an RGB PNG; pure and synchronous.

    Args:
        data: the whole TIFF file, any bytes-like object.
        options: which bands are shown, how they are stretched, how well they are compressed.
        limits: only ``max_pixels`` matters here.

    Returns:
        A PNG file: 8 bit, (height, width, 3), in the order of ``options.bands``.

    Raises:
        DecodeError: the bytes are no TIFF, are damaged, or cannot be decoded.
        BandError: the image has fewer bands than ``options.bands`` asks for.
        LimitError: the image has more pixels than ``limits.max_pixels``.

    """
    pixels = tiff.decode(memoryview(data).cast("B"), limits.max_pixels)
    rgb = stretch.apply(_select(pixels, options.bands), options.stretch)
    return png.encode(rgb, options.compress_level)


def _select(pixels: Pixels, bands: tuple[int, ...]) -> Pixels:
    """Pick ``bands`` (from 1) of ``pixels`` (height, width, bands): a view wherever one exists."""
    count = pixels.shape[2]
    if max(bands) > count:
        raise BandError(
            f"band {max(bands)} was asked for, but the image has {count}: "
            f"choose bands from 1 to {count}"
        )
    first, step = bands[0] - 1, bands[1] - bands[0]
    if step and bands == tuple(range(bands[0], bands[0] + step * len(bands), step)):
        stop = first + step * len(bands)
        return pixels[..., first : stop if stop >= 0 else None : step]
    return pixels[..., [band - 1 for band in bands]]
