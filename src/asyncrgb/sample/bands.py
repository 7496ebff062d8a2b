"""Mixes the bands of a chip from its factors, each at the resolution of its sensor."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from asyncrgb.sample.landscape import SIZE, Planes, draw_factors
from asyncrgb.sample.measured import (
    BANDS,
    BETWEEN,
    CLASSES,
    FACTORS,
    LOADINGS,
    MEAN,
    REST,
    WITHIN,
)

# how much the contrast differs between the chips of a class, as a logarithm
_CONTRAST_SPREAD = 0.45

# no shadow is darker than this share of its chip's mean
_DARKEST = 0.15

# lighter and darker chips are frequent, greener and bluer ones less so
_LEVEL_FACTORS = LOADINGS * (1, 1, 0.5, 0.5, 1)

# the cast to integers cuts off, so this makes it round
_HALF = 0.5

# the sizes of the sensors' pixels, 10 m, 20 m and 60 m, in pixels of the chip
PITCHES = {
    1: [BANDS.index(band) for band in ("B02", "B03", "B04", "B08")],
    2: [BANDS.index(band) for band in ("B05", "B06", "B07", "B11", "B12", "B8A")],
    6: [BANDS.index(band) for band in ("B01", "B09", "B10")],
}


def draw_chips(name: str, chips: int, rng: Generator) -> NDArray[np.uint16]:
    """Draw chips of a class: (chips, height, width, bands), uint16, reflectance times 10,000."""
    factors = draw_factors(name, chips, rng)
    level, contrast = _levels(CLASSES.index(name), chips, rng)
    pixels = np.empty((chips, SIZE, SIZE, len(BANDS)), "<u2")
    for pitch, bands in PITCHES.items():
        planes = _mix(_shrunk(factors, pitch), bands, rng)
        planes *= contrast[:, bands, None, None]
        planes += level[:, bands, None, None] + _HALF
        planes = _grown(planes, pitch)
        planes.clip(np.maximum(1, _DARKEST * level[:, bands, None, None]), 10_000, out=planes)
        for index, band in enumerate(bands):
            pixels[..., band] = planes[:, index]
    return pixels


def _levels(row: int, chips: int, rng: Generator) -> tuple[Planes, Planes]:
    """Return mean and standard deviation of the bands of each chip, (chips, bands)."""
    spread = BETWEEN[row] / MEAN[row]
    scale = np.sqrt(np.log1p(spread**2))
    draws = REST * _bounded((chips, len(BANDS)), rng)
    draws += _bounded((chips, FACTORS), rng) @ _LEVEL_FACTORS.T
    level = np.exp(draws * scale - scale**2 / 2)
    contrast = np.exp((_bounded((chips, 1), rng) - _CONTRAST_SPREAD) * _CONTRAST_SPREAD)
    return level * MEAN[row], level * contrast * WITHIN[row] / np.hypot(1, spread)


def _bounded(shape: tuple[int, int], rng: Generator) -> Planes:
    """Return draws of unit variance without the normal distribution's far ends."""
    return rng.uniform(-np.sqrt(3), np.sqrt(3), shape)


def _mix(factors: Planes, bands: list[int], rng: Generator) -> Planes:
    """Return planes of zero mean and unit variance, at the resolution of the factors."""
    chips, _, *shape = factors.shape
    flat = factors.reshape(chips, FACTORS, -1)
    mean = flat.mean(2, keepdims=True)
    covariance = flat @ flat.mT / flat.shape[2] - mean @ mean.mT
    variance = np.einsum("bf,cfg,bg->cb", LOADINGS[bands], covariance, LOADINGS[bands])
    weights = LOADINGS[bands] * np.sqrt((1 - REST[bands] ** 2) / variance)[:, :, None]
    planes: Planes = weights @ flat
    planes -= weights @ mean
    if REST[bands].any():
        planes += REST[bands, None] * rng.standard_normal(planes.shape)
    return planes.reshape(chips, -1, *shape)


def _shrunk(planes: Planes, pitch: int) -> Planes:
    return planes if pitch == 1 else np.matmul(_SHRINK[pitch] @ planes, _SHRINK[pitch].T)


def _grown(planes: Planes, pitch: int) -> Planes:
    return planes if pitch == 1 else np.matmul(_GROW[pitch] @ planes, _GROW[pitch].T)


def _shrinking(pitch: int) -> Planes:
    """Return the matrix that averages a row of pixels over pixels of ``pitch``."""
    coarse = np.arange(SIZE) // pitch
    cover = coarse == np.arange(-(-SIZE // pitch))[:, None]
    shares: Planes = cover / cover.sum(1, keepdims=True)
    return shares


def _growing(pitch: int) -> Planes:
    """Return the matrix that resamples a row of coarse pixels by cubic convolution."""
    side = -(-SIZE // pitch)
    place = (np.arange(SIZE) + 0.5) / pitch - 0.5
    grow = np.zeros((SIZE, side))
    for near in range(-1, 3):
        source = np.floor(place) + near
        target = source.clip(0, side - 1).astype(int)
        grow[np.arange(SIZE), target] += _cubic(abs(place - source))
    return grow


def _cubic(distance: Planes) -> Planes:
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, far)


_SHRINK = {pitch: _shrinking(pitch) for pitch in PITCHES}
_GROW = {pitch: _growing(pitch) for pitch in PITCHES}
