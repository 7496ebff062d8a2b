"""Band orders of known sensors: what "red" or "B04" is in a file of theirs.

Common names are those of the electro-optical extension of STAC
(https://github.com/stac-extensions/eo); a sensor's own names are those of its products:

- Sentinel-2: the L1C and L2A product specification; L2A has no B10.
- eurosat: Sentinel-2 L1C as in the EuroSAT files, where B8A comes last (Helber et al., 2019;
  the files' own spectra show it).
- landsat-c2-l2: USGS, Landsat 8-9 Collection 2 Level 2 science product guide; landsat-tm:
  the same for Landsat 4-7, whose thermal band comes last.
- naip: USDA, National Agriculture Imagery Program, four bands.
- planet-4, planet-8: Planet, PlanetScope asset band order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Sensor:
    """The bands of a file, in order.

    Attributes:
        name: what ``--sensor`` calls it.
        bands: the sensor's own name and the common name of each band; band 1 comes first.
        optional: how many of the last ones files often lack: those of surface temperature.

    """

    name: str
    bands: tuple[tuple[str, str], ...]
    optional: int = 0

    def has(self, count: int) -> bool:
        """Tell whether a file of so many bands can be one of its."""
        return len(self.bands) - self.optional <= count <= len(self.bands)

    def indexes(self, *bands: str) -> tuple[int, ...]:
        """Give the numbers, from 1, of bands named either way; as ``RenderOptions`` takes them.

        Raises:
            OptionsError: the sensor has no such band; the message lists those it has.

        """
        return tuple(map(self._index, bands))

    def composite(self, name: str) -> tuple[int, ...]:
        """Give the bands, from 1, that a composite shows as red, green and blue.

        Raises:
            OptionsError: there is no such composite, or the sensor lacks a band of it.

        """
        return self.indexes(*self.composite_names(name))

    def composite_names(self, name: str) -> tuple[str, ...]:
        """Give the common names of the bands of a composite; as ``composite``."""
        if name not in COMPOSITES:
            raise OptionsError(_unknown("composite", name, COMPOSITES))
        has = {common for _, common in self.bands}
        names = [next((c for c in each if c in has), each[0]) for each in COMPOSITES[name]]
        self.indexes(*names)
        return tuple(names)

    def _index(self, band: str) -> int:
        wanted = without_zeros(band)
        for number, names in enumerate(self.bands, start=1):
            if wanted in map(without_zeros, names):
                return number
        known = [name for names in self.bands for name in names]
        raise OptionsError(_unknown(f"band of {self.name}", band, known))


def without_zeros(name: str) -> str:
    """Give a name as it is compared: B8 is B08, and not B8A."""
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", name.lower())


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that there is no ``name``, what there is, and what may have been meant."""
    known = list(dict.fromkeys(known))
    lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower(), lower, n=1)
    hint = f" Did you mean {lower[close[0]]}?" if close else ""
    return f"{name!r} is no {kind}: there are {', '.join(known)}.{hint}"


_SENTINEL_2: Final = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge071",
    "B06": "rededge075",
    "B07": "rededge078",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}
_LANDSAT_8: Final = {
    "SR_B1": "coastal",
    "SR_B2": "blue",
    "SR_B3": "green",
    "SR_B4": "red",
    "SR_B5": "nir08",
    "SR_B6": "swir16",
    "SR_B7": "swir22",
    "ST_B10": "lwir11",
}
_LANDSAT_TM: Final = {
    "SR_B1": "blue",
    "SR_B2": "green",
    "SR_B3": "red",
    "SR_B4": "nir08",
    "SR_B5": "swir16",
    "SR_B7": "swir22",
    "ST_B6": "lwir",
}
_PLANET_8: Final = {
    "coastal_blue": "coastal",
    "blue": "blue",
    "green_i": "green05",
    "green": "green",
    "yellow": "yellow",
    "red": "red",
    "rededge": "rededge071",
    "nir": "nir08",
}


def _sensor(name: str, names: Mapping[str, str], order: Iterable[str] | None = None) -> Sensor:
    bands = tuple((own, names[own]) for own in order or names)
    return Sensor(name, bands, sum(own.startswith("ST_") for own, _ in bands))


def _alike(name: str, *bands: str) -> Sensor:
    return Sensor(name, tuple((band, band) for band in bands))


SENSORS: Final[Mapping[str, Sensor]] = {
    sensor.name: sensor
    for sensor in (
        _sensor("eurosat", _SENTINEL_2, [*(b for b in _SENTINEL_2 if b != "B8A"), "B8A"]),
        _sensor("sentinel2-l1c", _SENTINEL_2),
        _sensor("sentinel2-l2a", _SENTINEL_2, [b for b in _SENTINEL_2 if b != "B10"]),
        _sensor("landsat-c2-l2", _LANDSAT_8),
        _sensor("landsat-tm", _LANDSAT_TM),
        _alike("naip", "red", "green", "blue", "nir"),
        _alike("planet-4", "blue", "green", "red", "nir"),
        _sensor("planet-8", _PLANET_8),
    )
}

# Red, green and blue of each composite, by common names; the first that a sensor has counts.
COMPOSITES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "true-color": (("red",), ("green",), ("blue",)),
    "false-color": (("nir", "nir08"), ("red",), ("green",)),
    "swir": (("swir22",), ("nir08", "nir"), ("red",)),
    "agriculture": (("swir16",), ("nir", "nir08"), ("blue",)),
    "geology": (("swir22",), ("swir16",), ("blue",)),
    "urban": (("swir22",), ("swir16",), ("red",)),
}


def sensor(name: str) -> Sensor:
    """Look a sensor up.

    Raises:
        OptionsError: there is none of that name; the message lists those there are.

    """
    if name not in SENSORS:
        raise OptionsError(_unknown("sensor", name, SENSORS))
    return SENSORS[name]
