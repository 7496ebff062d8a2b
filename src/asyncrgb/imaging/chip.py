"""One image from the bytes of its TIFF to the bytes of its picture: what workers run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from asyncrgb.exposure import EDGE, Exposure
from asyncrgb.imaging import bands, encode, in_range, layout, stretch, tiff
from asyncrgb.imaging.recipe import Recipe
from asyncrgb.imaging.stretch import Response, Transfer
from asyncrgb.imaging.values import Values
from asyncrgb.options import Limits, PercentileStretch, RenderOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from asyncrgb.imaging.georeference import Georeference


class Picture(NamedTuple):
    """A rendered image.

    Attributes:
        file: the bytes of the picture file.
        worldfile: the text of its world file, if one was asked for and the image has a place.
        exposure: how it came out, if that was asked for.

    """

    file: bytes
    worldfile: str | None = None
    exposure: Exposure | None = None


def render(
    data: Buffer,
    options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    limits: Limits = Limits(),  # noqa: B008 - the same
) -> bytes:
    """Turn one multispectral TIFF into a picture; pure and synchronous.

    Args:
        data: the whole TIFF file, any bytes-like object.
        options: which bands are shown, how they are stretched, in which format.
        limits: only ``max_pixels``, ``max_bands`` and ``max_expansion`` matter here.

    Returns:
        A file of ``options.format``, (height, width, samples): grey or RGB, in the order of
        ``options.bands``, with alpha last if it was asked for; 8 or 16 bits a sample.

    Raises:
        DecodeError: the bytes are no TIFF, are damaged, or cannot be decoded.
        BandError: the image lacks a band that is asked for, or does not tell which to show.
        LimitError: the image is larger than ``limits`` allow.
        EncodeError: the format cannot hold a picture of this size.
        OptionsError: the stretch is that of a dataset, of which one image knows nothing.

    """
    return picture(data, options, limits).file


def picture(
    data: Buffer, options: RenderOptions, limits: Limits, *, judge: bool = False
) -> Picture:
    """Render as ``render`` does, and say what else is known.

    Args:
        data: the whole TIFF file.
        options: as for ``render``.
        limits: as for ``render``.
        judge: whether to look at how the picture came out, which takes longer than to render it.

    """
    global _recipe  # noqa: PLW0603 - a memory of one thing, replaced as a whole
    view = memoryview(data).cast("B")
    found, recipe = layout.find(view), _recipe
    if found is not None and recipe is not None and not judge:
        file = recipe.render(view, found, options, limits)
        if file is not None:
            return Picture(file)
    image = tiff.image_of(view, found, limits)
    values = Values(image, bands.choose(image, options), options)
    transfers = in_range.transfers(values)
    _recipe = Recipe.of(values, limits, transfers) or _recipe
    return _picture(values, transfers, judge=judge)


_recipe: Recipe | None = None


def _picture(values: Values, transfers: Sequence[Transfer], *, judge: bool) -> Picture:
    options = values.options
    shown = _stretched(values, transfers)
    exposure = _judge(values, shown) if judge else None
    if options.alpha:
        shown = np.dstack([shown, _opacity(values)])
    place = _place(values)
    file = encode.encode(
        shown,
        options.format,
        level=options.compress_level,
        quality=options.quality,
        georeference=place,
    )
    worldfile = place.worldfile() if place is not None and options.worldfile else None
    return Picture(file, worldfile, exposure)


def _stretched(values: Values, transfers: Sequence[Transfer]) -> NDArray[Any]:
    lasting = not isinstance(values.options.stretch, PercentileStretch)
    shown = stretch.apply(values.pixels, transfers, lasting=lasting)
    if values.masked and values.present is not None:
        shown[~values.present] = 0
    return shown


def _opacity(values: Values) -> NDArray[Any]:
    """Give the file's own transparency, and none where no band that is shown has data."""
    depth = values.options.bit_depth
    dtype = np.dtype(f"u{depth // 8}")
    opacity: NDArray[Any] = np.full(values.pixels.shape[:2], 2**depth - 1, dtype)
    if values.alpha is not None:
        opacity = _own_opacity(values, values.alpha)
    if values.known is not None:
        opacity[~values.known.any(axis=-1)] = 0
    return opacity


def _own_opacity(values: Values, band: int) -> NDArray[Any]:
    """Read the band that the file declares as alpha, whose full range is opaque."""
    pixels, depth = values.image.read([band]), values.options.bit_depth
    response = Response(last=2**depth - 1, nearest=True, deep=depth > 8)  # noqa: PLR2004 - bits
    return stretch.apply(pixels, [Transfer(0, values.opaque, response=response)])[..., 0]


def _place(values: Values) -> Georeference | None:
    """Say where on earth the image lies, if that is going to be written."""
    wanted = values.options.worldfile or values.options.format == "tiff"
    return values.image.details().georeference if wanted else None


def _judge(values: Values, shown: NDArray[Any]) -> Exposure:
    """Tell how a picture came out."""
    first, last = values.options.output_range
    edge = (last - first) * EDGE
    guessed = values.image.form.bands if values.choice.guessed else 0
    seen, pictured = values.physical(), shown
    if values.known is not None:
        seen, pictured = seen[values.known], shown[values.known]
    if not seen.size:
        return Exposure(None, None, 0, 0, 1, guessed)
    return Exposure(
        low=float(seen.min()),
        high=float(seen.max()),
        black=float((pictured < first + edge).mean()),
        white=float((pictured > last - edge).mean()),
        blank=1 - seen.size / values.pixels.size,
        guessed=guessed,
    )
