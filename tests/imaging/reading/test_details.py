"""What a TIFF says of its bands besides their pixels, as GDAL writes it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.imaging.reading import details, tiff
from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Write = Callable[..., bytes]

SMALL: Final = np.zeros((4, 5, 3), "u2")
METADATA: Final = 42112
WHOLE: Final = """<GDALMetadata>
  <Item name="AREA_OR_POINT">Area</Item>
  <Item name="DESCRIPTION" sample="0" role="description">B04, red &amp; more</Item>
  <Item name="DESCRIPTION" sample="2" role="description"> B02 </Item>
  <Item name="SCALE" sample="1" role="scale">0.0001</Item>
  <Item name="OFFSET" sample="1" role="offset">-0.1</Item>
  <Item name="STATISTICS_MAXIMUM" sample="1">99</Item>
</GDALMetadata>"""


def of(text: object) -> details.Details:
    return details.find({METADATA: text})


def item(role: str, sample: str, text: str) -> str:
    return f'<GDALMetadata><Item sample="{sample}" role="{role}">{text}</Item></GDALMetadata>'


def test_finds_what_is_said_of_bands() -> None:
    found = of(WHOLE)

    assert found.descriptions == {1: "B04, red & more", 3: "B02"}
    assert found.scales == {2: 0.0001}
    assert found.offsets == {2: -0.1}
    assert found.georeference is None


def test_is_read_from_a_file(handmade_tiff: Write) -> None:
    text = WHOLE.encode() + b"\0"
    data = handmade_tiff(SMALL, tags={METADATA: ("A", text)})
    found = tiff.find_image(memoryview(data), Limits()).details()

    assert found == of(WHOLE)


@pytest.mark.parametrize(
    "text",
    [None, b"", "", "no XML", "<GDALMetadata>", WHOLE[:-5], 7, "<a/>", WHOLE.encode(), (1, 2)],
)
def test_what_is_damaged_is_absent(text: object) -> None:
    assert of(text) == details.Details({}, {}, {}, None)


def test_entities_are_not_expanded() -> None:
    """A few of them, each ten of the one before, take all memory."""
    bomb = '<!DOCTYPE x [<!ENTITY a "boom">]>' + item("description", "0", "&a;")

    assert not of(bomb).descriptions


@pytest.mark.parametrize("sample", ["", "-1", "1.5", "x", "9" * 5000, "\u00b2"])
def test_bands_have_numbers(sample: str) -> None:
    assert not of(item("description", sample, "red")).descriptions


@pytest.mark.parametrize("text", ["", "x", "1,5", "nan", "inf", "1e999"])
@pytest.mark.parametrize("role", ["scale", "offset"])
def test_scales_and_offsets_are_finite_numbers(role: str, text: str) -> None:
    found = of(item(role, "0", text))

    assert not found.scales
    assert not found.offsets


@pytest.mark.parametrize("code", details.TAGS)
def test_a_damaged_tag_costs_no_image(handmade_tiff: Write, code: int) -> None:
    """Its value lies beyond the end of the file."""
    data = handmade_tiff(SMALL, tags={code: ("A", bytes(99))})
    entry = struct.pack("<HHI", code, 2, 99)
    at = data.index(entry) + len(entry)
    damaged = data[:at] + struct.pack("<I", 2**31) + data[at + 4 :]

    image = tiff.find_image(memoryview(damaged), Limits())
    assert image.details() == details.Details({}, {}, {}, None)
    assert image.read([1]).shape == (4, 5, 1)


@given(text=st.text(max_size=60) | st.text('<>/&;Item GDALMetadata="0', max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    for each in (text, f"<GDALMetadata>{text}</GDALMetadata>", item("scale", "0", text)):
        found = of(each)
        assert all(np.isfinite(value) for value in found.scales.values())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("options", [{}, {"BIGTIFF": "YES"}, {"compress": "DEFLATE"}])
def test_finds_what_gdal_writes(options: Mapping[str, Any]) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the oracle, rasterio, is not installed")
    place = rasterio.Affine(10, 0, 399_960, 0, -10, 4_100_040)
    shape = {"height": 4, "width": 5, "count": 3, "dtype": "u2", "crs": "EPSG:32633"}
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", transform=place, **shape, **options) as dataset:
            dataset.write(np.zeros((3, 4, 5), "u2"))
            dataset.descriptions = ("B4", "", "B2 - blue")
            dataset.scales, dataset.offsets = (0.5, 1, 2e-4), (0, -0.25, 7)
        found = tiff.find_image(memoryview(bytes(file.getbuffer())), Limits()).details()

    assert found.descriptions == {1: "B4", 3: "B2 - blue"}
    assert [found.scales.get(band, 1) for band in (1, 2, 3)] == [0.5, 1, 2e-4]
    assert [found.offsets.get(band, 0) for band in (1, 2, 3)] == [0, -0.25, 7]
    assert found.georeference is not None
    assert found.georeference[:2] == ((10, 10, 0), (0, 0, 0, 399_960, 4_100_040, 0))
