"""Pictures smaller than their images: which overview is taken, and what is left to be averaged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncrgb.errors import OptionsError
from asyncrgb.imaging import bands, reducing, stretch, values
from asyncrgb.imaging.reading import levels, refusals, tiff
from asyncrgb.imaging.reading.sparse import Sparse
from asyncrgb.imaging.reducing import Averaging, Reduction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike, NDArray

    from asyncrgb.imaging.reading.details import Details
    from asyncrgb.imaging.reading.image import Image
    from asyncrgb.imaging.reading.layout import Form, Layout
    from asyncrgb.imaging.reading.levels import Level
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions

    Size = tuple[int, int]  # rows, columns
    Rows = tuple[int, int]
    Strip = tuple[int, Image]


def level_of(sizes: Sequence[Level], options: RenderOptions) -> Level:
    """Choose the image or one of its overviews, ``sizes`` from the largest to the smallest.

    Raises:
        OptionsError: an overview was asked for by its number that is not there.

    """
    overview, full = options.overview, sizes[0]
    if isinstance(overview, int):
        if overview + 1 >= len(sizes):
            raise OptionsError(
                f"overview {overview} was asked for, and the file has {len(sizes) - 1}, counted "
                "from 0: choose another one, or auto"
            )
        return sizes[overview + 1]
    if overview == "none" or options.max_size is None:
        return full
    height, width = reducing.target(full.form.height, full.form.width, options.max_size)
    enough = [each for each in sizes if each.form.height >= height and each.form.width >= width]
    return enough[-1]


def size_of(form: Form, full: Form, options: RenderOptions) -> Size:
    """Say how large the picture is that is made of ``form``, an image or an overview of it.

    As large as one made of the image itself, if it is that large.
    """
    if options.max_size is None:
        return form.height, form.width
    height, width = reducing.target(full.height, full.width, options.max_size)
    return min(form.height, height), min(form.width, width)


def image_of(
    data: memoryview,
    found: Layout | None,
    options: RenderOptions,
    limits: Limits,
    most: int | None = None,
) -> Image:
    """Give the image of a whole file as ``finding.image_for`` does."""
    image = tiff.image_of(data, found, limits)
    full = image.form
    enough = options.max_size or max(full.height, full.width)
    if isinstance(options.overview, int) or max(full.height, full.width) > enough:
        image = _overview(data, image, options, limits)
    refusals.check_whole(image.form, most)
    target = size_of(image.form, full, options)
    if target == (full.height, full.width):
        return image
    image = image._replace(said=scaled(image.details(), full, target))
    if target == (image.form.height, image.form.width):
        return image
    reduction = Reduction((image.form.height, image.form.width), target)
    return reduced([(0, image)], reduction, (0, target[0]), options)


def _overview(data: memoryview, image: Image, options: RenderOptions, limits: Limits) -> Image:
    """Choose between an image and its overviews."""
    if options.overview == "none":
        return image
    file = Sparse(len(data), [(0, data)])
    known = levels.find(file, limits)
    level = level_of(known.sizes, options)
    if level is known.sizes[0]:
        return image
    return level.image(file, known.details, 0, level.form.height)


def reduced(
    strips: Sequence[Strip], reduction: Reduction, rows: Rows, options: RenderOptions
) -> Image:
    """Make rows of an image smaller.

    Args:
        strips: the rows, in pieces that follow each other: number of the first one, and an image.
        reduction: of the whole image to the whole picture.
        rows: the first row of the picture, and the one after the last.
        options: which bands are shown, and what is no data.

    """
    image, dtype = strips[0][1], strips[0][1].form.dtype.newbyteorder("=")
    smaller = _Smaller(strips, reduction, rows, options)
    mask = None if image.mask is None else smaller.mask
    height, width = rows[1] - rows[0], reduction.target[1]
    form = image.form._replace(height=height, width=width, dtype=dtype)
    return image._replace(form=form, reader=smaller.read, mask=mask)


class _Smaller:
    """Reads rows of an image, not many at once, and makes them smaller."""

    def __init__(
        self, strips: Sequence[Strip], reduction: Reduction, rows: Rows, options: RenderOptions
    ) -> None:
        self._strips = strips
        self._reduction = reduction
        self._rows = rows
        self._image = strips[0][1]
        self._nodata = values.nodata_of(self._image, options)
        self._masked = options.nodata == "auto"
        self._opacity = _opacity(self._image, options)

    def read(self, wanted: Sequence[int]) -> NDArray[Any]:
        """Average what is data; the rest becomes no data, whatever stands for that."""
        if self._image.palette is not None:
            return self._nearest([image.read(wanted) for _, image in self._strips])
        mean = self._averaging(len(wanted), self._image.form.dtype)
        for first, image in self._strips:
            pixels = image.read(wanted)
            known = None if [*wanted] == [self._opacity] else self._known(image, pixels)
            mean.add(pixels, known, first)
        return mean.result(self._nodata)[0]

    def _averaging(self, bands: int, dtype: DTypeLike) -> Averaging:
        return Averaging(self._reduction, *self._rows, bands, dtype)

    def _nearest(self, pieces: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return self._reduction.nearest(np.concatenate(pieces), self._strips[0][0], *self._rows)

    def _known(self, image: Image, pixels: NDArray[Any]) -> NDArray[np.bool_] | None:
        known = stretch.valid(pixels, self._nodata)
        mask = image.read_mask() if self._masked else None
        if mask is None:
            return known
        present = mask[..., None]
        return present if known is None else known & present

    def mask(self) -> NDArray[np.bool_]:
        """Tell which pixels have any data below them."""
        masks = [(first, _mask_of(image)) for first, image in self._strips]
        if self._image.palette is not None:
            return self._nearest([mask for _, mask in masks])
        mean = self._averaging(1, np.uint8)
        for first, mask in masks:
            mean.add(np.zeros((*mask.shape, 1), np.uint8), mask[..., None], first)
        known = mean.result()[1]
        assert known is not None  # noqa: S101 - as something was said of it
        return known[..., 0]


def _mask_of(image: Image) -> NDArray[np.bool_]:
    mask = image.read_mask()
    assert mask is not None  # noqa: S101 - who has none is not asked
    return mask


def _opacity(image: Image, options: RenderOptions) -> int | None:
    """Give the band that is read as transparency: 0 is no lack of data there."""
    alpha = image.form.alpha if options.alpha else None
    return None if alpha is None or alpha in bands.choose(image, options).bands else alpha


def scaled(details: Details, full: Form, size: Size) -> Details:
    """Say where a smaller picture of an image lies."""
    place = details.georeference
    if place is None or size == (full.height, full.width):
        return details
    factors = full.height / size[0], full.width / size[1]
    return replace(details, georeference=place.scaled(*factors))
