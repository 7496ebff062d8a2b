"""Which bands are shown: those asked for, by number or name, or those that the file suggests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from asyncrgb.errors import BandError
from asyncrgb.imaging.bands import Choice, choose
from asyncrgb.imaging.reading import tiff
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.sensors import SENSORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Write = Callable[..., bytes]

UNASSOCIATED: Final = 2  # of ExtraSamples: alpha
COLOUR_MAP: Final = np.arange(3 * 256, dtype="u2").reshape(3, 256) * 85


def chosen(data: bytes, **options: Any) -> Choice:  # noqa: ANN401 - of RenderOptions
    image = tiff.find_image(memoryview(data), Limits())
    return choose(image, RenderOptions(**options))


def described(write_tiff: Write, *names: str, count: int | None = None) -> bytes:
    """Write a file whose bands GDAL would describe as ``names``."""
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        for i, name in enumerate(names)
        if name
    )
    text = f"<GDALMetadata>{items}</GDALMetadata>"
    pixels = np.zeros((4, 4, count or len(names)), "u2")
    return write_tiff(pixels, extratags=[(42112, 2, len(text) + 1, text, True)])


@pytest.mark.parametrize(
    ("bands", "options", "choice"),
    [
        (1, {}, Choice((1,), as_is=True)),
        (1, {"photometric": "miniswhite"}, Choice((1,), as_is=True)),
        (1, {"photometric": "palette", "colormap": COLOUR_MAP}, Choice((1,), as_is=True)),
        (2, {"extrasamples": [UNASSOCIATED]}, Choice((1,), as_is=True)),
        (3, {}, Choice((1, 2, 3), as_is=True)),
        (3, {"photometric": "rgb"}, Choice((1, 2, 3), as_is=True)),
        (4, {"photometric": "rgb", "extrasamples": [UNASSOCIATED]}, Choice((1, 2, 3), as_is=True)),
        (4, {"extrasamples": [0, 0, UNASSOCIATED]}, Choice((1, 2, 3), as_is=True)),
        (
            5,
            {"photometric": "rgb", "extrasamples": [UNASSOCIATED, 0]},
            Choice((1, 2, 3), as_is=True),
        ),
        (4, {"photometric": "rgb", "extrasamples": [0]}, Choice((1, 2, 3), as_is=True)),
        (8, {"photometric": "rgb", "extrasamples": [0] * 5}, Choice((1, 2, 3), as_is=True)),
        (13, {"photometric": "rgb", "extrasamples": [0] * 10}, Choice((4, 3, 2))),
        (4, {}, Choice((4, 3, 2), guessed=True)),
        (12, {}, Choice((4, 3, 2), guessed=True)),
        (13, {}, Choice((4, 3, 2))),
        (14, {"extrasamples": [0] * 12 + [UNASSOCIATED]}, Choice((4, 3, 2))),
        (200, {}, Choice((4, 3, 2), guessed=True)),
        (13, {"extrasamples": [0] * 11 + [UNASSOCIATED]}, Choice((4, 3, 2), guessed=True)),
    ],
    ids=str,
)
def test_where_no_bands_are_named_the_image_decides(
    write_tiff: Write, bands: int, options: dict[str, Any], choice: Choice
) -> None:
    data = write_tiff(np.zeros((4, 4, bands), "u1"), **options)

    assert chosen(data) == choice


@pytest.mark.parametrize(
    ("bands", "options", "said"),
    [
        (2, {}, "2 bands, and nothing that says .*--bands"),
        (3, {"extrasamples": [0, UNASSOCIATED]}, None),
        (4, {"photometric": "separated"}, "4 bands whose colours .* CMYK.*--bands"),
        (3, {"photometric": "cielab"}, "3 bands whose colours .* CIELab.*--bands"),
        (5, {"photometric": "separated", "extrasamples": [0]}, "CMYK"),
    ],
    ids=str,
)
def test_where_nothing_tells_the_way_out_is_told(
    write_tiff: Write, bands: int, options: dict[str, Any], said: str | None
) -> None:
    data = write_tiff(np.zeros((4, 4, bands), "u1"), **options)

    if said is None:
        assert chosen(data).bands == (1, 2, 3)
        return
    with pytest.raises(BandError, match=said):
        chosen(data)
    assert chosen(data, bands=(2,)) == Choice((2,))


def test_raw_ycbcr_is_not_taken_for_rgb(handmade_tiff: Write) -> None:
    data = handmade_tiff(np.zeros((4, 4, 3), "u1"), tags={262: ("H", [6]), 530: ("H", [1, 1])})

    with pytest.raises(BandError, match="YCbCr"):
        chosen(data)


def test_bands_that_are_named_are_no_picture_as_it_is(write_tiff: Write) -> None:
    rgb = write_tiff(np.zeros((4, 4, 3), "u1"), photometric="rgb")

    assert chosen(rgb, bands=(1, 2, 3)) == Choice((1, 2, 3))


@pytest.mark.parametrize("options", [{"bands": (14, 1, 1)}, {"bands": (14,)}])
def test_a_band_that_is_not_there_is_named(write_tiff: Write, options: dict[str, Any]) -> None:
    data = write_tiff(np.zeros((4, 4, 13), "u1"))

    with pytest.raises(BandError, match=r"band 14 .* has 13: .* 1 to 13"):
        chosen(data, **options)


NAMES: Final = ("red", "green", "blue")


@pytest.mark.parametrize("asked", [None, NAMES, ("red",), (1, "red", 2)])
@pytest.mark.parametrize(
    ("sensor", "count", "said"),
    [
        (
            "sentinel2-l2a",
            4,
            r"l2a has 12 bands and .* has 4,.*'red': .*number, .* \(naip or plane",
        ),
        ("naip", 3, r"^naip has 4 bands and the image has 3, .* choose .* another --sensor$"),
        ("landsat-c2-l2", 9, r"has 8 bands and the image has 9, .* or another --sensor$"),
        ("landsat-tm", 12, r"has 7 bands and the image has 12, .* --sensor \(sentinel2-l2a\)$"),
    ],
)
def test_names_of_a_sensor_do_not_go_for_another_number_of_bands(
    write_tiff: Write, sensor: str, count: int, said: str, asked: tuple[str | int, ...] | None
) -> None:
    """They would show other bands, and nobody would know."""
    data = write_tiff(np.zeros((4, 4, count), "u1"), photometric="minisblack")

    with pytest.raises(BandError, match=said):
        chosen(data, sensor=sensor, bands=asked)
    assert chosen(data, sensor=sensor, bands=(3, 2, 1)) == Choice((3, 2, 1))
    assert chosen(data, sensor=sensor, bands=(2,)) == Choice((2,))


def test_names_of_a_sensor_go_for_its_number_of_bands(write_tiff: Write) -> None:
    data = write_tiff(np.zeros((4, 4, 12), "u1"))

    assert chosen(data, sensor="sentinel2-l2a") == Choice((4, 3, 2))
    assert chosen(data, sensor="sentinel2-l2a", bands=("swir16", 1, "B8A")) == Choice((11, 1, 9))


@pytest.mark.parametrize("sensor", ["naip", "planet-4", "landsat-tm"])
def test_alpha_may_be_a_band_of_the_sensor_or_not(write_tiff: Write, sensor: str) -> None:
    count = len(SENSORS[sensor].bands)
    alpha = {"photometric": "rgb", "extrasamples": [0] * (count - 4) + [UNASSOCIATED]}
    inside = write_tiff(np.zeros((4, 4, count), "u1"), **alpha)
    alpha["extrasamples"] = [0, *alpha["extrasamples"]]
    besides = write_tiff(np.zeros((4, 4, count + 1), "u1"), **alpha)

    expected = Choice(SENSORS[sensor].composite("true-color"))
    assert chosen(inside, sensor=sensor) == chosen(besides, sensor=sensor) == expected


@pytest.mark.parametrize(
    ("names", "sensor", "asked", "bands"),
    [
        (("B02", "B03", "B04", "B08"), "sentinel2-l2a", None, (3, 2, 1)),
        (("B02", "B03", "B04", "B08"), "sentinel2-l2a", ("nir", "B04", 2), (4, 3, 2)),
        (("B4 (665 nm)", "B3", "B2", "SCL"), "sentinel2-l2a", NAMES, (1, 2, 3)),
        (("SR_B4", "QA_PIXEL", "SR_B3", "SR_B2"), "landsat-c2-l2", None, (1, 3, 4)),
        (("Blue", "Red", "NDVI"), "naip", ("red", "blue", "blue"), (2, 1, 1)),
    ],
    ids=str,
)
def test_what_the_file_describes_counts_in_another_number_of_bands(
    write_tiff: Write,
    names: Sequence[str],
    sensor: str,
    asked: tuple[str | int, ...] | None,
    bands: tuple[int, ...],
) -> None:
    data = described(write_tiff, *names)

    assert chosen(data, sensor=sensor, bands=asked) == Choice(bands)


@pytest.mark.parametrize("names", [("Red 1", "Red 2", "B03", "B02"), ("B02", "B03", "NDVI", "B8")])
def test_what_the_file_describes_twice_or_not_at_all_does_not_count(
    write_tiff: Write, names: Sequence[str]
) -> None:
    with pytest.raises(BandError, match=r"has 12 bands and the image has 4, .* 'red'"):
        chosen(described(write_tiff, *names), sensor="sentinel2-l2a", bands=NAMES)


@pytest.mark.parametrize(
    ("names", "asked", "bands"),
    [
        (("B02", "B03", "B04", "B08"), ("red", "green", "blue"), (3, 2, 1)),
        (("B02", "B03", "B04", "B08"), ("B04", "B03", "B02"), (3, 2, 1)),
        (("B02", "B03", "B04", "B08"), ("b4", "B3", "nir"), (3, 2, 4)),
        (("B4 (665 nm)", "B3 (560 nm)", "B2 (490 nm)"), ("B04", "B03", "B02"), (1, 2, 3)),
        (("B4 (665 nm)", "B3 (560 nm)", "B2 (490 nm)"), ("red", "green", "blue"), (1, 2, 3)),
        (("Red", "Green", "Blue", "NIR"), ("red", "GREEN", "blue"), (1, 2, 3)),
        (("red", "green", "blue"), ("B04", "B03", "B02"), (1, 2, 3)),
        (("Red", "Red Edge", "Red Edge 2"), ("red", "red edge", "RED EDGE 2"), (1, 2, 3)),
        (("SR_B2", "SR_B3", "SR_B4", "SR_B6"), ("red", "green", "blue"), (3, 2, 1)),
        (("B08", "B8A", "B04"), ("nir", "B8A", "B8"), (1, 2, 1)),
        (("", "", "B04"), ("B04", 1, 2), (3, 1, 2)),
        (("NDVI", "B4", "B3"), ("ndvi",), (1,)),
        (("NDVI (index)", "B004", "B3"), ("ndvi", "b4", "B03"), (1, 2, 3)),
    ],
    ids=str,
)
def test_names_are_those_that_the_file_gives(
    write_tiff: Write, names: Sequence[str], asked: tuple[str | int, ...], bands: tuple[int, ...]
) -> None:
    assert chosen(described(write_tiff, *names), bands=asked) == Choice(bands)


@pytest.mark.parametrize(
    ("names", "asked", "said"),
    [
        (("B02", "B03", "B04"), "nir", r"no band is described as 'nir'.* 1 \(B02\), 2 .*--sensor"),
        (("NDVI", "B03", "B04"), "red", "no band is described as 'red'"),
        (("Red", "Green", "Blue"), "gren", r"no band is .*'gren'.* did you mean Green\? Else name"),
        (("Red 1", "Red 2", "Blue"), "red", r"several bands are .*'red'.* 1 \(Red 1\)"),
        (("SR_B2", "SR_B3", "SR_B4"), "red", "several bands are .*'red'.*--sensor"),  # 4-7, or 8-9
        (("",), "red", "described are: none: name the --sensor"),
    ],
    ids=str,
)
def test_names_that_do_not_tell_are_refused(
    write_tiff: Write, names: Sequence[str], asked: str, said: str
) -> None:
    data = described(write_tiff, *names, count=5)

    with pytest.raises(BandError, match=said):
        chosen(data, bands=(asked,))


def test_a_description_of_a_band_that_is_not_there_finds_none(write_tiff: Write) -> None:
    data = described(write_tiff, "", "", "", "B04", count=3)

    with pytest.raises(BandError, match=r"band 4 .* has 3"):
        chosen(data, bands=("B04",))


@pytest.mark.parametrize(("sensor", "bands"), [("landsat-tm", 6), ("landsat-tm", 7)])
def test_landsat_may_come_without_its_surface_temperature(
    sensor: str, bands: int, write_tiff: Write
) -> None:
    data = write_tiff(np.zeros((4, 4, bands), "u2"))
    assert chosen(data, sensor=sensor, bands=("swir22", "red", "green")) == Choice((6, 3, 2))
    with pytest.raises(BandError, match="has 7 bands and the image has 5"):
        chosen(write_tiff(np.zeros((4, 4, 5), "u2")), sensor=sensor, bands=("red",))
