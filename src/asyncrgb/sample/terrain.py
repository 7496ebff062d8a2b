"""Draws ground of any size, any part of it by itself: what scenes are made of.

The ground is a function of place, so a part needs none of its neighbours and has no seam with
them. Which land covers it, how its plots bend and where its rivers run follows from smooth
fields; plots have the levels of their class, by the tables of ``measured``; grain lies on all
of it. Bands of 20 and 60 m keep their own pixels, each repeated, as products of the nearest
neighbour do: that is why they compress so well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from asyncrgb.sample.bands import PITCHES
from asyncrgb.sample.fields import Field, cubic_noise, texture
from asyncrgb.sample.landscape import LANDSCAPES
from asyncrgb.sample.measured import BETWEEN, CLASSES, FACTORS, LOADINGS, MEAN, REST, WITHIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Planes = NDArray[np.float32]

NODATA: Final = 0
"""What is stored outside the swath; inside it every value is at least 1."""

# the land from the lowest values of the cover field to its highest, and where each begins
_LAND: Final = (
    (-9.0, "SeaLake"),
    (-1.5, "HerbaceousVegetation"),
    (-1.1, "Pasture"),
    (-0.6, "AnnualCrop"),
    (0.1, "PermanentCrop"),
    (0.4, "Residential"),
    (0.6, "AnnualCrop"),
    (1.0, "Forest"),
)
_BOUNDS: Final = np.array([bound for bound, _ in _LAND[1:]])
_ROW_OF_LAND: Final = np.array([CLASSES.index(name) for _, name in _LAND])
_WATER: Final = CLASSES.index("SeaLake")
_RIVER: Final = 0.012  # half its width, in values of a field that rises by 1 within 7 km
_ROAD: Final = CLASSES.index("Industrial")
_ROAD_EVERY: Final = 640.0  # pixels
_ROAD_WIDTH: Final = 1.5  # pixels
_PLOT_VALUES: Final = 1024  # a power of two
_BENT_BY: Final = 120.0  # pixels
_RELIEF: Final = 0.05  # of the level
_DARKEST: Final = 0.2  # no plot is darker than this share of its class's mean
# pixels; the two of a band repeat together only where both periods do, after 69,527
_TEXTURES: Final = (251, 277)
_PITCH: Final = {band: pitch for pitch, bands in PITCHES.items() for band in bands}


class Ground(NamedTuple):
    """What covers some pixels, each an array (height, width).

    Attributes:
        land: row of the tables in ``measured``.
        plot: which of the plots' values, below 1024.
        relief: factor of the level.

    """

    land: NDArray[np.intp]
    plot: NDArray[np.intp]
    relief: Planes


class Terrain:
    """Ground of ``height`` x ``width`` pixels of 10 m; the same ``seed`` gives the same.

    Args:
        height: pixels.
        width: pixels.
        seed: at least 0.
        swath: whether what lies outside a slanted edge was not seen: all bands are NODATA.

    """

    def __init__(self, height: int, width: int, *, seed: int, swath: bool) -> None:
        rng = Generator(PCG64(SeedSequence((seed, height, width))))
        self._edge = width * 0.18 if swath else -np.inf
        self._slant = width * 0.3 / height
        self._cover = Field(cubic_noise(rng, height, width, {900: 1.0, 250: 0.4, 60: 0.15}))
        self._river = Field(cubic_noise(rng, height, width, {1400: 1.0, 350: 0.15}))
        self._bend = [Field(cubic_noise(rng, height, width, {500: _BENT_BY})) for _ in "yx"]
        self._relief = Field(cubic_noise(rng, height, width, {150: _RELIEF, 24: _RELIEF / 2}))
        self._levels = _levels(rng)
        self._textures = [_band_textures(size, rng) for size in _TEXTURES]

    def draw(
        self, top: int, left: int, height: int, width: int, bands: Sequence[int]
    ) -> NDArray[np.uint16]:
        """Draw a part: (height, width, bands), uint16, reflectance times 10,000.

        ``bands`` are places in ``measured.BANDS``, from 0. Parts may reach beyond the terrain.
        """
        pixels = np.empty((height, width, len(bands)), "<u2")
        for pitch in {_PITCH[band] for band in bands}:
            rows, down = _covered(top, height, pitch)
            columns, along = _covered(left, width, pitch)
            ground = self._ground(_centres(rows, pitch), _centres(columns, pitch))
            for index, band in enumerate(bands):
                if _PITCH[band] == pitch:
                    pixels[..., index] = self._band(band, ground, rows, columns)[down][:, along]
        pixels[self._unseen(top, left, height, width)] = NODATA
        return pixels

    def _unseen(self, top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
        y, x = np.arange(top, top + height), np.arange(left, left + width)
        return np.asarray(x + self._slant * y[:, None] < self._edge)

    def _ground(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> Ground:
        """Look at the ground at rows ``y`` and columns ``x``."""
        bend_y, bend_x = (field.at(y, x) for field in self._bend)
        across = 0.9 * y[:, None] + 0.43 * x + bend_y
        along = 0.9 * x - 0.43 * y[:, None] + bend_x
        land = _ROW_OF_LAND[np.searchsorted(_BOUNDS, self._cover.at(y, x))]
        land[np.minimum(across % _ROAD_EVERY, along % _ROAD_EVERY) < _ROAD_WIDTH] = _ROAD
        land[abs(self._river.at(y, x)) < _RIVER] = _WATER
        depth, length = _PLOTS[:, land]
        row = (across / depth).astype(np.intp)
        column = (along / length + 0.37 * (row & 7)).astype(np.intp)
        plot = (row * 7919 + column * 104_729 + (row * column >> 3)) & (_PLOT_VALUES - 1)
        return Ground(land, plot, 1 + self._relief.at(y, x).astype(np.float32))

    def _band(
        self, band: int, ground: Ground, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> NDArray[np.uint16]:
        """Draw the ground in a band, at the resolution of its sensor."""
        grain = sum(
            each[band].take(rows % len(each[band]), 0).take(columns % len(each[band]), 1)
            for each in self._textures
        )
        values = self._levels[band].take(ground.land * _PLOT_VALUES + ground.plot)
        values *= ground.relief
        values += grain * _AMPLITUDES[band].take(ground.land)
        return np.asarray(values.clip(1, 10_000), np.uint16)


def _covered(first: int, count: int, pitch: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pixels of ``pitch`` that cover some of 10 m, and for each of those which."""
    fine = np.arange(first, first + count) // pitch
    return np.arange(fine[0], fine[-1] + 1), fine - fine[0]


def _centres(places: NDArray[np.intp], pitch: int) -> NDArray[np.float64]:
    return np.asarray((places + 0.5) * pitch - 0.5, np.float64)


def _levels(rng: Generator) -> list[Planes]:
    """Return the level of each class's plots in each band, (classes * plots) for each band."""
    factors = rng.standard_normal((FACTORS, _PLOT_VALUES)).clip(-2, 2)
    spread = np.hypot(WITHIN, BETWEEN) * np.sqrt(_PLOT_SHARES)[:, None]
    plots = LOADINGS @ factors
    levels = MEAN[:, :, None] + spread[:, :, None] * plots
    levels = np.maximum(levels, _DARKEST * MEAN[:, :, None]).round()
    return [np.ravel(band).astype(np.float32) for band in levels.swapaxes(0, 1)]


def _band_textures(size: int, rng: Generator) -> Planes:
    """Return grain of half the variance that it is to have, for each band: it repeats."""
    factors = np.stack([texture(size, grain, rng) for grain in (2, 2, 1, 1, 2)])
    planes = np.tensordot(LOADINGS, factors, 1)
    for band in np.flatnonzero(REST):
        planes[band] += REST[band] * texture(size, 1, rng)
    # in steps: other machines' arithmetic differs in the last place, and is to round alike
    return np.asarray(np.round(planes * (np.sqrt(0.5) * 1024)) / 1024, np.float32)


_PLOT_SHARES: Final = np.array([LANDSCAPES[name].plot_share for name in CLASSES])
_PLOTS: Final = np.array([LANDSCAPES[name].plot for name in CLASSES]).T
_AMPLITUDES: Final = (WITHIN * np.sqrt(1 - _PLOT_SHARES)[:, None]).T.astype(np.float32)
