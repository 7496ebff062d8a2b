"""An image in a file at all the sizes that it is there in: itself, and its overviews.

Overviews are pages of reduced resolution, in the chain of pages or below the page of the image
(SubIFDs). Only what is parsed is needed for this, not a single pixel.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asyncrgb.errors import DecodeError
from asyncrgb.imaging.reading import decoders, grid, pages, refusals
from asyncrgb.imaging.reading.image import Image, details_of, our_errors

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from asyncrgb.imaging.reading.details import Details
    from asyncrgb.imaging.reading.grid import Grid, Numbers
    from asyncrgb.imaging.reading.layout import Form
    from asyncrgb.imaging.reading.sparse import Sparse
    from asyncrgb.limits import Limits

_REMEMBERED: Final = 4  # two for each file: while it is planned, and while it is drawn
_MOST_COPIES: Final = 64
SIGNATURE: Final = memoryview(b"II*\0")
"""What images of parts have instead of the whole file: it was known for a TIFF before."""


class Level(NamedTuple):
    """An image at one of its sizes.

    Attributes:
        form: what it is.
        grids: its page, or those of its bands; none where pages are its rows.
        mask: the page that says which pixels are data, if there is one.
        palette: as for ``Image``.

    """

    form: Form
    grids: Sequence[Grid]
    mask: Grid | None
    palette: NDArray[np.uint8] | None

    def places(
        self, bands: Sequence[int], top: int, bottom: int, *, masked: bool
    ) -> tuple[Numbers, Numbers]:
        """Say where rows lie in the file, with those of the mask if that is wanted."""
        found = [each.places(its, top, bottom) for each, its in self._sources(bands)]
        if masked and self.mask is not None:
            found.append(self.mask.places(_every(self.mask), top, bottom))
        starts, sizes = zip(*found, strict=True)
        return np.concatenate(starts), np.concatenate(sizes)

    def _sources(self, bands: Sequence[int]) -> list[tuple[Grid, Sequence[int]]]:
        if len(self.grids) == 1:
            return [(self.grids[0], bands)]
        return [(self.grids[band - 1], [1]) for band in bands]

    def image(self, file: Sparse, details: Details, top: int, bottom: int) -> Image:
        """Give the rows from ``top`` to before ``bottom`` as an image of their own."""
        form = self.form._replace(height=bottom - top)
        read = partial(self._read, file, top, bottom)
        mask = None if self.mask is None else partial(_present, self.mask, file, top, bottom)
        return Image(form, SIGNATURE, read, self.palette, mask, details)

    def _read(self, file: Sparse, top: int, bottom: int, bands: Sequence[int]) -> NDArray[Any]:
        parts = [each.read(file, its, top, bottom) for each, its in self._sources(bands)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _present(mask: Grid, file: Sparse, top: int, bottom: int) -> NDArray[np.bool_]:
    flags = mask.read(file, _every(mask), top, bottom) != 0
    return np.asarray(flags.any(axis=-1))


def _every(mask: Grid) -> Sequence[int]:
    return range(1, mask.form.bands + 1)


class Levels(NamedTuple):
    """What a file holds.

    Attributes:
        sizes: the image, and then its overviews from the largest to the smallest.
        details: what is said of its bands and its place.
        header: what of the file had to be looked at: first byte, and bytes.

    """

    sizes: Sequence[Level]
    details: Details
    header: tuple[tuple[int, bytes], ...]


_known: dict[Hashable, Levels] = {}


def find(file: Sparse, limits: Limits) -> Levels:
    """Find the image of a file, and its overviews; remembered for the last files.

    Raises:
        Absent: a range is needed that is not here.
        DecodeError: no TIFF, damaged, or of a kind that cannot be decoded.
        LimitError: larger than ``limits`` allow.

    """
    key = (file.identity, limits)
    known = _known.get(key) if file.identity is not None else None
    if known is None:
        with file.complete():
            known = _parsed(file, limits)
        if file.identity is not None:
            while len(_known) >= _REMEMBERED:
                _known.pop(next(iter(_known)), None)
            _known[key] = known
    return known


def _parsed(file: Sparse, limits: Limits) -> Levels:
    if not len(file):
        raise DecodeError("the file is empty (0 bytes): copy it again from where it came")
    with our_errors(memoryview(file.look(0, 8))), decoders.opened(file) as tif:
        found = pages.sorted_out(tif, limits)
        full = _full(file, tif, found, limits)
        copies = _copies(file, found, full, limits) if full.grids else []
        return Levels([full, *copies], details_of(tif), file.header())


def _full(file: Sparse, tif: TiffFile, found: pages.Pages, limits: Limits) -> Level:
    forms = [pages.checked(page, len(file), limits) for page in found.images]
    first = found.images[0]
    form, rows = (forms[0], False) if len(forms) == 1 else pages.joined(forms, tif)
    refusals.check_size(form, (0, 0), len(file), limits)
    each = [] if rows else zip(found.images, forms, strict=True)
    grids = [grid.of_page(file, page, its) for page, its in each]
    mask = None if found.mask is None else _mask(file, found.mask, limits)
    return Level(form, grids, mask, pages.palette_of(first, form))


def _mask(file: Sparse, page: TiffPage, limits: Limits) -> Grid:
    return grid.of_page(file, page, pages.checked(page, len(file), limits))


def _copies(file: Sparse, found: pages.Pages, full: Level, limits: Limits) -> list[Level]:
    """Find the overviews of an image of one page."""
    if len(found.images) > 1:
        return []
    below = _below(found.images[0])
    copies = [page for page in (*found.copies, *below) if not int(page.subfiletype) & 4]
    masks = [page for page in (*found.masks, *below) if int(page.subfiletype) & 4]
    levels = []
    for page in copies[:_MOST_COPIES]:
        with suppress(Exception):  # a damaged copy counts as absent; what is Absent is said anyway
            its = [mask for mask in masks if mask.shaped[2:4] == page.shaped[2:4]]
            levels += _copy(file, page, its[:1] if full.mask else [], full, limits)
    return sorted(levels, key=lambda level: -level.form.width * level.form.height)


def _copy(
    file: Sparse, page: TiffPage, masks: Sequence[TiffPage], full: Level, limits: Limits
) -> list[Level]:
    """Give the overview that a page is; none if it is no smaller copy of the image."""
    form = _form_of_copy(page, full.form)
    if form is None:
        return []
    pages.checked(page, len(file), limits)
    mask = _mask(file, masks[0], limits) if masks else None
    return [Level(form, [grid.of_page(file, page, form)], mask, full.palette)]


def _below(page: TiffPage) -> list[TiffPage]:
    """Give the pages of reduced resolution below a page."""
    if not page.subifds:
        return []
    below = [each.aspage() for each in page.pages or ()][:_MOST_COPIES]
    return [each for each in below if int(each.subfiletype) & 1]


def _form_of_copy(page: TiffPage, full: Form) -> Form | None:
    """Say what a copy is if it is a smaller one of an image: all but its size is that of it."""
    if page.dtype is None or 0 in page.shaped:
        return None
    form = pages.form_of(page)
    alike = form._replace(
        height=full.height, width=full.width, nodata=full.nodata, alpha=full.alpha
    )
    smaller = form.height <= full.height and form.width <= full.width
    if alike != full or not smaller or (form.height, form.width) == (full.height, full.width):
        return None
    return full._replace(height=form.height, width=form.width)
