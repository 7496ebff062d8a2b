"""Which bands of an image are shown.

Those that were asked for, by number or by name. What a sensor calls its bands goes for images
with as many bands as it has; in others only the file itself can tell. Where none were asked for,
an image that is a picture already is shown as what it is: a palette in its colours, one band in
grey, three as red, green and blue, a fourth that the file declares as transparency left out, and
the first three of more if the file declares these as RGB.
Every other image is taken for one of a sensor that begins with coastal, blue, green, red, as
Sentinel-2 and Landsat 8 do; but for 13 bands this is a guess, which is said.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.errors import BandError
from asyncrgb.options import DEFAULT_BANDS
from asyncrgb.sensors import COMPOSITES, SENSORS, without_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncrgb.imaging.reading.layout import Form
    from asyncrgb.imaging.reading.tiff import Image
    from asyncrgb.options import RenderOptions
    from asyncrgb.sensors import Sensor

_GREY, _RGB, _RGBA = 1, 3, 4  # bands of a picture
_TRUE_COLOURS: Final = tuple(names[0] for names in COMPOSITES["true-color"])
_UNMISTAKABLE: Final = 13  # bands of Sentinel-2 L1C and EuroSAT


class Choice(NamedTuple):
    """The bands of an image that are shown.

    Attributes:
        bands: their numbers, from 1, as red, green and blue, or as grey.
        as_is: whether the image is a picture already.
        guessed: whether nobody said which bands are red, green and blue.

    """

    bands: tuple[int, ...]
    as_is: bool = False
    guessed: bool = False


def choose(image: Image, options: RenderOptions) -> Choice:
    """Choose the bands of ``image`` to show.

    Raises:
        BandError: it lacks a band that was asked for; or none was asked for, and the image
            does not tell which to show; or bands were asked for as a sensor calls them that
            has another number of bands.
        DecodeError: names were asked for, and the descriptions of its bands are damaged.

    """
    choice = _asked(image, options)
    count = image.form.bands
    if max(choice.bands) > count:
        raise BandError(
            f"band {max(choice.bands)} was asked for, but the image has {count}: "
            f"choose bands from 1 to {count}"
        )
    return choice


def are_described(form: Form, options: RenderOptions) -> bool:
    """Tell whether only what a file says of its bands tells which of them were asked for."""
    bands = options.bands
    if options.sensor is None:
        return bands is not None and options.indexes is None
    named = bands is None or any(isinstance(band, str) for band in bands)
    return named and not _may_be(SENSORS[options.sensor], form)


def _asked(image: Image, options: RenderOptions) -> Choice:
    if options.bands is None and options.sensor is None:
        return _unasked(image)
    numbers = None if are_described(image.form, options) else options.indexes
    return Choice(numbers or _named(image, options))


def _may_be(sensor: Sensor, form: Form) -> bool:
    """Tell whether an image has the bands of a sensor; what it declares as alpha may be one."""
    return sensor.has(form.bands) or (form.alpha is not None and sensor.has(form.bands - 1))


def _unasked(image: Image) -> Choice:
    form = image.form
    if form.colours == "other":
        raise BandError(
            f"{form.bands} bands whose colours are neither grey nor RGB nor a palette, but "
            "CMYK, YCbCr, CIELab or the like: convert them to RGB, or name the bands to show "
            "as they are (--bands)"
        )
    if image.palette is not None:
        return Choice((1,), as_is=True)
    shown = form.bands - (form.alpha is not None and form.alpha == form.bands)
    if shown == _GREY:
        return Choice((1,), as_is=True)
    if form.bands == _RGB or (form.alpha == _RGBA and shown == _RGB) or _says_rgb(form):
        return Choice((1, 2, 3), as_is=True)
    if form.bands >= max(DEFAULT_BANDS):
        return Choice(DEFAULT_BANDS, guessed=shown != _UNMISTAKABLE)
    raise BandError(
        f"{form.bands} bands, and nothing that says which to show as red, green and blue: "
        "name three bands, or one to see it in grey (--bands)"
    )


def _says_rgb(form: Form) -> bool:
    """Tell whether a file declares its first bands as red, green and blue, whatever comes after."""
    return form.colours == "rgb" and form.bands != _UNMISTAKABLE


# Bands by name, as the file itself describes them.


def _named(image: Image, options: RenderOptions) -> tuple[int, ...]:
    descriptions = image.details().descriptions
    if options.sensor is None:
        find = partial(_described, descriptions=descriptions)
    else:
        its = SENSORS[options.sensor]
        find = partial(_of_sensor, descriptions=descriptions, sensor=its, form=image.form)
    bands = options.bands or _TRUE_COLOURS
    return tuple(band if isinstance(band, int) else find(band) for band in bands)


def _described(name: str, descriptions: Mapping[int, str]) -> int:
    """Find the band that is described as ``name``, or as what known sensors call it.

    The whole description counts first, then its first word, then the other names of the band.
    """
    found = _found(name, descriptions, _synonyms(name, descriptions))
    if len(found) == 1:
        return found[0]
    what = "several bands are" if found else "no band is"
    shown = ", ".join(f"{band} ({text})" for band, text in descriptions.items()) or "none"
    hint = "" if found else _hint(name, descriptions)
    raise BandError(
        f"{what} described as {name!r}; described are: {shown}: {hint}"
        "name the --sensor, or choose bands by number"
    )


def _found(name: str, descriptions: Mapping[int, str], synonyms: set[str]) -> list[int]:
    found = _bands_in({_whole(name)}, descriptions, _whole)
    found = found or _bands_in({plain(name)}, descriptions, plain)
    return found or _bands_in(synonyms, descriptions, plain)


def _of_sensor(name: str, descriptions: Mapping[int, str], sensor: Sensor, form: Form) -> int:
    """Find the band that is described as ``name``, or as what ``sensor`` calls it besides."""
    both = sensor.bands[sensor.indexes(name)[0] - 1]
    found = _found(name, descriptions, {plain(each) for each in both})
    if len(found) == 1:
        return found[0]
    others = [each.name for each in SENSORS.values() if _may_be(each, form)]
    which = f" ({' or '.join(others)})" if others else ""
    raise BandError(
        f"{sensor.name} has {len(sensor.bands)} bands and the image has {form.bands}, whose "
        f"descriptions do not tell which is {name!r}: choose bands by number, or another "
        f"--sensor{which}"
    )


def _hint(name: str, descriptions: Mapping[int, str]) -> str:
    """Say which description may have been meant."""
    texts = {_whole(text): text for text in descriptions.values()}
    close = get_close_matches(_whole(name), texts, n=1)
    return f"did you mean {texts[close[0]]}? Else " if close else ""


def _bands_in(
    names: set[str], descriptions: Mapping[int, str], form: Callable[[str], str]
) -> list[int]:
    return [band for band, text in descriptions.items() if form(text) in names]


def _synonyms(name: str, descriptions: Mapping[int, str]) -> set[str]:
    """Give the other names of a band, by the sensors that have all bands that are described."""
    known = {plain(text) for text in descriptions.values()}
    synonyms = set()
    for sensor in SENSORS.values():
        names = [{plain(own), plain(common)} for own, common in sensor.bands]
        if known and known <= set().union(*names):
            synonyms |= {each for both in names if plain(name) in both for each in both}
    return synonyms


def _whole(name: str) -> str:
    return name.strip().lower()


def plain(name: str) -> str:
    """Leave out what does not tell bands apart: case, leading zeros, all after the first word."""
    first = re.split(r"[\s,;:(]", _whole(name), maxsplit=1)[0]
    return without_zeros(first)
