"""What a user can ask for: frozen values that check themselves.

The defaults of the whole program are the defaults of these classes; the command line
reads them from here.
"""

import os
import sys
from dataclasses import dataclass

from asyncrgb.errors import OptionsError

_RGB = 3
_MAX_COMPRESS_LEVEL = 9
_MAX_READS = 4096
_MIN_MEMORY = 2**20


def _check(ok: bool, message: str) -> None:  # noqa: FBT001 - a predicate reads best in first place
    if not ok:
        raise OptionsError(message)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    """Tell whether ``value`` is a number that floats can hold, and no other kind of number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _check_bands(bands: object) -> None:
    if not isinstance(bands, tuple):
        raise OptionsError(f"bands {bands!r}: give a tuple of three numbers, such as (4, 3, 2)")
    shown = ",".join(map(str, bands))
    _check(
        len(bands) == _RGB,
        f"bands {shown}: give three band numbers, red, green and blue, such as 4,3,2",
    )
    _check(
        all(_is_whole(band) and band >= 1 for band in bands),
        f"bands {shown}: bands are whole numbers counted from 1, such as 4,3,2",
    )


@dataclass(frozen=True, slots=True)
class FixedStretch:
    """Map the range ``low`` .. ``high`` of pixel values linearly to 0 .. 255.

    ``(255 * ((v - low) / (high - low)).clip(0, 1)).astype(uint8)``, computed in float64 and
    truncated, not rounded: bit for bit what the usual EuroSAT recipe does with low 0 and
    high 4000. NaN becomes 0.

    Attributes:
        low: pixel value that becomes black, in the units of the file.
        high: pixel value that becomes full intensity; larger than ``low``.

    Raises:
        OptionsError: a value is no int or float, or not finite, or ``low`` is not below
            ``high``, or their difference is not finite.

    """

    low: float = 0
    high: float = 4000

    def __post_init__(self) -> None:
        _check(
            _is_number(self.low)
            and _is_number(self.high)
            and 0 < self.high - self.low <= sys.float_info.max,
            f"scale {_shown(self.low)} {_shown(self.high)}: give two finite numbers, "
            "the smaller one first, with a finite difference",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How one image becomes an RGB picture.

    Attributes:
        bands: the bands shown as red, green and blue: three numbers, counted from 1 as in GDAL
            and rasterio. (4, 3, 2) is true colour for EuroSAT and Sentinel-2.
        stretch: how pixel values become 0 .. 255.
        compress_level: 0 (stored) to 9 (smallest); 1 is the fastest that compresses.

    Raises:
        OptionsError: a value cannot be used; the message says what can.

    """

    bands: tuple[int, ...] = (4, 3, 2)
    stretch: FixedStretch = FixedStretch()
    compress_level: int = 1

    def __post_init__(self) -> None:
        _check_bands(self.bands)
        _check(
            isinstance(self.stretch, FixedStretch),
            f"stretch {self.stretch!r}: give a FixedStretch, such as FixedStretch(0, 4000)",
        )
        _check(
            _is_whole(self.compress_level) and 0 <= self.compress_level <= _MAX_COMPRESS_LEVEL,
            f"compress level {self.compress_level}: give a whole number from 0 (stored) "
            f"to {_MAX_COMPRESS_LEVEL} (smallest)",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of the machine a conversion may use.

    Attributes:
        workers: renderers at work at once, processes or threads; None: one for each processor
            that this process may use.
        reads: most reads in flight. Readers follow demand: fast storage never needs this many,
            slow storage is read with all of them.
        writes: most writes in flight; they follow demand too.
        memory: bytes of image data held at any moment: what is read, waits, is rendered or is
            written shares them.
        batch: most images handed to a worker at once.
        max_pixels: largest height times width of an image; 0 switches the limit off.

    Raises:
        OptionsError: a value cannot be used; the message says what can.

    """

    workers: int | None = None
    reads: int = 64
    writes: int = 8
    memory: int = 128 * 2**20
    batch: int = 64
    max_pixels: int = 2**28

    def __post_init__(self) -> None:
        for name in ("workers", "reads", "writes", "batch"):
            value = getattr(self, name)
            _check(
                (value is None and name == "workers")
                or (_is_whole(value) and 1 <= value <= _MAX_READS),
                f"{name} {value}: give a whole number from 1 to {_MAX_READS}",
            )
        _check(
            _is_whole(self.memory) and self.memory >= _MIN_MEMORY,
            f"memory {self.memory}: give {_MIN_MEMORY} bytes (1M) or more",
        )
        _check(
            _is_whole(self.max_pixels) and self.max_pixels >= 0,
            f"max_pixels {self.max_pixels}: give a number of pixels, or 0 for no limit",
        )

    @property
    def worker_count(self) -> int:
        """Number of workers: ``workers``, or the processors this process may run on."""
        return self.workers or available_processors()


def available_processors() -> int:
    """Count the processors this process may run on, its CPU affinity respected."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
