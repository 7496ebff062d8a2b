"""From values to the samples of a picture: what is shown, and how opaque it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from asyncrgb.imaging import stretch
from asyncrgb.imaging.stretch import Response, Transfer
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.values import Values


def stretched(values: Values, transfers: Sequence[Transfer]) -> NDArray[Any]:
    """Stretch values to (height, width, channels) of uint8 or uint16; 0 where nothing is data."""
    lasting = not isinstance(values.options.stretch, PercentileStretch)
    shown = stretch.apply(values.pixels, transfers, lasting=lasting)
    if values.masked and values.present is not None:
        shown[~values.present] = 0
    return shown


def with_opacity(values: Values, shown: NDArray[Any]) -> NDArray[Any]:
    """Add to what is shown how opaque it is, if that was asked for."""
    return np.dstack([shown, _opacity(values)]) if values.options.alpha else shown


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
