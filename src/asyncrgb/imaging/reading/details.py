"""What a TIFF says of its bands besides their pixels: GDAL's metadata, and where it lies.

Needed only where bands are asked for by name, values are to be unscaled, or a picture is to
keep its transparency or its place on earth; reading it takes longer than rendering a chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree  # noqa: ICN001 - its name says what it is

from asyncrgb.imaging.reading import georeference
from asyncrgb.imaging.reading.georeference import Georeference

if TYPE_CHECKING:
    from collections.abc import Mapping

_GDAL_METADATA: Final = 42112
_LONGEST_NUMBER: Final = 9  # digits of that of a band
_EXTRA_SAMPLES: Final = 338
_ASSOCIATED, _UNASSOCIATED = 1, 2  # its values for alpha
TAGS: Final = (_EXTRA_SAMPLES, _GDAL_METADATA, *georeference.TAGS)
"""Numbers of the tags that details are read from."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of an image and its bands.

    Attributes:
        descriptions: of bands, by number from 1; those that have one.
        scales, offsets: of bands, by number from 1; a band's physical values are
            ``value * scale + offset``, 1 and 0 where nothing is said.
        georeference: where the image lies, if it says so.
        multiplied: whether colours have been multiplied by alpha ("associated", premultiplied).

    """

    descriptions: Mapping[int, str]
    scales: Mapping[int, float]
    offsets: Mapping[int, float]
    georeference: Georeference | None
    multiplied: bool = False


def find(tags: Mapping[int, Any]) -> Details:
    """Read the details from the tags (number → value) of a page; what is damaged is absent."""
    items = _items(tags.get(_GDAL_METADATA))
    return Details(
        descriptions=_by_band(items, "description"),
        scales=_floats(_by_band(items, "scale")),
        offsets=_floats(_by_band(items, "offset")),
        georeference=Georeference.from_tags(tags),
        multiplied=_is_associated(tags.get(_EXTRA_SAMPLES)),
    )


def _is_associated(extra_samples: object) -> bool:
    """Tell what the first of the extra samples that is alpha says of the colours."""
    kinds = extra_samples if isinstance(extra_samples, tuple) else (extra_samples,)
    alphas = (kind for kind in kinds if kind in (_ASSOCIATED, _UNASSOCIATED))
    return next(alphas, None) == _ASSOCIATED


def _items(text: object) -> list[ElementTree.Element]:
    """Parse GDAL_METADATA, which is XML without any entities of its own."""
    if not isinstance(text, str) or "<!" in text:
        return []
    try:
        return ElementTree.fromstring(text).findall("Item")  # noqa: S314 - no entities, see above
    except ElementTree.ParseError:
        return []


def _by_band(items: list[ElementTree.Element], role: str) -> dict[int, str]:
    """Collect what items of ``role`` say; they count bands (samples) from 0."""
    return {
        int(item.get("sample", "")) + 1: (item.text or "").strip()
        for item in items
        if item.get("role") == role and _is_number(item.get("sample", ""))
    }


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _LONGEST_NUMBER


def _floats(texts: Mapping[int, str]) -> dict[int, float]:
    values = {}
    for band, text in texts.items():
        try:
            value = float(text)
        except ValueError:  # damaged, so absent
            continue
        if isfinite(value):
            values[band] = value
    return values
