"""Which values become black and full intensity."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asyncrgb.errors import BandError, OptionsError
from asyncrgb.imaging.stretch import Response, Transfer, opened
from asyncrgb.stretches import FixedStretch, PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.stretch import Affine
    from asyncrgb.imaging.values import Values
    from asyncrgb.options import RenderOptions
    from asyncrgb.stretches import Range

_PICTURE_BITS: Final = 8  # what is stored as pictures are keeps its values, up to here
_DEFAULT: Final = FixedStretch()
_ANY: Final = (0.0, 1.0)  # the range of values that are not there
_COUNTED_BYTES: Final = 2  # integers up to here are counted, which is faster than sorting


def transfers(values: Values) -> Sequence[Transfer]:
    """Say how the values of each channel become intensities.

    Raises:
        BandError: there are ranges for more or fewer bands than the image shows.
        DecodeError: values are to be unscaled, and what the file says of that is damaged.
        OptionsError: the stretch is that of a dataset, of which one image knows nothing.

    """
    options = values.options
    if options.unscale or values.inverted or isinstance(options.stretch, PercentileStretch):
        return _of_its_own(values)
    return _alike(options, _kept(values), values.affines[0], values.nodata, values.channels)


@lru_cache(maxsize=64)
def _alike(
    options: RenderOptions,
    kept: FixedStretch,
    affine: Affine,
    nodata: float | None,
    channels: int,
) -> Sequence[Transfer]:
    """Work out what many images have in common."""
    stretch, response = options.stretch or kept, _response(options)
    assert isinstance(stretch, FixedStretch)  # noqa: S101 - see transfers
    ranges = _one_each(stretch.ranges, channels)
    return tuple(Transfer(low, high, affine, nodata, response) for low, high in ranges)


def _of_its_own(values: Values) -> Sequence[Transfer]:
    """Work out what an image has for itself: percentiles, scales of values, white that is zero."""
    stretch, response = values.options.stretch or _kept(values), _response(values.options)
    if isinstance(stretch, PercentileStretch):
        ranges = _percentile_ranges(stretch, values)
    else:
        ranges = _one_each(stretch.ranges, values.channels)
    ends = [(high, low) for low, high in ranges] if values.inverted else ranges
    return [
        Transfer(black, white, affine, values.nodata, response)
        for (black, white), affine in zip(ends, values.affines, strict=True)
    ]


def _kept(values: Values) -> FixedStretch:
    """Give the stretch that goes without asking: what has no more than 8 bits keeps its values."""
    small = values.bits <= _PICTURE_BITS and values.pixels.dtype.kind in "bu"
    return FixedStretch(0, 2**values.bits - 1) if small else _DEFAULT


def _response(options: RenderOptions) -> Response:
    first, last = options.output_range
    nearest = options.rounding == "nearest"
    return Response(first, last, options.gamma, nearest, options.bit_depth > 8)  # noqa: PLR2004 - bits


def _one_each(ranges: Sequence[Range], count: int) -> Sequence[Range]:
    if len(ranges) == count:
        return ranges
    if len(ranges) > 1:
        raise BandError(
            f"{len(ranges)} ranges of values for an image that shows {count}: "
            "give one range, or one for each band that is shown"
        )
    return tuple(ranges) * count


# Percentiles of one image.


def _percentile_ranges(stretch: PercentileStretch, values: Values) -> Sequence[Range]:
    if stretch.scope == "dataset":
        raise OptionsError(
            "the percentiles of a dataset: convert a folder, or measure one first "
            "and take the stretch that its statistics give"
        )
    pixels = values.physical()
    small = pixels.dtype.kind in "iu" and values.pixels.dtype.itemsize <= _COUNTED_BYTES
    pairs = (_counted if small else _sorted)(stretch, pixels, values.known)
    return [opened(pair) for pair in pairs]


def _counted(
    stretch: PercentileStretch, pixels: NDArray[Any], known: NDArray[np.bool_] | None
) -> Sequence[Range]:
    from asyncrgb.imaging.statistics import Statistics  # noqa: PLC0415 - what few need

    channels = range(1, pixels.shape[-1] + 1)
    statistics = Statistics()
    statistics.add(pixels, channels, known)
    return statistics.in_range(channels, stretch.low, stretch.high, joint=stretch.joint)


def _sorted(
    stretch: PercentileStretch, pixels: NDArray[Any], known: NDArray[np.bool_] | None
) -> Sequence[Range]:
    """Find percentiles of floats and wide integers, which counts give only nearly."""
    count = pixels.shape[-1]
    if stretch.joint:
        return [_percentiles(stretch, pixels, known)] * count
    return [
        _percentiles(stretch, pixels[..., i], None if known is None else known[..., i])
        for i in range(count)
    ]


def _percentiles(
    stretch: PercentileStretch, pixels: NDArray[Any], known: NDArray[np.bool_] | None
) -> Range:
    found = (pixels if known is None else pixels[known]).astype(np.float64)
    found = found[np.isfinite(found)]  # unscaled values can be too large
    if not found.size:
        return _ANY
    low, high = np.percentile(found, (stretch.low, stretch.high), overwrite_input=True).tolist()
    return low, high
