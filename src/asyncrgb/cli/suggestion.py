"""Which options give a sensible picture of a file, and what is worth knowing of it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.sensors import SENSORS
from asyncrgb.stretches import FixedStretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncrgb import BandDescription, Description

_RGB, _GREY = (1, 2, 3), (1,)
_PICTURE_BITS: Final = 8  # what is a picture already keeps its values up to here
_REFLECTANCE: Final = (0, 0.4)  # the default range, 0 to 4000, is this times 10,000
_BRIGHTEST: Final = (0.02, 1.6)  # between these are the brightest 2 % of any reflectances
_DARKEST: Final = -0.2
_BRIGHT: Final = 1 / 8  # of a range: the brightest 2 % should reach it
_CONTRAST: Final = 1 / 16  # of a range: the least that the values should fill
_MANY: Final = 0.01  # share of the pixels


class Suggestion(NamedTuple):
    """What to do with a file.

    Attributes:
        options: arguments of the command, after the names of the files.
        remarks: what is worth knowing besides, a sentence each.

    """

    options: tuple[str, ...]
    remarks: tuple[str, ...]


class _Choice(NamedTuple):
    """Bands to show, the options that choose them, and what is to be said of them."""

    bands: tuple[int, ...]
    options: tuple[str, ...] = ()
    remark: str = ""
    as_is: bool = False


class _Values(NamedTuple):
    """What the values of the bands that are shown are, taken together."""

    minimum: float
    low: float  # the least 2nd percentile
    middle: float  # the mean of the medians
    high: float  # the largest 98th percentile
    maximum: float


def suggest(found: Description) -> Suggestion:
    """Find options that give a sensible picture of a file."""
    choice = _choice(found)
    shown = [found.bands[band - 1] for band in choice.bands]
    seen = [band for band in shown if band.valid]
    zeros = _has_zeros(found)
    remarks = (
        choice.remark,
        _emptiness(found, seen),
        _zero_remark(found, given=not choice.as_is) if zeros else "",
        _transparency(found),
    )
    return Suggestion(
        (
            *choice.options,
            *(_stretch(found, choice, seen) if seen else ()),
            *(("--nodata", "0") if zeros and not choice.as_is else ()),
        ),
        tuple(filter(None, remarks)),
    )


# Which bands.


def _choice(found: Description) -> _Choice:
    if found.shown is not None and found.shown.as_is:
        return _Choice(found.shown.bands, as_is=True)
    named = [guess.name for guess in found.sensors if guess.reason == "order"]
    if named:
        return _of_sensor(named[0])
    if found.described is not None:
        return _Choice(found.described, _band_options(found.described))
    unsure = found.shown is None or found.shown.guessed
    if unsure and found.storage.photometric == "rgb" and len(found.bands) >= len(_RGB):
        return _Choice(_RGB, _band_options(_RGB), "the file declares its first bands as RGB")
    return _by_count(found)


def _by_count(found: Description) -> _Choice:
    count = len(found.bands) - (found.alpha is not None)
    if found.shown is None or found.alpha in found.shown.bands:
        bands = _RGB if count >= len(_RGB) else _GREY
        told = f"nothing tells which bands to show: {','.join(map(str, bands))} is a guess"
        return _Choice(bands, _band_options(bands), told)
    if not found.shown.guessed:
        return _Choice(found.shown.bands)
    name = _only_one(found)
    if name is not None:
        told = f"{count} bands are taken for those of {name}; if they are not, choose --bands"
        return _of_sensor(name)._replace(remark=told)
    return _Choice(found.shown.bands, remark=_guess(found, found.shown.bands))


def _only_one(found: Description) -> str | None:
    """Name the sensor that the image may be of, if there is no other."""
    return found.sensors[0].name if len(found.sensors) == 1 else None


def _of_sensor(name: str) -> _Choice:
    return _Choice(SENSORS[name].composite("true-color"), ("--sensor", name))


def _band_options(bands: Sequence[int]) -> tuple[str, str]:
    return "--bands", ",".join(map(str, bands))


def _guess(found: Description, bands: Sequence[int]) -> str:
    shown = ",".join(map(str, bands))
    ways = " or ".join(f"--sensor {guess.name}" for guess in found.sensors)
    remedy = f"give {ways}, or the right --bands" if ways else "give the right --bands"
    return f"that bands {shown} are red, green and blue is a guess: {remedy}"


# Which values become black and full intensity.


def _stretch(
    found: Description, choice: _Choice, seen: Sequence[BandDescription]
) -> tuple[str, ...]:
    """Choose a range of values where the default does not suit them."""
    values = _values(seen)
    if found.palette is not None or values.minimum == values.maximum:
        return ()
    small = found.bits <= _PICTURE_BITS and found.dtype in ("uint8", "bool")
    default = FixedStretch().ranges[0]
    usual = (0.0, 2.0**found.bits - 1) if small else default
    if _suits(usual, values):
        return ()
    if _declares_reflectances(seen):
        return "--unscale", *_scale(_REFLECTANCE)
    plausible = _are_reflectances(values) and _suits(_REFLECTANCE, values)
    if found.dtype.startswith("float") and not choice.as_is and plausible:
        return _scale(_REFLECTANCE)
    if all(band.p2 == band.p98 for band in seen):
        return ("--minmax",)
    joint = ("--joint",) if choice.as_is and len(choice.bands) > 1 else ()
    return ("--percentile", "2", "98", *joint)


def _scale(ends: Sequence[float]) -> tuple[str, ...]:
    return "--scale", *(f"{end:g}" for end in ends)


def _suits(ends: tuple[float, float], values: _Values) -> bool:
    """Tell whether a range gives a picture that is neither dark nor white nor flat."""
    low, high = ends
    span = high - low
    bright = values.high >= low + span * _BRIGHT
    return bright and values.middle <= high and values.high - values.low >= span * _CONTRAST


def _declares_reflectances(seen: Sequence[BandDescription]) -> bool:
    """Tell whether values are reflectances once scale and offset are applied."""
    declared = all((band.scale, band.offset) != (1, 0) for band in seen)
    return declared and _are_reflectances(_values(seen, unscale=True))


def _are_reflectances(values: _Values) -> bool:
    return values.low >= _DARKEST and _BRIGHTEST[0] <= values.high <= _BRIGHTEST[1]


def _values(seen: Sequence[BandDescription], *, unscale: bool = False) -> _Values:
    rows = [_summary(band, unscale=unscale) for band in seen]
    minima, lows, middles, highs, maxima = zip(*rows, strict=True)
    return _Values(min(minima), min(lows), sum(middles) / len(rows), max(highs), max(maxima))


def _summary(band: BandDescription, *, unscale: bool) -> list[float]:
    numbers = (band.minimum, band.p2, band.p50, band.p98, band.maximum)
    scale, offset = (band.scale, band.offset) if unscale else (1, 0)
    return sorted(number * scale + offset for number in numbers if number is not None)


# What is no data.


def _emptiness(found: Description, seen: Sequence[BandDescription]) -> str:
    if not seen:
        return f"the bands that are shown have no data{_absence(found)}"
    values = _values(seen)
    if values.minimum == values.maximum:
        return f"all values that are shown are {values.minimum:g}"
    return ""


def _absence(found: Description) -> str:
    """Say what to do if they should have; NaN cannot be made to count."""
    if found.storage.masks:
        return ": if the mask in the file is wrong, add --nodata none"
    if found.nodata is None or not isfinite(found.nodata):
        return ", only NaN or infinite values"
    return f": if {found.nodata:g} is data, add --nodata none"


def _has_zeros(found: Description) -> bool:
    """Tell whether so many pixels are 0 that it looks like no data, which nothing says."""
    declared = found.nodata is not None or found.storage.masks or found.alpha is not None
    codes = found.palette is not None or found.bits == 1
    return not declared and not codes and _MANY <= found.zeros < 1


def _zero_remark(found: Description, *, given: bool) -> str:
    bands = " in all bands" if len(found.bands) > 1 else ""
    share = f"{found.zeros:.0%} of the pixels are 0{bands}"
    if given:
        return f"{share}, which is taken for no data; --alpha makes them transparent"
    return f"{share}: if that stands for no data, add --nodata 0"


def _transparency(found: Description) -> str:
    if found.alpha is None:
        return ""
    return f"band {found.alpha} is transparency: --alpha keeps it"
