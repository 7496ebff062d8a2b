from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from asyncrgb import COMPOSITES, SENSORS, OptionsError
from asyncrgb.sensors import sensor


@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("eurosat", 13),
        ("sentinel2-l1c", 13),
        ("sentinel2-l2a", 12),
        ("landsat-c2-l2", 8),
        ("landsat-tm", 7),
        ("naip", 4),
        ("planet-4", 4),
        ("planet-8", 8),
    ],
)
def test_each_sensor_has_its_bands_and_each_name_means_one(name: str, bands: int) -> None:
    its = SENSORS[name]
    assert len(its.bands) == bands
    for number, names in enumerate(its.bands, start=1):
        for each in names:
            assert its.indexes(each, each.upper(), each.lower()) == (number,) * 3


@pytest.mark.parametrize(
    ("name", "true_colour"),
    [
        ("eurosat", (4, 3, 2)),
        ("sentinel2-l2a", (4, 3, 2)),
        ("landsat-c2-l2", (4, 3, 2)),
        ("landsat-tm", (3, 2, 1)),
        ("naip", (1, 2, 3)),
        ("planet-4", (3, 2, 1)),
        ("planet-8", (6, 4, 2)),
    ],
)
def test_every_sensor_has_true_and_false_colours(name: str, true_colour: tuple[int, ...]) -> None:
    its = SENSORS[name]
    assert its.composite("true-color") == its.indexes("red", "green", "blue") == true_colour
    assert its.composite("false-color")[1:] == its.indexes("red", "green")


def test_sentinel_2_in_its_three_orders() -> None:
    names = ("B8A", "B09", "B11")
    assert SENSORS["eurosat"].indexes(*names) == (13, 9, 11)
    assert SENSORS["sentinel2-l1c"].indexes(*names) == (9, 10, 12)
    assert SENSORS["sentinel2-l2a"].indexes(*names) == (9, 10, 11)
    assert SENSORS["eurosat"].composite("swir") == (12, 13, 4)


def test_the_order_of_eurosat_is_that_of_the_real_chips(eurosat_chips: tuple[bytes, ...]) -> None:
    pixels = np.stack([tifffile.imread(io.BytesIO(chip)) for chip in eurosat_chips]).astype(float)
    means = pixels.mean(axis=(0, 1, 2))
    its = SENSORS["eurosat"]
    (cirrus,) = its.indexes("cirrus")
    assert means.argmin() == cirrus - 1, "next to no light comes back in the cirrus band"
    plateau = its.indexes("rededge075", "rededge078", "nir", "nir08")
    distance = np.abs(pixels - pixels[..., [its.indexes("nir")[0] - 1]]).mean(axis=(0, 1, 2))
    assert {*(distance.argsort()[:4] + 1)} == {*plateau}, "the four bands on the bright plateau"


def test_what_is_unknown_is_answered_with_what_there_is() -> None:
    with pytest.raises(OptionsError, match=r"'sentinel2' is no sensor.*naip.*Did you mean sentine"):
        sensor("sentinel2")
    with pytest.raises(OptionsError, match=r"'gren' is no band of naip.*Did you mean green\?"):
        SENSORS["naip"].indexes("gren")
    with pytest.raises(OptionsError, match=r"'true-colour' is no.*Did you mean true-color"):
        SENSORS["naip"].composite("true-colour")
    with pytest.raises(OptionsError, match="'swir16' is no band of planet-4"):
        SENSORS["planet-4"].composite("agriculture")


def test_sentinel_2_has_every_composite() -> None:
    for name in COMPOSITES:
        assert len(SENSORS["sentinel2-l2a"].composite(name)) == 3
