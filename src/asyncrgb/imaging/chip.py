"""One image from the bytes of its TIFF to the bytes of its picture: what workers run."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncrgb.checks import view_of
from asyncrgb.exposure import EDGE, Exposure
from asyncrgb.imaging import bands, finding, in_range, showing
from asyncrgb.imaging.laps import Laps
from asyncrgb.imaging.reading import layout
from asyncrgb.imaging.recipe import Recipe
from asyncrgb.imaging.values import Values
from asyncrgb.imaging.writing import encode
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from asyncrgb.imaging.reading.georeference import Georeference
    from asyncrgb.imaging.stretch import Transfer


class Picture(NamedTuple):
    """A rendered image.

    Attributes:
        file: the bytes of the picture file.
        worldfile: the text of its world file, if one was asked for and the image has a place.
        exposure: how it came out, if that was asked for.
        laps: how long the parts of rendering it took, if that was asked for.

    """

    file: bytes
    worldfile: str | None = None
    exposure: Exposure | None = None
    laps: Laps | None = None


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
    data: Buffer,
    options: RenderOptions,
    limits: Limits,
    *,
    judge: bool = False,
    most: int | None = None,
) -> Picture:
    """Render as ``render`` does, and say what else is known.

    Args:
        data: the whole TIFF file.
        options: as for ``render``.
        limits: as for ``render``.
        judge: whether to look at how the picture came out, which takes longer than to render it.
        most: bytes of pixels of the largest image that is handled whole; None: any.

    Raises:
        OversizedError: the image is larger than ``most``.

    """
    global _recipe  # noqa: PLW0603 - a memory of one thing, replaced as a whole
    view = view_of(data)
    found, recipe = layout.find(view), _recipe
    if found is not None and recipe is not None and not judge:
        file = recipe.render(view, found, options, limits)
        if file is not None:
            return Picture(file)
    began = perf_counter()
    image = finding.image_for(view, found, options, limits, most)
    values = Values(image, bands.choose(image, options), options)
    judge = judge or _is_news(values)
    decode = perf_counter() - began
    transfers = in_range.transfers(values)
    _recipe = Recipe.of(values, limits, transfers) or _recipe
    drawing = drawn(values, transfers, judge=judge)
    if drawing.laps is None:
        return drawing
    laps = None
    if found is not None and recipe is not None:  # as most images are rendered
        laps = recipe.laps(view, found, options, limits)
    return drawing._replace(laps=laps or drawing.laps._replace(decode=decode))


_recipe: Recipe | None = None
_guesses: set[int] = set()  # numbers of bands of which it is known that bands are guessed


def _is_news(values: Values) -> bool:
    """Tell whether this is the first image here with so many bands whose colours are a guess."""
    count = values.image.form.bands
    if not values.choice.guessed or count in _guesses:
        return False
    _guesses.add(count)
    return True


def drawn(values: Values, transfers: Sequence[Transfer], *, judge: bool) -> Picture:
    """Stretch and encode values, and say what else is known, as ``picture`` does."""
    options, began = values.options, perf_counter()
    shown = showing.stretched(values, transfers)
    stretched = perf_counter()
    looked_at = exposure(values, shown) if judge else None
    shown = showing.with_opacity(values, shown)
    place, judged = _place(values), perf_counter()
    file = encode.encode(
        shown,
        options.format,
        level=options.compress_level,
        quality=options.quality,
        georeference=place,
    )
    encoded = perf_counter()
    worldfile = place.worldfile() if place is not None and options.worldfile else None
    laps = Laps(0, stretched - began, encoded - judged) if judge else None
    return Picture(file, worldfile, looked_at, laps)


def _place(values: Values) -> Georeference | None:
    """Say where on earth the image lies, if that is going to be written."""
    wanted = values.options.worldfile or values.options.format == "tiff"
    return values.image.details().georeference if wanted else None


def exposure(values: Values, shown: NDArray[Any]) -> Exposure:
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
