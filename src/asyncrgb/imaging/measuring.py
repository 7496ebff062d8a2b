"""One image from the bytes of its TIFF to counts of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.imaging import bands, finding, stretch
from asyncrgb.imaging.bands import Choice
from asyncrgb.imaging.reading import layout, tiff
from asyncrgb.imaging.values import Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from asyncrgb.imaging.reading.layout import Form
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.imaging.stretch import Affine
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions

GREY: Final = 4  # what the values of grey pictures are counted under


def measure(  # noqa: PLR0913 - what is counted, how, and where
    data: Buffer,
    options: RenderOptions,
    limits: Limits,
    into: Statistics,
    *,
    every: bool,
    most: int | None = None,
) -> None:
    """Count the values that a stretch would see.

    Args:
        data: the whole TIFF file.
        options: which bands are shown, what their values stand for, and which are data.
        limits: as for ``render``.
        into: takes the values.
        every: whether all bands are counted, under their numbers, and not only those that are
            shown, under 1, 2 and 3 for red, green and blue, or ``GREY``.
        most: bytes of pixels of the largest image that is handled whole; None: any.

    Raises:
        OversizedError: the image is larger than ``most``.
        AsyncRgbError: as ``render`` does.

    """
    global _way  # noqa: PLW0603 - a memory of one thing, replaced as a whole
    view = memoryview(data).cast("B")
    found, asked, way = layout.find(view), _Asked(options, limits, every), _way
    if found is not None and way is not None and way.suits(found.form, asked):
        pixels = tiff.bands_of(view, found, way.bands, limits)
        known = stretch.valid(pixels, way.nodata)
        into.add(way.affine.apply(pixels), way.numbers, known)
        return
    image = finding.image_for(view, found, options, limits, most)
    if every:
        choice = Choice(tuple(range(1, image.form.bands + 1)))
    else:
        choice = bands.choose(image, options)
    values = Values(image, choice, options)
    grey = values.channels == 1 and not every
    numbers = (GREY,) if grey else range(1, values.channels + 1)
    into.add(values.physical(), numbers, values.known)
    _way = _Way.of(values, asked, numbers) or way


class _Asked(NamedTuple):
    """What was asked for; the same objects each time while a folder is measured."""

    options: RenderOptions
    limits: Limits
    every: bool


class _Way(NamedTuple):
    """How all images of one form are counted: to work it out takes a tenth of the time of a chip.

    As with ``Recipe`` it holds for images that differ in their pixels and in where these lie.
    """

    form: Form
    asked: _Asked
    bands: Sequence[int]
    numbers: Sequence[int]
    nodata: float | None
    affine: Affine

    @classmethod
    def of(cls, values: Values, asked: _Asked, numbers: Sequence[int]) -> _Way | None:
        """Give the way that ``values`` were counted; None if it depends on more than their form."""
        form, options = values.image.form, asked.options
        if values.masked or options.alpha or options.unscale:
            return None
        if not asked.every and bands.are_described(form, options):
            return None
        return cls(form, asked, values.choice.bands, numbers, values.nodata, values.affines[0])

    def suits(self, form: Form, asked: _Asked) -> bool:
        """Tell whether an image of this form is counted so."""
        options, limits, every = self.asked
        return (
            form is self.form
            and asked.options is options
            and asked.limits is limits
            and asked.every == every
        )


_way: _Way | None = None
