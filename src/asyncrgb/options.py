"""What a user can ask for: frozen values that check themselves.

The defaults of the whole program are the defaults of these classes; the command line
reads them from here.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from asyncrgb import machine, sensors
from asyncrgb.errors import OptionsError
from asyncrgb.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import StrPath

Band: TypeAlias = int | str
Range: TypeAlias = tuple[float, float]
Scope: TypeAlias = Literal["image", "dataset"]
Rounding: TypeAlias = Literal["down", "nearest"]
NoData: TypeAlias = float | Literal["auto", "none"]
Overview: TypeAlias = int | Literal["auto", "none"]

DEFAULT_BANDS: Final = (4, 3, 2)
_COUNTS: Final = (1, 3)  # of bands shown: grey, RGB
_DEPTHS: Final = (8, 16)
_COMPRESS_LEVEL: Final = 1
_MAX_COMPRESS_LEVEL: Final = 9
_MAX_QUALITY: Final = 100
_MAX_READS: Final = 4096
_NICEST: Final = 19
_MAX_MEMORY: Final = 2**48
_MIN_MEMORY: Final = 2**20
_SMALL: Final = 2**20  # bytes of an image that is no scene, however many workers there are
_SHORTEST: Final = 0.001  # seconds
_LONGEST: Final = 10**7


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


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _check_bands(bands: object) -> None:
    if not isinstance(bands, tuple):
        raise OptionsError(f"bands {bands!r}: give a tuple, such as (4, 3, 2), or (1,) for grey")
    shown = ",".join(map(str, bands))
    _check(
        len(bands) in _COUNTS,
        f"bands {shown}: give three bands, red, green and blue, such as 4,3,2, or one for grey",
    )
    _check(
        all(_is_name(band) or (_is_whole(band) and band >= 1) for band in bands),
        f"bands {shown}: bands are names, or whole numbers counted from 1, such as 4,3,2",
    )


@dataclass(frozen=True, slots=True)
class FixedStretch:
    """Map the range ``low`` .. ``high`` of pixel values linearly to black .. full intensity.

    ``(255 * ((v - low) / (high - low)).clip(0, 1)).astype(uint8)``, truncated, not rounded: bit
    for bit what the usual EuroSAT recipe does with low 0 and high 4000. It is computed as numpy
    does, float32 in float32, and all integers in float64.

    Attributes:
        low: pixel value that becomes black, in the units of the file; or one for each band
            that is shown.
        high: pixel value that becomes full intensity; larger than ``low``; or one for each.

    Raises:
        OptionsError: a value is no int or float, or not finite, or ``low`` is not below
            ``high``, or their difference is not finite, or there are not as many of each.

    """

    low: float | tuple[float, ...] = 0
    high: float | tuple[float, ...] = 4000

    def __post_init__(self) -> None:
        counts = [len(each) if isinstance(each, tuple) else -1 for each in (self.low, self.high)]
        _check(
            counts[0] == counts[1] and counts[0] != 0,
            f"scale {self.low} {self.high}: give a low value and a high one, "
            "or as many of both as bands are shown",
        )
        for low, high in self.ranges:
            _check(
                _is_number(low) and _is_number(high) and 0 < high - low <= sys.float_info.max,
                f"scale {_shown(low)} {_shown(high)}: give two finite numbers, "
                "the smaller one first, with a finite difference",
            )

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The pairs of low and high: one, or one for each band that is shown."""
        if isinstance(self.low, tuple) and isinstance(self.high, tuple):
            return tuple(zip(self.low, self.high, strict=True))
        return ((self.low, self.high),)  # type: ignore[return-value] # checked to be alike


@dataclass(frozen=True, slots=True)
class PercentileStretch:
    """Map a range between two percentiles of the pixel values to black .. full intensity.

    Percentiles are numpy's, by linear interpolation, over all values that are neither without
    data nor NaN nor infinite. 0 and 100 are the smallest and the largest value.

    Attributes:
        low: percentile, 0 to 100, that becomes black.
        high: percentile that becomes full intensity; larger than ``low``.
        scope: "image": those of each image; "dataset": those of all images of a conversion
            together, which are all read once for that before the first is rendered.
        joint: one range for all bands that are shown, which keeps their balance, instead of
            one for each.

    Raises:
        OptionsError: a value cannot be used; the message says what can.

    """

    low: float = 2
    high: float = 98
    scope: Scope = "image"
    joint: bool = False

    def __post_init__(self) -> None:
        _check(
            _is_number(self.low) and _is_number(self.high) and 0 <= self.low < self.high <= 100,  # noqa: PLR2004 - per cent
            f"percentile {_shown(self.low)} {_shown(self.high)}: give two numbers from 0 to 100, "
            "the smaller one first, such as 2 98",
        )
        _check(self.scope in get_args(Scope), f"scope {self.scope!r}: choose image or dataset")
        _check(isinstance(self.joint, bool), f"joint {self.joint!r}: give True or False")


Stretch: TypeAlias = FixedStretch | PercentileStretch


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How one image becomes a picture.

    Attributes:
        bands: the bands shown as red, green and blue, or the one shown in grey: numbers,
            counted from 1 as in GDAL and rasterio, or names, of the ``sensor`` or else from
            the descriptions in the file. None: the true colours of the ``sensor``; without
            one, images with one or three bands and those with a palette are shown as what they
            are, all others with 4, 3, 2, true colour for EuroSAT, Sentinel-2 and Landsat 8.
        sensor: a key of ``SENSORS``, which names the bands of images that have as many bands as
            it; in others only those that the file describes by such a name can be found.
        stretch: which pixel values become black and full intensity. None: 0 and 4000; but
            what is shown as it is, in up to 8 bits, keeps its values. Of a palette it stretches
            the colours.
        gamma: exponent of the response: intensity ``x`` becomes ``x ** (1 / gamma)``; more
            than 1 is brighter.
        rounding: "down" truncates, as the usual EuroSAT recipe does; "nearest" rounds.
        dst_range: first and last value of the picture; None: all there are, 0 .. 255 in 8 bits.
            What has no data is always 0.
        unscale: apply the scale and offset that the file declares for a band.
        offset: added to pixel values before anything else, such as -1000 for Sentinel-2
            products since processing baseline 04.00.
        nodata: pixel value that stands for no data: "auto": the one that the file declares, or
            what its mask leaves out; "none": no value does. NaN and infinities never count as
            data, so that to name one is the same as "none".
        alpha: make pixels without data transparent; those where no band shown has any. The
            file's own transparency is kept.
        format: "png", "jpeg", "webp" or "tiff".
        bit_depth: 8 or 16 bits a value; 16 for PNG and TIFF only.
        quality: 1 to 100, of JPEG and WebP, which is lossless at 100; None: as a rule good
            enough. PNG and TIFF always are lossless.
        compress_level: 0 (stored) to 9 (smallest), of PNG and TIFF; 1 is the fastest that
            compresses. Of WebP it is the effort; JPEG has none.
        worldfile: write where the picture lies beside it, in a world file.
        max_size: longest side of the picture, in pixels; a larger image is made smaller, each
            pixel the mean of those it covers, as far as they are data. None: as large as it is.
        overview: which smaller copy in the file is taken instead of the image: "auto": with
            ``max_size`` the smallest one that is at least as large; "none": never one; 0 the
            first, 1 the second, and so on.

    Raises:
        OptionsError: a value cannot be used, or two exclude each other; the message says what
            can be used.

    """

    bands: tuple[Band, ...] | None = None
    sensor: str | None = None
    stretch: Stretch | None = None
    gamma: float = 1.0
    rounding: Rounding = "down"
    dst_range: tuple[int, int] | None = None
    unscale: bool = False
    offset: float = 0.0
    nodata: NoData = "auto"
    alpha: bool = False
    format: str = "png"
    bit_depth: int = 8
    quality: int | None = None
    compress_level: int = _COMPRESS_LEVEL
    worldfile: bool = False
    max_size: int | None = None
    overview: Overview = "auto"

    def __post_init__(self) -> None:
        self._check_choice_of_bands()
        self._check_stretch()
        self._check_size()
        self._check_values()
        self._check_format()
        self._check_samples()
        self._check_dst_range()

    def _check_choice_of_bands(self) -> None:
        if self.bands is not None:
            _check_bands(self.bands)
        _check(
            self.sensor is None or isinstance(self.sensor, str),
            f"sensor {self.sensor!r}: choose one of {', '.join(sensors.SENSORS)}",
        )
        self.indexes  # noqa: B018 - names that the sensor does not know raise

    def _check_stretch(self) -> None:
        _check(
            self.stretch is None or isinstance(self.stretch, Stretch),
            f"stretch {self.stretch!r}: give a FixedStretch, such as FixedStretch(0, 4000), "
            "or a PercentileStretch",
        )
        ranges = len(self.stretch.ranges) if isinstance(self.stretch, FixedStretch) else 1
        _check(
            ranges in (1, len(self.bands or DEFAULT_BANDS)),
            f"scale: {ranges} ranges for {len(self.bands or DEFAULT_BANDS)} bands: "
            "give one, or one for each",
        )

    def _check_size(self) -> None:
        _check(
            self.max_size is None or (_is_whole(self.max_size) and self.max_size >= 1),
            f"max size {self.max_size!r}: give a whole number of pixels, 1 or more",
        )
        _check(
            self.overview in ("auto", "none") or (_is_whole(self.overview) and self.overview >= 0),  # type: ignore[operator] # a number by then
            f"overview {self.overview!r}: give auto, none, or a number, 0 for the first",
        )

    def _check_values(self) -> None:
        _check(
            _is_number(self.gamma) and self.gamma > 0,
            f"gamma {_shown(self.gamma)}: give a number above 0, such as 1.4",
        )
        _check(
            self.rounding in get_args(Rounding),
            f"rounding {self.rounding!r}: choose down or nearest",
        )
        _check(_is_number(self.offset), f"offset {_shown(self.offset)}: give a finite number")
        _check(
            self.nodata in ("auto", "none")
            or (isinstance(self.nodata, float) and not math.isfinite(self.nodata))
            or _is_number(self.nodata),
            f"nodata {self.nodata!r}: give a number, nan, auto or none",
        )
        for name in ("unscale", "alpha", "worldfile"):
            value = getattr(self, name)
            _check(isinstance(value, bool), f"{name} {value!r}: give True or False")

    def _check_format(self) -> None:
        _check(
            isinstance(self.format, str) and self.format in FORMATS,
            f"format {self.format!r}: choose one of {', '.join(FORMATS)}",
        )
        _check(
            self.quality is None or (_is_whole(self.quality) and 1 <= self.quality <= _MAX_QUALITY),
            f"quality {self.quality}: give a whole number from 1 to {_MAX_QUALITY}",
        )
        _check(
            self.quality is None or FORMATS[self.format].lossy,
            f"quality {self.quality}: {self.format} loses nothing, so it has no quality: leave it "
            "out, or choose format jpeg or webp",
        )
        _check(
            _is_whole(self.compress_level) and 0 <= self.compress_level <= _MAX_COMPRESS_LEVEL,
            f"compress level {self.compress_level}: give a whole number from 0 (stored) "
            f"to {_MAX_COMPRESS_LEVEL} (smallest)",
        )
        _check(
            self.format != "jpeg" or self.compress_level == _COMPRESS_LEVEL,
            f"compress level {self.compress_level}: jpeg has none: give a quality, or leave it out",
        )

    def _check_samples(self) -> None:
        its = FORMATS[self.format]
        _check(
            _is_whole(self.bit_depth) and self.bit_depth in (_DEPTHS if its.deep else _DEPTHS[:1]),
            f"bit depth {self.bit_depth}: {self.format} can have "
            f"{'8 or 16' if its.deep else 'only 8'}",
        )
        _check(
            its.alpha or not self.alpha,
            f"{self.format} cannot hold transparency: leave alpha out, or choose format png",
        )

    def _check_dst_range(self) -> None:
        most = 2**self.bit_depth - 1
        dst = self.dst_range
        _check(
            dst is None
            or (
                isinstance(dst, tuple)
                and len(dst) == len(("low", "high"))
                and all(map(_is_whole, dst))
                and 0 <= dst[0] < dst[1] <= most
            ),
            f"dst range {dst}: give two whole numbers from 0 to {most}, the smaller one first",
        )

    @property
    def indexes(self) -> tuple[int, ...] | None:
        """Numbers of the bands, by the table of the sensor; None where they depend on the image.

        Raises:
            OptionsError: the sensor has no such band.

        """
        if self.sensor is not None:
            its = sensors.sensor(self.sensor)
            bands = its.composite("true-color") if self.bands is None else self.bands
            return tuple(its.indexes(b)[0] if isinstance(b, str) else b for b in bands)
        numbers = tuple(band for band in self.bands or () if isinstance(band, int))
        return numbers if self.bands is not None and len(numbers) == len(self.bands) else None

    @property
    def output_range(self) -> tuple[int, int]:
        """First and last value of the picture."""
        return self.dst_range or (0, 2**self.bit_depth - 1)


# Recipes under a name: fields of RenderOptions.
# eurosat-rgb: the recipe published for the RGB edition of EuroSAT, gdal_translate -scale 0 2750
# 1 255, pixel for pixel.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "eurosat-rgb": {
        "stretch": FixedStretch(0, 2750),
        "dst_range": (1, 255),
        "rounding": "nearest",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of the machine a conversion may use, and what it refuses.

    Attributes:
        workers: renderers at work at once, processes or threads; None: one for each processor
            that this process may use.
        reads: most reads in flight. Readers follow demand: fast storage never needs this many,
            slow storage is read with all of them.
        writes: most writes in flight; they follow demand too.
        memory: bytes of image data held at any moment: what is read, waits, is rendered or is
            written shares them.
        batch: most images handed to a worker at once.
        max_pixels: largest height times width of an image, or of a strip or tile that is larger;
            0 switches the limit off.
        max_bands: most bands of an image, and most pages of a file; 0 switches the limit off.
        max_expansion: most decoded bytes for each byte of a file, three for each pixel at least,
            where they are more than 64 MiB: deflate cannot reach 1,032, so what declares more
            is a bomb, or empty. 0 switches the limit off.
        timeout: most seconds that a worker may take for an image; None: as many as it takes.
            For worker processes of asyncrgb's own only.
        worker_memory: bytes that each worker process may allocate for its images, besides what
            it starts with; None: its share of the memory that this process may use; 0: any
            number.
        nice: how far worker processes of asyncrgb's own stand back behind others, as ``nice``
            counts it: 0 to 19. With 10, an event loop that answers others while images are
            converted is kept waiting less; but where others keep all processors busy, workers
            take several times as long.
        shards: event loops that share the work, each in a process of its own with its part of
            the workers, reads, writes and memory: for machines where one loop cannot feed all
            workers. Not with an executor.

    Raises:
        OptionsError: a value cannot be used; the message says what can.

    """

    workers: int | None = None
    reads: int = 64
    writes: int = 64
    memory: int = 128 * 2**20
    batch: int = 128
    max_pixels: int = 2**28
    max_bands: int = 4096
    max_expansion: int = 1100
    timeout: float | None = None
    worker_memory: int | None = None
    nice: int = 1
    shards: int = 1

    def __post_init__(self) -> None:
        for name in ("workers", "reads", "writes", "batch", "shards"):
            value = getattr(self, name)
            _check(
                (value is None and name == "workers")
                or (_is_whole(value) and 1 <= value <= _MAX_READS),
                f"{name} {value}: give a whole number from 1 to {_MAX_READS}",
            )
        _check(
            _is_whole(self.memory) and _MIN_MEMORY <= self.memory <= _MAX_MEMORY,
            f"memory {self.memory}: give {_MIN_MEMORY} bytes (1M) or more, up to {_MAX_MEMORY}",
        )
        self._check_workers()
        for name in ("max_pixels", "max_bands", "max_expansion"):
            value = getattr(self, name)
            _check(
                _is_whole(value) and value >= 0,
                f"{name} {value}: give a whole number, or 0 for no limit",
            )

    def _check_workers(self) -> None:
        _check(
            self.timeout is None
            or (_is_number(self.timeout) and _SHORTEST <= self.timeout <= _LONGEST),
            f"timeout {self.timeout}: give a number of seconds from {_SHORTEST} to {_LONGEST}",
        )
        _check(
            _is_whole(self.nice) and 0 <= self.nice <= _NICEST,
            f"nice {self.nice}: give a whole number from 0 to {_NICEST}",
        )
        _check(
            self.worker_memory is None
            or (
                _is_whole(self.worker_memory)
                and (self.worker_memory >= _MIN_MEMORY or self.worker_memory == 0)
            ),
            f"worker memory {self.worker_memory}: give {_MIN_MEMORY} bytes (1M) or more, "
            "or 0 for no limit",
        )

    @classmethod
    def from_file(cls, path: StrPath) -> Limits:
        """Read a settings file, as ``asyncrgb tune --save`` writes it.

        Args:
            path: of a TOML file with one table, ``[limits]``, whose keys are the names above;
                amounts of memory may be text such as "32M". What it does not name is as by
                default.

        Raises:
            OptionsError: it is no such file, names what there is not, or a value cannot be used.
            OSError: it cannot be read.

        """
        from asyncrgb.settings import read_limits  # noqa: PLC0415 - it opens files; this does not

        return read_limits(path)

    @property
    def worker_count(self) -> int:
        """Number of workers: ``workers``, or the processors this process may keep busy."""
        return self.workers or machine.processors()

    @property
    def share(self) -> int:
        """Bytes of the largest image that is handled whole, as a file and decoded.

        With twice as many as there are workers under way, and two more, ``memory`` is full.
        """
        fair = self.memory // (2 * (self.worker_count + 1))
        return max(fair, min(self.memory // 4, _SMALL))
