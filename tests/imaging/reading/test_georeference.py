"""Where images lie: GDAL, by way of rasterio, is the judge of what the tags mean."""

from __future__ import annotations

import io
import math
import pickle
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pytest
import tifffile
from hypothesis import assume, given
from hypothesis import strategies as st

from asyncrgb.imaging.reading.georeference import TAGS, Georeference
from asyncrgb.imaging.writing import png

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Tags = dict[int, Any]

SCALE, TIES, MATRIX, KEYS, DOUBLES, TEXT = TAGS
CODES: Final = {KEYS: "H", TEXT: "s"}  # the others are doubles

NORTH_UP: Final[Tags] = {
    SCALE: (10.0, 20.0, 0.0),
    TIES: (0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0),
}
ROTATED: Final[Tags] = {
    MATRIX: (9.5, 2.25, 0.0, 500_000.0, 2.5, -9.25, 0.0, 4_000_000.0, *(0.0,) * 7, 1.0)
}
AREA: Final[Tags] = {KEYS: (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)}
POINT: Final[Tags] = {KEYS: (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32632)}
NO_RASTER_TYPE: Final[Tags] = {KEYS: (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632)}
SOMEWHERE_INSIDE: Final[Tags] = {TIES: (2.0, 3.5, 0.0, 500_000.0, 4_000_000.0, 0.0)}
TWO_TIES: Final[Tags] = {TIES: (*NORTH_UP[TIES], 5.0, 5.0, 0.0, 1.0, 2.0, 0.0)}


def write(tags: Tags) -> bytes:
    """Write a TIFF with exactly these tags."""
    file = io.BytesIO()
    extra = [(tag, CODES.get(tag, "d"), len(value), value, True) for tag, value in tags.items()]
    pixels = np.zeros((7, 9, 3), "u1")
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None, extratags=extra)
    return file.getvalue()


def tags_of(file: bytes) -> Tags:
    with tifffile.TiffFile(io.BytesIO(file)) as tif:
        return {tag.code: tag.value for tag in tif.pages.first.tags}


def place(tags: Tags) -> Georeference:
    """Take ``tags`` the long way round, through a file."""
    found = Georeference.from_tags(tags_of(write(tags)))
    assert found is not None
    return found


class Place(NamedTuple):
    """What GDAL finds."""

    transform: tuple[float, ...]
    epsg: int | None
    wkt: str


def seen_by_gdal(file: bytes | Path) -> Place:
    rasterio = pytest.importorskip("rasterio", reason="GDAL is the judge: pip install rasterio")
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no georeference
        with rasterio.open(source) as data:
            crs = data.crs
            transform = tuple(data.transform)[:6]
            return Place(transform, crs and crs.to_epsg(), crs.to_wkt() if crs else "")


def worldfile_of(transform: Sequence[float]) -> list[float]:
    """Say what ESRI's world file has for one of GDAL's transforms, which are of corners."""
    a, b, c, d, e, f = transform
    return [a, d, b, e, c + (a + b) / 2, f + (d + e) / 2]


def numbers(worldfile: str | None) -> list[float]:
    assert worldfile is not None
    assert worldfile.endswith("\n")
    lines = worldfile.splitlines()
    assert len(lines) == 6
    return [float(line) for line in lines]


@pytest.mark.parametrize(
    "tags",
    [
        NORTH_UP,
        NORTH_UP | AREA,
        NORTH_UP | NO_RASTER_TYPE,
        NORTH_UP | POINT,
        NORTH_UP | SOMEWHERE_INSIDE,
        NORTH_UP | SOMEWHERE_INSIDE | POINT,
        NORTH_UP | TWO_TIES,
        NORTH_UP | {SCALE: (10.0, -20.0, 0.0)},
        NORTH_UP | {SCALE: (-10.0, 20.0, 0.0)},
        NORTH_UP | ROTATED,
        ROTATED,
        ROTATED | AREA,
        ROTATED | POINT,
        ROTATED | SOMEWHERE_INSIDE,
        ROTATED | TWO_TIES,
        NORTH_UP | ROTATED | {SCALE: (0.0, 20.0, 0.0)},
        NORTH_UP | {KEYS: (1, 1, 0, 1, 1025, 0, 1, 2)},
        NORTH_UP | {KEYS: (1, 1, 0, 1, 1025, 0, 1, 2, 7, 7, 7)},  # longer than it says
        NORTH_UP | {KEYS: (1, 1, 0, 0, 1025, 0, 1, 2)},
        NORTH_UP | {KEYS: (1, 1, 0, 9, 1025, 0, 1, 2)},  # shorter than it says
        NORTH_UP | {KEYS: (2, 1, 0, 1, 1025, 0, 1, 2)},  # of a version that does not exist
    ],
)
def test_a_world_file_says_what_gdal_says(tags: Tags) -> None:
    found = numbers(place(tags).worldfile())

    assert found == worldfile_of(seen_by_gdal(write(tags)).transform)


def test_lines_come_in_the_order_of_world_files() -> None:
    assert place(ROTATED | POINT).worldfile() == "9.5\n2.5\n2.25\n-9.25\n500000.0\n4000000.0\n"
    assert place(NORTH_UP).worldfile() == "10.0\n0.0\n0.0\n-20.0\n500005.0\n3999990.0\n"


sizes = st.floats(1e-6, 1e5)
shifts = st.floats(-1e7, 1e7)


@given(
    scale=st.tuples(sizes, sizes), corner=st.tuples(shifts, shifts), at=st.tuples(shifts, shifts)
)
def test_any_tiepoint_gives_the_same_place_as_in_gdal(
    scale: tuple[float, float], corner: tuple[float, float], at: tuple[float, float]
) -> None:
    tags = {SCALE: (*scale, 0.0), TIES: (*at, 0.0, *corner, 0.0)}
    found = numbers(place(tags).worldfile())

    expected = worldfile_of(seen_by_gdal(write(tags)).transform)
    assert found == pytest.approx(expected, rel=1e-15, abs=1e-15 * max(map(abs, expected)))


@given(st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=6))
def test_any_matrix_reads_back_exactly(affine: list[float]) -> None:
    a, b, x, d, e, y = affine
    assume(a * e != b * d)
    matrix = (a, b, 0.0, x, d, e, 0.0, y, *(0.0,) * 7, 1.0)
    found = Georeference.from_tags({MATRIX: matrix} | POINT)

    assert found is not None
    assert numbers(found.worldfile()) == [a, d, b, e, x, y]


@pytest.mark.parametrize(
    "tags",
    [
        NORTH_UP,
        ROTATED,
        NORTH_UP | POINT,
        ROTATED | POINT,
        {SCALE: (1e-5 / 3, 2e-7 / 3, 0.0), TIES: (0.0, 0.0, 0.0, 1 / 3, 100 / 7, 0.0)},
        {SCALE: (1e-9, 1e-9, 0.0), TIES: (0.0, 0.0, 0.0, -180.0, 90.0, 0.0)},
        {SCALE: (1e22 / 3, 1e22 / 3, 0.0), TIES: (0.0, 0.0, 0.0, 1e25, 1e25, 0.0)},
    ],
)
def test_gdal_reads_the_world_file_of_a_png(tags: Tags, tmp_path: Path) -> None:
    (tmp_path / "chip.png").write_bytes(png.encode(np.zeros((7, 9, 3), "u1")))
    worldfile = place(tags).worldfile()
    assert worldfile is not None
    (tmp_path / "chip.pgw").write_text(worldfile, encoding="ascii")

    found = seen_by_gdal(tmp_path / "chip.png").transform
    expected = seen_by_gdal(write(tags)).transform
    assert found == pytest.approx(expected, rel=1e-15)
    assert (found[:2], found[3:5]) == (expected[:2], expected[3:5])


@pytest.mark.parametrize(
    "tags",
    [
        {TIES: NORTH_UP[TIES]},  # one control point
        TWO_TIES,
        {SCALE: NORTH_UP[SCALE]},
        AREA,
        {TEXT: "WGS 84|"},
        {SCALE: (1e300, 1.0, 0.0), TIES: (1e300, 0.0, 0.0, 0.0, 0.0, 0.0)},  # infinite
    ],
)
def test_without_a_transform_there_is_no_world_file(tags: Tags) -> None:
    assert place(tags).worldfile() is None


def test_a_scale_without_a_tiepoint_leaves_it_to_the_matrix() -> None:
    """GDAL has the scale there, and no place at all."""
    alone = place(ROTATED)

    assert place(ROTATED | {SCALE: NORTH_UP[SCALE]}).worldfile() == alone.worldfile()


@pytest.mark.parametrize("tags", [{}, {256: 64, 257: 64, 305: "GDAL"}])
def test_without_tags_there_is_no_georeference(tags: Tags) -> None:
    assert Georeference.from_tags(tags) is None


DAMAGED: Final = [
    *((SCALE, value) for value in [(0.0, 10.0, 0.0), (10.0, 0.0, 0.0), (10.0, 10.0), (10.0,) * 4]),
    *((SCALE, value) for value in [(math.nan, 10.0, 0.0), (10.0, math.inf, 0.0), 10.0, "10 10 0"]),
    *((TIES, value) for value in [(), (0.0,) * 5, (0.0,) * 7, (0.0,) * 5 + (math.nan,), 1.0]),
    *((MATRIX, value) for value in [(1.0,) * 15, (1.0,) * 17, (0.0,) * 16, (1.0,) * 16]),
    *((MATRIX, value) for value in [(math.inf, *ROTATED[MATRIX][1:]), "1", b"\1" * 16]),
    *((KEYS, value) for value in [(), (1, 1, 0), (1, 1, 0, 1, 1025, 0, 1), (2, 1, 0, 0), 1]),
    *(
        (KEYS, value)
        for value in [(1, 1, 0, 1, 1025, 0, 1, 65_536), (1, 1, 0, -1), (1.0, 1.0, 0.0, 0.0), "1110"]
    ),
    *((DOUBLES, value) for value in [(), (math.nan,), (1.0, "2"), math.inf, b"12"]),
    *((TEXT, value) for value in ["", b"\xff\x81", 7, (b"WGS", b"84")]),
    *((tag, None) for tag in TAGS),
]


@pytest.mark.parametrize(("tag", "value"), DAMAGED)
def test_a_damaged_tag_counts_as_absent(tag: int, value: object) -> None:
    whole = NORTH_UP | ROTATED | POINT | {DOUBLES: (1.0, 2.0), TEXT: "WGS 84|"}
    others = {other: whole[other] for other in TAGS if other != tag}

    assert Georeference.from_tags({tag: value}) is None
    assert Georeference.from_tags(others | {tag: value}) == Georeference.from_tags(others)


def test_a_single_number_is_as_good_as_several() -> None:
    """tifffile gives one as itself, unless it knows the tag."""
    assert Georeference.from_tags({DOUBLES: 298.257}) == place({DOUBLES: (298.257,)})
    assert place({DOUBLES: (298.257,)}).doubles == (298.257,)


def test_whole_numbers_are_as_good_as_others() -> None:
    tags = {SCALE: (10, 20, 0), TIES: (0, 0, 0, 500_000, 4_000_000, 0)}
    found = Georeference.from_tags(tags)

    assert found == Georeference.from_tags(NORTH_UP)
    assert found is not None
    assert found.worldfile() == place(NORTH_UP).worldfile()


@pytest.mark.parametrize("text", ["WGS 84 / UTM zone 32N|WGS 84|", "Größe|"])
@pytest.mark.parametrize(
    "tags", [NORTH_UP | AREA, NORTH_UP | POINT, ROTATED | AREA, TWO_TIES | AREA, NORTH_UP, AREA]
)
def test_copied_tags_are_the_same(tags: Tags, text: str) -> None:
    tags = tags | {DOUBLES: (298.257223563, 6378137.0), TEXT: text.encode()}
    found = place(tags)
    file = io.BytesIO()
    pixels = np.zeros((7, 9, 3), "u1")
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None, extratags=found.extratags())

    assert found.text == text
    assert Georeference.from_tags(tags_of(file.getvalue())) == found
    assert seen_by_gdal(file.getvalue()) == seen_by_gdal(write(tags))


def test_the_place_of_a_file_by_gdal_survives() -> None:
    """Own ellipsoid, own projection: every kind of key is needed to copy it."""
    pytest.importorskip("rasterio", reason="GDAL is the writer: pip install rasterio")
    from rasterio.io import MemoryFile  # noqa: PLC0415 - it may be absent
    from rasterio.transform import Affine  # noqa: PLC0415 - the same

    crs = "+proj=laea +lat_0=12.5 +lon_0=7.25 +x_0=100 +y_0=200 +a=6371228 +b=6356000 +units=m"
    profile = {"driver": "GTiff", "height": 7, "width": 9, "count": 3, "dtype": "uint8", "crs": crs}
    with MemoryFile() as memory:
        with memory.open(**profile, transform=Affine(3, 1, 7, 2, -5, 9)) as data:
            data.write(np.zeros((3, 7, 9), "u1"))
        original = bytes(memory.getbuffer())
    found = Georeference.from_tags(tags_of(original))
    assert found is not None
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((7, 9), "u1"), metadata=None, extratags=found.extratags())

    assert found.doubles
    assert found.text
    assert "Lambert_Azimuthal_Equal_Area" in seen_by_gdal(original).wkt
    assert seen_by_gdal(file.getvalue()) == seen_by_gdal(original)
    assert numbers(found.worldfile()) == [3, 2, 1, -5, 9, 7.5]


def test_real_chips_lie_where_gdal_says(eurosat_chips: tuple[bytes, ...]) -> None:
    for chip in eurosat_chips[:20]:
        found = Georeference.from_tags(tags_of(chip))
        assert found is not None
        assert numbers(found.worldfile()) == worldfile_of(seen_by_gdal(chip).transform)


def test_a_georeference_travels_between_processes() -> None:
    found = place(NORTH_UP | POINT)

    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own
