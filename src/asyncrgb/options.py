"""What a user can ask for: frozen values that check themselves.

The defaults of the whole program are the defaults of these classes; the command line
reads them from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from asyncrgb import sensors
from asyncrgb.checks import check, is_name, is_number, is_whole, shown
from asyncrgb.errors import OptionsError
from asyncrgb.formats import FORMATS
from asyncrgb.stretches import FixedStretch, Stretch

if TYPE_CHECKING:
    from collections.abc import Mapping


Band: TypeAlias = int | str
Rounding: TypeAlias = Literal["down", "nearest"]
NoData: TypeAlias = float | Literal["auto", "none"]
Overview: TypeAlias = int | Literal["auto", "none"]

DEFAULT_BANDS: Final = (4, 3, 2)
_COUNTS: Final = (1, 3)  # of bands shown: grey, RGB
_DEPTHS: Final = (8, 16)
_COMPRESS_LEVEL: Final = 1
_MAX_COMPRESS_LEVEL: Final = 9
_MAX_QUALITY: Final = 100


def _check_bands(bands: object) -> None:
    if not isinstance(bands, tuple):
        raise OptionsError(f"bands {bands!r}: give a tuple, such as (4, 3, 2), or (1,) for grey")
    named = ",".join(map(str, bands))
    check(
        len(bands) in _COUNTS,
        f"bands {named}: give three bands, red, green and blue, such as 4,3,2, or one for grey",
    )
    check(
        all(is_name(band) or (is_whole(band) and band >= 1) for band in bands),
        f"bands {named}: bands are names, or whole numbers counted from 1, such as 4,3,2",
    )


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
            what is stored in up to 8 bits, unsigned, keeps its values. Of a palette it stretches
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
        check(
            self.sensor is None or isinstance(self.sensor, str),
            f"sensor {self.sensor!r}: choose one of {', '.join(sensors.SENSORS)}",
        )
        self.indexes  # noqa: B018 - names that the sensor does not know raise

    def _check_stretch(self) -> None:
        check(
            self.stretch is None or isinstance(self.stretch, Stretch),
            f"stretch {self.stretch!r}: give a FixedStretch, such as FixedStretch(0, 4000), "
            "or a PercentileStretch",
        )
        ranges = len(self.stretch.ranges) if isinstance(self.stretch, FixedStretch) else 1
        check(
            ranges in (1, len(self.bands or DEFAULT_BANDS)),
            f"scale: {ranges} ranges for {len(self.bands or DEFAULT_BANDS)} bands: "
            "give one, or one for each",
        )

    def _check_size(self) -> None:
        check(
            self.max_size is None or (is_whole(self.max_size) and self.max_size >= 1),
            f"max size {self.max_size!r}: give a whole number of pixels, 1 or more",
        )
        check(
            self.overview in ("auto", "none") or (is_whole(self.overview) and self.overview >= 0),  # type: ignore[operator] # a number by then
            f"overview {self.overview!r}: give auto, none, or a number, 0 for the first",
        )

    def _check_values(self) -> None:
        check(
            is_number(self.gamma) and self.gamma > 0,
            f"gamma {shown(self.gamma)}: give a number above 0, such as 1.4",
        )
        check(
            self.rounding in get_args(Rounding),
            f"rounding {self.rounding!r}: choose down or nearest",
        )
        check(is_number(self.offset), f"offset {shown(self.offset)}: give a finite number")
        check(
            self.nodata in ("auto", "none")
            or (isinstance(self.nodata, float) and not math.isfinite(self.nodata))
            or is_number(self.nodata),
            f"nodata {self.nodata!r}: give a number, nan, auto or none",
        )
        for name in ("unscale", "alpha", "worldfile"):
            value = getattr(self, name)
            check(isinstance(value, bool), f"{name} {value!r}: give True or False")

    def _check_format(self) -> None:
        check(
            isinstance(self.format, str) and self.format in FORMATS,
            f"format {self.format!r}: choose one of {', '.join(FORMATS)}",
        )
        check(
            self.quality is None or (is_whole(self.quality) and 1 <= self.quality <= _MAX_QUALITY),
            f"quality {self.quality}: give a whole number from 1 to {_MAX_QUALITY}",
        )
        check(
            self.quality is None or FORMATS[self.format].lossy,
            f"quality {self.quality}: {self.format} loses nothing, so it has no quality: leave it "
            "out, or choose format jpeg or webp",
        )
        check(
            is_whole(self.compress_level) and 0 <= self.compress_level <= _MAX_COMPRESS_LEVEL,
            f"compress level {self.compress_level}: give a whole number from 0 (stored) "
            f"to {_MAX_COMPRESS_LEVEL} (smallest)",
        )
        check(
            self.format != "jpeg" or self.compress_level == _COMPRESS_LEVEL,
            f"compress level {self.compress_level}: jpeg has none: give a quality, or leave it out",
        )

    def _check_samples(self) -> None:
        its = FORMATS[self.format]
        check(
            is_whole(self.bit_depth) and self.bit_depth in (_DEPTHS if its.deep else _DEPTHS[:1]),
            f"bit depth {self.bit_depth}: {self.format} can have "
            f"{'8 or 16' if its.deep else 'only 8'}",
        )
        check(
            its.alpha or not self.alpha,
            f"{self.format} cannot hold transparency: leave alpha out, or choose format png",
        )

    def _check_dst_range(self) -> None:
        most = 2**self.bit_depth - 1
        dst = self.dst_range
        check(
            dst is None
            or (
                isinstance(dst, tuple)
                and len(dst) == len(("low", "high"))
                and all(map(is_whole, dst))
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
