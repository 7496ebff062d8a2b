"""Smooth noise over any area, and textures that repeat without a seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    Plane = NDArray[np.float64]

_BEYOND = 4
"""Knots of a lattice beyond each edge of the area: what is asked for may reach over it."""


# in the spline's place of 6: what it makes of random knots varies less than they do
_KEEPS_VARIANCE = 4


_WITHOUT_THREADS = 2**17
"""Multiplications in a product that OpenBLAS does in one thread: half its bound."""


class Lattice(NamedTuple):
    """Values at knots that are ``spacing`` pixels apart; the first lies beyond the area."""

    spacing: int
    knots: Plane


class Field:
    """A smooth function of place, the sum of some lattices."""

    def __init__(self, lattices: Sequence[Lattice]) -> None:
        self._lattices = lattices

    def at(self, rows: Plane, columns: Plane) -> Plane:
        """Return the values at all places of some rows and columns: (rows, columns)."""
        total = np.zeros((len(rows), len(columns)))
        for spacing, knots in self._lattices:
            first, down = _weights(rows / spacing + _BEYOND, knots.shape[0])
            left, along = _weights(columns / spacing + _BEYOND, knots.shape[1])
            part = knots[first : first + down.shape[1], left : left + along.shape[1]]
            total += _product(down @ part, along.T)
        return total


def cubic_noise(
    rng: Generator, height: int, width: int, octaves: Mapping[int, float]
) -> list[Lattice]:
    """Draw noise over an area: ``octaves`` holds a standard deviation for each spacing."""
    return [
        Lattice(spacing, size * rng.standard_normal(_shape(height, width, spacing)).clip(-2, 2))
        for spacing, size in octaves.items()
    ]


def _shape(height: int, width: int, spacing: int) -> tuple[int, int]:
    return height // spacing + 2 * _BEYOND + 1, width // spacing + 2 * _BEYOND + 1


def _weights(places: Plane, count: int) -> tuple[int, Plane]:
    """Return the first of the knots that ``places`` take, and the shares that they take."""
    places = places.clip(1, count - 3)
    first, last = int(places[0]) - 1, int(places[-1]) + 3
    return first, _cubic(abs(places[:, None] - np.arange(first, last)))


def _product(one: Plane, other: Plane) -> Plane:
    """Multiply matrices in pieces so small that BLAS takes no threads for them: callers have."""
    step = max(1, _WITHOUT_THREADS // other.size)
    return np.concatenate([one[top : top + step] @ other for top in range(0, len(one), step)])


def _cubic(distance: Plane) -> Plane:
    """Return weights as of the cubic B-spline, which has no overshoot and no kinks."""
    near = (3 * distance - 6) * distance**2 + 4
    far = (2 - distance).clip(0) ** 3
    return np.where(distance < 1, near, far) / _KEEPS_VARIANCE


def texture(size: int, grain: float, rng: Generator) -> Plane:
    """Draw noise of unit variance that repeats after ``size`` pixels, (size, size).

    Its covariance falls as exp(-distance / grain).
    """
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * (2 * np.pi)
    amplitude = (grain**-2 + frequency**2) ** -0.75
    amplitude[0, 0] = 0
    plane = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * amplitude, (size, size))
    return np.asarray(plane / plane.std())
