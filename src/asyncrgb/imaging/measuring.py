"""One image from the bytes of its TIFF to counts of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asyncrgb.imaging import bands, finding
from asyncrgb.imaging.bands import Choice
from asyncrgb.imaging.reading import layout
from asyncrgb.imaging.values import Values

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import Limits, RenderOptions

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
    view = memoryview(data).cast("B")
    image = finding.image_for(view, layout.find(view), options, limits, most)
    if every:
        choice = Choice(tuple(range(1, image.form.bands + 1)))
    else:
        choice = bands.choose(image, options)
    values = Values(image, choice, options)
    grey = values.channels == 1 and not every
    numbers = (GREY,) if grey else range(1, values.channels + 1)
    into.add(values.physical(), numbers, values.known)
