"""Which bands of an image are shown.

Those that were asked for, by number or by name. Where none were, an image that is a picture
already is shown as what it is: a palette in its colours, one band in grey, three as red, green
and blue, a fourth that the file declares as transparency left out. Every other image is taken
for one of a sensor that begins with coastal, blue, green, red, as Sentinel-2 and Landsat 8 do;
with 4 to 12 bands this is a guess, which is said.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.errors import BandError
from asyncrgb.options import DEFAULT_BANDS
from asyncrgb.sensors import SENSORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncrgb.imaging.tiff import Image
    from asyncrgb.options import RenderOptions

_GREY, _RGB, _RGBA = 1, 3, 4  # bands of a picture
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
            does not tell which to show.
        DecodeError: names were asked for, and the descriptions of its bands are damaged.

    """
    wanted = options.indexes
    if wanted is None and options.bands is None:
        return _unasked(image)
    bands = wanted or _named(image, options)
    count = image.form.bands
    if max(bands) > count:
        raise BandError(
            f"band {max(bands)} was asked for, but the image has {count}: "
            f"choose bands from 1 to {count}"
        )
    return Choice(bands)


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
    if form.bands == _RGB or (form.alpha == _RGBA and (shown == _RGB or form.colours == "rgb")):
        return Choice((1, 2, 3), as_is=True)
    if form.bands >= max(DEFAULT_BANDS):
        return Choice(DEFAULT_BANDS, guessed=form.bands < _UNMISTAKABLE)
    raise BandError(
        f"{form.bands} bands, and nothing that says which to show as red, green and blue: "
        "name three bands, or one to see it in grey (--bands)"
    )


# Bands by name, as the file itself describes them.


def _named(image: Image, options: RenderOptions) -> tuple[int, ...]:
    descriptions = image.details().descriptions
    bands = options.bands or ()
    return tuple(b if isinstance(b, int) else _described(b, descriptions) for b in bands)


def _described(name: str, descriptions: Mapping[int, str]) -> int:
    """Find the band that is described as ``name``, or as what known sensors call it.

    The whole description counts first, then its first word, then the other names of the band.
    """
    found = _bands_in({_whole(name)}, descriptions, _whole)
    found = found or _bands_in({plain(name)}, descriptions, plain)
    found = found or _bands_in(_synonyms(name, descriptions), descriptions, plain)
    if len(found) == 1:
        return found[0]
    what = "several bands are" if found else "no band is"
    shown = ", ".join(f"{band} ({text})" for band, text in descriptions.items()) or "none"
    hint = "" if found else _hint(name, descriptions)
    raise BandError(
        f"{what} described as {name!r}; described are: {shown}: {hint}"
        "name the --sensor, or choose bands by number"
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
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", first)
