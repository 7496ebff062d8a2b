"""What goes for all images of one form that are rendered alike, worked out once.

To work it out takes a tenth of the time of a chip, and to come to the same conclusions with all
due checks half of that; so the last recipe is remembered (``chip``). It holds for images that
differ from each other in nothing but their pixels and in where these lie. How these are compressed
is looked at each time; what is not compressed can be no larger than its file.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from asyncrgb.imaging import bands, stretch
from asyncrgb.imaging.laps import Laps
from asyncrgb.imaging.reading import tiff
from asyncrgb.imaging.writing import encode
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.layout import Layout
    from asyncrgb.imaging.stretch import Tables, Transfer
    from asyncrgb.imaging.values import Values
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions


class Recipe:
    """How images of one form become pictures.

    Args:
        values: of one of them.
        limits: that it has been compared with.
        tables: by which its values are stretched.

    """

    def __init__(self, values: Values, limits: Limits, tables: Tables) -> None:
        options = values.options
        self._form = values.image.form
        self._options = options
        self._limits = limits
        self._bands = values.choice.bands
        self._tables = tables
        self._file = options.format, options.compress_level, options.quality

    @classmethod
    def of(cls, values: Values, limits: Limits, transfers: Sequence[Transfer]) -> Recipe | None:
        """Make one of what goes for ``values``; None if that depends on more than their form."""
        options, form = values.options, values.image.form
        if options.alpha or options.worldfile or options.format == "tiff" or options.unscale:
            return None
        if isinstance(options.stretch, PercentileStretch) or values.inverted or values.masked:
            return None
        tables = stretch.tables(form.dtype, transfers)
        if not tables or bands.are_described(form, options):
            return None
        return cls(values, limits, tables)

    def render(
        self, data: memoryview, found: Layout, options: RenderOptions, limits: Limits
    ) -> bytes | None:
        """Render an image that lies in its file as ``found`` says; None if it is no such one."""
        if found.form is not self._form or options is not self._options:
            return None
        if limits is not self._limits:
            return None
        shown = stretch.look_up(self._read(data, found), self._tables)
        return self._encode(shown)

    def laps(
        self, data: memoryview, found: Layout, options: RenderOptions, limits: Limits
    ) -> Laps | None:
        """Render an image by the clock; None if it is no such one."""
        if self.render(data, found, options, limits) is None:
            return None
        began = perf_counter()
        pixels = self._read(data, found)
        decoded = perf_counter()
        shown = stretch.look_up(pixels, self._tables)
        stretched = perf_counter()
        self._encode(shown)
        return Laps.between(began, decoded, stretched, perf_counter())

    def _encode(self, shown: NDArray[Any]) -> bytes:
        file, level, quality = self._file
        return encode.encode(shown, file, level=level, quality=quality)

    def _read(self, data: memoryview, found: Layout) -> NDArray[Any]:
        return tiff.bands_of(data, found, self._bands, self._limits)
