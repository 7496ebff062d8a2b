"""What of a file is drawn: which of its bands, of which of its sizes, how large."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asyncrgb.errors import LimitError
from asyncrgb.imaging import bands, smaller
from asyncrgb.imaging.bands import Choice
from asyncrgb.imaging.reading import levels, segments
from asyncrgb.imaging.reading.image import Image
from asyncrgb.imaging.reducing import Reduction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.details import Details
    from asyncrgb.imaging.reading.levels import Level
    from asyncrgb.imaging.reading.sparse import Sparse
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions

_PIECEWISE: Final = frozenset({"png", "tiff"})  # formats that are joined of pieces
_PIXELS: Final = 2**20  # that are made smaller at once


class Subject(NamedTuple):
    """What of a file is drawn.

    Attributes:
        level: the image, or an overview of it.
        choice: the bands that are shown.
        options: how.
        details: what is known besides; the place is that of the picture.
        size: rows and columns of the picture.
        reduction: of the level to the picture; None where they are as large.
        header: what of the file had to be looked at to say so.

    """

    level: Level
    choice: Choice
    options: RenderOptions
    details: Details
    size: tuple[int, int]
    reduction: Reduction | None
    header: tuple[tuple[int, bytes], ...]

    @property
    def bands(self) -> Sequence[int]:
        """All bands that are read, each once: those shown, and that of transparency."""
        alpha = self.level.form.alpha if self.options.alpha else None
        return [*dict.fromkeys((*self.choice.bands, *(() if alpha is None else (alpha,))))]

    @property
    def masked(self) -> bool:
        """Whether a mask has a say."""
        return self.level.mask is not None and self.options.nodata == "auto"

    @property
    def collected(self) -> bool:
        """Whether the picture is drawn once all its values are there, and not piece by piece."""
        return self.reduction is not None or self.options.format not in _PIECEWISE

    @property
    def line(self) -> int:
        """The bytes of a row of the values that are collected."""
        planes = len(self.bands) + self.masked
        return self.size[1] * planes * self.level.form.dtype.itemsize

    def rows(self, top: int, bottom: int) -> tuple[int, int]:
        """Say which rows of the level some rows of the picture take."""
        return (top, bottom) if self.reduction is None else self.reduction.rows(top, bottom)

    def image(self, file: Sparse, top: int, bottom: int) -> Image:
        """Give rows of the picture as an image of their own."""
        if self.reduction is None:
            return self._image(file, top, bottom)
        last = self.rows(top, bottom)[1]
        cuts = [*self._cuts(top, bottom), last]
        strips = [(at, self._image(file, at, end)) for at, end in pairwise(cuts)]
        return smaller.reduced(strips, self.reduction, (top, bottom), self.options)

    @property
    def strip(self) -> int:
        """The number of rows of the level that are read at once, to be made smaller."""
        grid = self.level.grids[0]
        return max(1, _PIXELS // self.level.form.width) if grid.line else grid.rows

    def _cuts(self, top: int, bottom: int) -> Sequence[int]:
        first, last = self.rows(top, bottom)
        return [first, *range((first // self.strip + 1) * self.strip, last, self.strip)]

    def _image(self, file: Sparse, first: int, last: int) -> Image:
        image = self.level.image(file, self.details, first, last)
        more = len(self.bands) > len({*self.choice.bands})
        return self._read_at_once(image) if more else image

    def _read_at_once(self, image: Image) -> Image:
        """Read all bands together, so that nothing is decoded twice."""
        every: list[NDArray[Any]] = []

        def read(wanted: Sequence[int]) -> NDArray[Any]:
            if not every:
                every.append(image.reader(self.bands))
            return _picked(every[0], self.bands, wanted)

        return image._replace(reader=read)

    def collect(self, file: Sparse, top: int, bottom: int) -> bytes:
        """Read rows of what is collected: each band once, and last, if masked, what is data.

        Returns:
            (bottom - top, width, planes) in the byte order of the machine.

        """
        image = self.image(file, top, bottom)
        shown = [*dict.fromkeys(self.choice.bands)]
        planes = [image.read(shown)]
        if len(self.bands) > len(shown):
            planes.append(image.read(self.bands[-1:]))
        present = image.read_mask() if self.masked else None
        if present is not None:
            planes.append(present[..., None])
        dtype = self.level.form.dtype.newbyteorder("=")
        return np.concatenate(planes, axis=-1, dtype=dtype, casting="unsafe").tobytes()

    def collected_image(self, canvas: memoryview) -> Image:
        """See all rows that were collected as an image of their own."""
        form = self.level.form._replace(
            height=self.size[0],
            width=self.size[1],
            dtype=self.level.form.dtype.newbyteorder("="),
        )
        planes = len(self.bands) + self.masked
        pixels: NDArray[Any] = np.ndarray((*self.size, planes), form.dtype, canvas)
        mask = partial(_flags, pixels[..., -1]) if self.masked else None
        read = partial(_picked, pixels, self.bands)
        return Image(form, levels.SIGNATURE, read, self.level.palette, mask, self.details)


def _picked(pixels: NDArray[Any], there: Sequence[int], wanted: Sequence[int]) -> NDArray[Any]:
    return segments.pick(pixels, [there.index(band) + 1 for band in wanted])


def _flags(values: NDArray[Any]) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = values != 0
    return flags


def find(file: Sparse, options: RenderOptions, limits: Limits, *, every: bool = False) -> Subject:
    """Say what of a file is drawn; or counted, where that are ``every`` one of its bands.

    Raises:
        Absent: a range is needed to say so that is not here.
        AsyncRgbError: as ``render`` does.

    """
    known = levels.find(file, limits)
    full, level = known.sizes[0], smaller.level_of(known.sizes, options)
    if not level.grids:
        raise LimitError(
            "its pages are the rows of one image, which is read as a whole or not at all: give "
            "more --memory, or write it as one page"
        )
    form, size = level.form, smaller.size_of(level.form, full.form, options)
    details = smaller.scaled(known.details, full.form, size)
    image = level.image(file, details, 0, form.height)
    choice = Choice((*range(1, form.bands + 1),)) if every else bands.choose(image, options)
    small = size != (form.height, form.width)
    reduction = Reduction((form.height, form.width), size) if small else None
    return Subject(level, choice, options, details, size, reduction, known.header)
