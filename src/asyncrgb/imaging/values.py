"""The values of the bands that are shown, which of them are data, and what they stand for."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncrgb.imaging import stretch
from asyncrgb.imaging.stretch import Affine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.bands import Choice
    from asyncrgb.imaging.reading.tiff import Image
    from asyncrgb.options import RenderOptions

_COLOURS, _COLOUR_BITS = 3, 8  # of an entry in a palette


class Values:
    """What a stretch works on.

    Attributes:
        image: where the values come from.
        choice: which bands they are.
        options: how they are to be understood.
        pixels: the values as stored, (height, width, channels), a channel for each band; those
            of a palette that is shown as it is are its colours, in three channels of uint8. Where
            transparency is kept, colours are straight: alpha is not multiplied into them.
        channels: how many there are: 3 for red, green and blue, 1 for grey.
        bits: of a value that is as large as it can be; fewer than its dtype has, or as many.
        nodata: the value in ``pixels`` that stands for no data, if one does.
        masked: whether something besides may say which pixels are data; see ``present``.

    """

    def __init__(self, image: Image, choice: Choice, options: RenderOptions) -> None:
        self.image = image
        self.choice = choice
        self.options = options
        self.pixels: NDArray[Any] = image.read(choice.bands)
        self.channels = len(choice.bands)
        self.bits = image.form.bits
        self.nodata = nodata_of(image, options)
        self.masked = image.mask is not None
        self._indexed: NDArray[np.bool_] | None = None
        if choice.as_is and image.palette is not None:
            self._colour(image.palette)
        elif options.alpha and self.alpha and image.details().multiplied:
            self.pixels = _straight(self.pixels, image.read([self.alpha]), self)

    @property
    def alpha(self) -> int | None:
        """The band of the file that holds transparency, unless it is shown as a colour."""
        alpha = self.image.form.alpha
        return None if alpha in self.choice.bands else alpha

    @property
    def opaque(self) -> int:
        """The value of alpha that stands for no transparency."""
        form = self.image.form
        bits = {"f": 1, "i": form.bits - 1}.get(form.dtype.kind, form.bits)
        return int(2**bits - 1)

    def _colour(self, palette: NDArray[np.uint8]) -> None:
        """Replace indexes by the colours of ``palette``; no data is an index, not a colour."""
        indexes = self.pixels[..., 0]
        self._indexed = stretch.valid(indexes, self.nodata)
        with np.errstate(invalid="ignore"):  # NaN is no index
            self.pixels = palette.take(indexes.astype(np.intp), axis=0, mode="clip")
        self.channels, self.bits = _COLOURS, _COLOUR_BITS
        self.nodata, self.masked = None, True

    @property
    def inverted(self) -> bool:
        """Whether white is zero: in a grey picture that says so and is shown as it is."""
        if not self.choice.as_is:
            return False
        return self.image.form.colours == "inverted" and self.channels == 1

    @cached_property
    def known(self) -> NDArray[np.bool_] | None:
        """Which values are data, as ``pixels``; None where all are."""
        known = stretch.valid(self.pixels, self.nodata)
        if self.present is None:
            return known
        present = np.broadcast_to(self.present[..., None], self.pixels.shape)
        return present if known is None else known & present

    @cached_property
    def present(self) -> NDArray[np.bool_] | None:
        """Which pixels (height, width) are data, as far as their values do not say it themselves.

        A mask in the file says so, or the index of a colour. None where nothing does.

        Raises:
            DecodeError: the mask is damaged.

        """
        mask = self.image.read_mask() if self.options.nodata == "auto" else None
        if mask is None or self._indexed is None:
            return self._indexed if mask is None else mask
        return mask & self._indexed

    @cached_property
    def affines(self) -> Sequence[Affine]:
        """What the values of each channel stand for; the colours of a palette for themselves.

        Raises:
            DecodeError: they are to be unscaled, and what the file says of that is damaged.

        """
        if self.channels != len(self.choice.bands):
            return (Affine(),) * self.channels
        add = self.options.offset
        if not self.options.unscale:
            return (Affine(add),) * self.channels
        details = self.image.details()
        return [
            Affine(add, _said(details.scales, band, 1), _said(details.offsets, band, 0))
            for band in self.choice.bands
        ]

    def physical(self) -> NDArray[Any]:
        """Compute what the values stand for, as ``pixels``."""
        if self.affines.count(self.affines[0]) == len(self.affines):
            return self.affines[0].apply(self.pixels)
        bands = [affine.apply(self.pixels[..., i]) for i, affine in enumerate(self.affines)]
        return np.stack(bands, axis=-1)


def _straight(pixels: NDArray[Any], alpha: NDArray[Any], values: Values) -> NDArray[Any]:
    """Divide colours by alpha; not what has no data, nor where alpha is 0."""
    whole, most = pixels.dtype.kind in "iu", values.opaque
    known = stretch.valid(pixels, values.nodata)
    where = (alpha > 0) & (np.True_ if known is None else known)
    straight = pixels.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # floats may be anything
        np.divide(straight * most, alpha, out=straight, where=where)
        np.minimum(straight, most, out=straight, where=where)
    if whole:
        straight = np.floor(straight + 0.5)
    return straight.astype(pixels.dtype.newbyteorder("="))


def nodata_of(image: Image, options: RenderOptions) -> float | None:
    """Give the value that stands for no data; NaN and infinities never are data anyway."""
    if options.nodata == "none":
        return None
    nodata = image.form.nodata if options.nodata == "auto" else options.nodata
    return nodata if nodata is not None and math.isfinite(nodata) else None


def _said(numbers: Mapping[int, float], band: int, usual: float) -> float:
    """Give what the file says of ``band``, if that can be computed with."""
    number = numbers.get(band, usual)
    return number if math.isfinite(number) else usual
