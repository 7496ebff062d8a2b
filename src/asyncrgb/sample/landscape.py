"""Draws the ground: plots, grain and tracks, as the factors that the bands are mixed from.

Each class is one ``Landscape`` of the same few ingredients. Everything is drawn for a block
of chips at once and in float64: results that differ in the last place from one machine's
arithmetic to another's then round to the same integers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from asyncrgb.sample.measured import FACTORS

SIZE = 64
"""Height and width of a chip in pixels of 10 m."""

Planes = NDArray[np.float64]
"""Stacked planes, (chips, factors or bands, height, width), float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A strip across the chip: road, street or river. Lengths in pixels of 10 m.

    ``factors`` replace those of the ground, ``presence`` is the share of chips that have it.
    """

    factors: tuple[float, ...]
    half_width: tuple[float, float]
    bend: float = 0.0
    presence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """What a class is made of. Lengths in pixels of 10 m, values in standard deviations.

    ``plot`` is the depth of a row of plots and the width of a plot in it, ``plot_share`` the
    plots' share of the variance; the rest is noise, correlated over ``grain``. ``hue`` scales
    green and blue against red, ``skew`` is that of the plots' brightness, ``border`` what
    their borders add to it, ``bend`` how far a row strays from a straight line.
    """

    plot: tuple[float, float]
    plot_share: float
    grain: float
    hue: float = 0.8
    skew: float = 1.0
    border: float = 0.0
    bend: float = 2.0
    tracks: tuple[Track, ...] = ()


_ASPHALT = (0.8, -1.4, 1.0, 0.3, 0.3)
_SOIL = (1.4, -0.3, 0.0, -0.3, 0.8)
_WATER = (-0.7, -2.4, 0.6, 0.6, -1.6)

LANDSCAPES = {
    "AnnualCrop": Landscape(plot=(16, 27), plot_share=0.95, grain=3, hue=0.55, skew=1.2, bend=1),
    "Forest": Landscape(
        plot=(12, 20),
        plot_share=0.2,
        grain=1.3,
        hue=1,
        bend=12,
        tracks=(Track(factors=_SOIL, half_width=(0.3, 0.7), bend=8, presence=0.3),),
    ),
    "HerbaceousVegetation": Landscape(
        plot=(20, 34),
        plot_share=0.4,
        grain=7,
        hue=0.4,
        skew=0.5,
        bend=16,
        tracks=(
            Track(factors=_SOIL, half_width=(0.3, 0.8), bend=16, presence=0.7),
            Track(factors=_SOIL, half_width=(0.3, 0.6), bend=16, presence=0.5),
        ),
    ),
    "Highway": Landscape(
        plot=(14, 21),
        plot_share=0.87,
        grain=3,
        hue=0.85,
        skew=1.2,
        tracks=(
            Track(factors=_ASPHALT, half_width=(0.4, 0.8), bend=6, presence=0.7),
            Track(factors=_ASPHALT, half_width=(1.0, 2.0), bend=8),
        ),
    ),
    "Industrial": Landscape(
        plot=(7, 11),
        plot_share=0.88,
        grain=3,
        hue=0.42,
        skew=2.2,
        border=-0.6,
        bend=0.5,
        tracks=(Track(factors=_ASPHALT, half_width=(0.6, 1.2), bend=4),),
    ),
    "Pasture": Landscape(plot=(16, 25), plot_share=0.65, grain=4, hue=1.1, border=-0.8, bend=5),
    "PermanentCrop": Landscape(
        plot=(7.5, 14), plot_share=0.88, grain=2, hue=0.66, skew=0.8, border=0.4
    ),
    "Residential": Landscape(
        plot=(3.6, 2.2),
        plot_share=0.7,
        grain=7,
        hue=0.9,
        skew=1.8,
        border=-0.4,
        bend=3,
        tracks=(
            Track(factors=_ASPHALT, half_width=(0.3, 0.7), bend=3),
            Track(factors=_ASPHALT, half_width=(0.3, 0.7), bend=3, presence=0.6),
        ),
    ),
    "River": Landscape(
        plot=(8, 14),
        plot_share=0.75,
        grain=3,
        hue=1,
        skew=1.2,
        tracks=(Track(factors=_WATER, half_width=(4, 10), bend=12),),
    ),
    "SeaLake": Landscape(plot=(40, 60), plot_share=0, grain=5, hue=1.3),
}

# of a plot's sides, against those of its class
_SMALLEST = 0.7 * 0.6
# bounds of uniform draws that have unit variance once they are blurred
_HUE_GRAIN = np.sqrt(3) / (0.6**2 + 0.4**2)
_HALF = SIZE // 2
# plane of noise and its shift, for each factor
_GRAIN_SOURCES = ((0, 0, 0), (0, 0, _HALF), (1, 0, 0), (1, _HALF, _HALF), (0, _HALF, 0))

_Y, _X = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
_FREQUENCY = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)) * (2 * np.pi)


def draw_factors(name: str, chips: int, rng: Generator) -> Planes:
    """Draw the ground of some chips of a class.

    Returns the factors of ``measured.LOADINGS``, about standardised: an array of shape
    (chips, factors, height, width), float64.
    """
    land = LANDSCAPES[name]
    factors = _plots(land, chips, rng)
    _add_grain(land, factors, rng)
    factors[:, 2:4] *= land.hue
    for track in land.tracks:
        _lay(track, factors, rng)
    return factors


def _axes(chips: int, bend: float, rng: Generator) -> tuple[Planes, Planes]:
    """Return a turned and bent pair of coordinates for each chip, in pixels."""
    angle = rng.uniform(0, 2 * np.pi, (chips, 1, 1))
    curvature = rng.uniform(-bend, bend, (chips, 1, 1)) / (SIZE / 2) ** 2
    along = _Y * np.cos(angle) - _X * np.sin(angle)
    across = _X * np.cos(angle) + _Y * np.sin(angle) + along * along * curvature
    return across, along


def _plots(land: Landscape, chips: int, rng: Generator) -> Planes:
    labels, count = _labels(land.plot, *_axes(chips, land.bend, rng), rng)
    shape = (2 / land.skew) ** 2
    values = rng.standard_normal((FACTORS, chips, count))
    values[0] = (rng.standard_gamma(shape, (chips, count)) - shape) / np.sqrt(shape)
    values *= np.sqrt(land.plot_share)
    plots = np.empty((chips, FACTORS, SIZE, SIZE))
    places = labels + np.arange(chips)[:, None, None] * count
    for factor in range(FACTORS):
        plots[:, factor] = values[factor].take(places)
    border = land.border * np.sqrt(land.plot_share)
    plots[:, 0, 1:] += border * (labels[:, 1:] != labels[:, :-1])
    plots[:, 0, :, 1:] += border * (labels[:, :, 1:] != labels[:, :, :-1])
    _blur(plots[:, :2])
    return plots


def _labels(
    plot: tuple[float, float], across: Planes, along: Planes, rng: Generator
) -> tuple[NDArray[np.intp], int]:
    """Divide the ground into rows of plots, each row with plots of a width of its own."""
    chips, reach = len(across), 0.8 * SIZE
    rows, columns = (int(2 * reach / (_SMALLEST * side)) + 2 for side in plot)
    scale = rng.uniform(0.7, 1.5, (chips, 1))
    cuts = np.cumsum(rng.uniform(0.6, 1.4, (chips, rows)) * scale * plot[0], axis=1) - reach
    row = np.stack([np.searchsorted(*pair) for pair in zip(cuts, across, strict=True)])
    chip = np.arange(chips)[:, None, None] * (rows + 1)
    width = rng.uniform(0.6, 1.4, (chips, rows + 1)) * scale * plot[1]
    start = rng.uniform(0, plot[1], (chips, rows + 1)) + reach
    column = ((along + start.take(row + chip)) / width.take(row + chip)).astype(np.intp)
    return row * columns + column % columns, (rows + 1) * columns


def _blur(planes: Planes) -> None:
    """Mix each pixel with its neighbours, as optics do."""
    planes[..., 1:] += 0.4 * (planes[..., :-1] - planes[..., 1:])
    planes[..., 1:, :] += 0.4 * (planes[..., :-1, :] - planes[..., 1:, :])


def _add_grain(land: Landscape, factors: Planes, rng: Generator) -> None:
    """Add noise whose covariance falls as exp(-distance / grain), in the hues as fine as a pixel.

    The noise is periodic, so half a chip away it is as good as new: two planes serve for five.
    """
    chips = len(factors)
    noise = np.empty((2, chips, SIZE, SIZE))
    white = rng.uniform(-0.5, 0.5, (chips, SIZE, SIZE + 2)).view(np.complex128)
    noise[0] = np.fft.irfft2(white * _amplitude(land.grain), (SIZE, SIZE))
    noise[1] = rng.uniform(-_HUE_GRAIN, _HUE_GRAIN, (chips, SIZE, SIZE))
    _blur(noise[1])
    noise *= np.sqrt(1 - land.plot_share)
    for factor, (plane, *shift) in enumerate(_GRAIN_SOURCES):
        factors[:, factor] += np.roll(noise[plane], shift, (1, 2))


def _amplitude(length: float) -> Planes:
    """Return what makes a spectrum of uniform draws one of noise of unit variance."""
    power = (length**-2 + _FREQUENCY**2) ** -1.5
    power[0, 0] = 0
    total = 2 * power.sum() - power[:, (0, -1)].sum()
    scale: Planes = np.sqrt(6 * power / total) * SIZE**2
    return scale


def _lay(track: Track, factors: Planes, rng: Generator) -> None:
    chips = len(factors)
    across, _ = _axes(chips, track.bend, rng)
    across -= rng.uniform(-0.25, 0.25, (chips, 1, 1)) * SIZE
    width = rng.uniform(*track.half_width, (chips, 1, 1))
    width[rng.random(chips) >= track.presence] = -1
    cover = np.clip(width + 0.5 - abs(across), 0, 1)
    for factor, value in enumerate(track.factors):
        factors[:, factor] += cover * (value - factors[:, factor])
