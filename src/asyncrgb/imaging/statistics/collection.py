"""The statistics of all bands of any number of images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asyncrgb.errors import OptionsError
from asyncrgb.imaging.statistics import tally
from asyncrgb.imaging.statistics.histogram import Histogram
from asyncrgb.imaging.statistics.record import (
    band_number,
    check,
    fields_of,
    is_whole,
    parsed,
    shown,
)
from asyncrgb.imaging.stretch import opened
from asyncrgb.stretches import FixedStretch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from asyncrgb.stretches import PercentileStretch

_FORMAT: Final = "asyncrgb statistics"
_VERSION: Final = 1


class _Line:
    """Values of one band that wait in one piece: pieces of their own would have to be joined.

    Attributes:
        waits: whether any were given to it, even if none of them is data.

    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._values = np.empty(0, dtype)
        self._length = 0
        self.waits = False

    def append(self, values: NDArray[Any], valid: NDArray[np.bool_] | None) -> None:
        self.waits = True
        if valid is not None:
            values = values[valid]
        end = self._length + values.size
        if end > len(self._values) or self._values.dtype != values.dtype:
            self._make_room(2 * end, values.dtype)
        self._values[self._length : end].reshape(values.shape)[...] = values
        self._length = end

    def _make_room(self, size: int, dtype: np.dtype[Any]) -> None:
        longer = np.empty(size, dtype)
        longer[: self._length] = self._values[: self._length]
        self._values = longer

    def counted(self) -> Histogram:
        """Count the values, which are no longer waiting then."""
        length, self._length, self.waits = self._length, 0, False
        return Histogram.of(self._values[:length])


class Statistics:
    """Statistics of the bands of images, each band by its number, counted from 1.

    Copies of the last images' values wait in it until they are worth the counting, at most
    ``tally.BLOCK`` of them; or until anything is asked of it, or it is pickled.

    Attributes:
        images: number of images that were added.

    """

    def __init__(self) -> None:
        self.images = 0
        self._bands: dict[int, Histogram] = {}
        self._waiting: dict[int, _Line] = {}
        self._waiting_dtype = np.dtype(np.uint8)
        self._waiting_size = 0

    @property
    def bands(self) -> Mapping[int, Histogram]:
        """The histograms of the bands that were added, in the order of their numbers."""
        self._count()
        return dict(sorted(self._bands.items()))

    def add(
        self,
        pixels: NDArray[Any],
        bands: Sequence[int],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Count one image.

        Args:
            pixels: (height, width, bands), any real dtype; copied.
            bands: the number of each of the bands; one that is there twice counts once.
            valid: which pixels count, in the shape of ``pixels``; None: all of them.

        """
        columns = dict(zip(bands, range(pixels.shape[2]), strict=True))
        height, width, count = pixels.shape
        rows = max(1, tally.BLOCK // max(1, width * count))
        for top in range(0, max(1, height), rows):
            part = slice(top, top + rows)
            self._take(pixels[part], columns, None if valid is None else valid[part])
        self.images += 1

    def _take(
        self, pixels: NDArray[Any], columns: dict[int, int], valid: NDArray[np.bool_] | None
    ) -> None:
        """Let copies of the values wait with others of their dtype."""
        if self._waiting_size + pixels.size > tally.BLOCK or self._waiting_dtype != pixels.dtype:
            self._count()
        for band, column in columns.items():
            line = self._waiting.setdefault(band, _Line(pixels.dtype))
            line.append(pixels[..., column], None if valid is None else valid[..., column])
        self._waiting_dtype = pixels.dtype
        self._waiting_size += pixels.size

    def _count(self) -> None:
        """Count the values that wait; room for as many stays."""
        for band, line in self._waiting.items():
            if line.waits:
                self._bands.setdefault(band, Histogram()).merge(line.counted())
        self._waiting_size = 0

    def handed_over(self) -> Statistics:
        """Give all that was added and begin anew, with the room that there is.

        Room that is new to a process costs it a quarter of the time of counting.
        """
        self._count()
        taken = Statistics()
        taken.images, self.images = self.images, 0
        taken._bands, self._bands = self._bands, {}
        return taken

    def __getstate__(self) -> dict[str, Any]:
        self._count()
        return vars(self) | {"_waiting": {}}

    def merge(self, other: Statistics) -> None:
        """Count the images of ``other`` as well."""
        for band, histogram in other.bands.items():
            self._bands.setdefault(band, Histogram()).merge(histogram)
        self.images += other.images

    def in_range(
        self, bands: Sequence[int], low: float, high: float, *, joint: bool
    ) -> tuple[tuple[float, float], ...]:
        """Give the percentiles ``low`` and ``high`` for each of ``bands``.

        Args:
            bands: numbers of bands.
            low: per cent of the values below the first number of a pair.
            high: per cent of the values below the second one.
            joint: one pair for all of these bands together, each counted once, instead of
                one for each.

        Returns:
            A pair for each of ``bands``. Where there are no values at all it is (0.0, 1.0),
            which can be stretched without harm. Both numbers of a pair are the same where
            all values are.

        Raises:
            OptionsError: a band is not in the statistics.
            ValueError: ``low`` or ``high`` is not in 0 .. 100.

        """
        chosen = self._chosen(bands)
        if joint:
            together = Histogram()
            for histogram in chosen.values():
                together.merge(histogram)
            return (_pair(together, low, high),) * len(bands)
        pairs = {band: _pair(histogram, low, high) for band, histogram in chosen.items()}
        return tuple(pairs[band] for band in bands)

    def stretch(
        self, percentiles: PercentileStretch, bands: Sequence[int] | None = None
    ) -> FixedStretch:
        """Give the range that ``percentiles`` have here, to apply it to any images.

        Args:
            percentiles: which ones, and whether for all bands together.
            bands: numbers of the bands that will be shown; None: all that were added.

        Raises:
            OptionsError: a band is not in the statistics.

        """
        chosen = tuple(self.bands) if bands is None else bands
        low, high, joint = percentiles.low, percentiles.high, percentiles.joint
        pairs = [opened(pair) for pair in self.in_range(chosen, low, high, joint=joint)]
        if not pairs:
            return FixedStretch()
        if len({*pairs}) == 1:
            return FixedStretch(*pairs[0])
        lows, highs = zip(*pairs, strict=True)
        return FixedStretch(lows, highs)

    def _chosen(self, bands: Sequence[int]) -> dict[int, Histogram]:
        known = self.bands
        for band in bands:
            if band not in known:
                have = ", ".join(map(str, known)) or "none"
                raise OptionsError(f"band {band} is not in the statistics: they have {have}")
        return {band: known[band] for band in bands}

    def to_json(self) -> str:
        """Write a text for people to look into and for ``from_json``, a line for each band."""
        lines = [f'"{band}": {json.dumps(found.to_dict())}' for band, found in self.bands.items()]
        head = f'{{"format": "{_FORMAT}", "version": {_VERSION}, "images": {self.images}'
        body = ",\n".join(lines)
        return f'{head}, "bands": {{\n{body}\n}}}}\n'

    @classmethod
    def from_json(cls, text: str) -> Statistics:
        """Read what ``to_json`` wrote.

        Raises:
            OptionsError: it is something else; the message says what is wrong with it.

        """
        name, version, images, bands = fields_of(
            parsed(text), "statistics", ("format", "version", "images", "bands")
        )
        check(name == _FORMAT, f"statistics: format {shown(name)} is not {_FORMAT!r}")
        check(
            is_whole(version, _VERSION, _VERSION),
            f"statistics of version {shown(version)}: this program reads version {_VERSION}, "
            "make them again",
        )
        check(is_whole(images), f"statistics: images {shown(images)} is no number of images")
        check(isinstance(bands, dict), f"statistics: bands {shown(bands)} is no object")
        statistics = cls()
        statistics.images = images
        statistics._bands = {band_number(band): _named(band, bands[band]) for band in bands}
        return statistics


def _pair(histogram: Histogram, low: float, high: float) -> tuple[float, float]:
    if histogram.tally is None:
        return 0.0, 1.0
    first, second = histogram.percentiles((low, high))
    return first, second


def _named(band: str, fields: object) -> Histogram:
    try:
        return Histogram.from_dict(fields)
    except OptionsError as error:
        raise OptionsError(f"statistics of band {band}: {error}") from error
