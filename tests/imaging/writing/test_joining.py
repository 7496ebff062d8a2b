"""Files from pieces: checksums, heads and tails, against other writers and readers."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Final

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.imaging.reading.georeference import Georeference
from asyncrgb.imaging.writing import joining
from asyncrgb.imaging.writing.directory import TiffRecipe
from asyncrgb.imaging.writing.joining import (
    PngNote,
    PngRecipe,
    Recipe,
    TiffNote,
    adler32_combine,
    joiner,
)
from tests.imaging.writing.test_png import chunks

PLACE: Final = Georeference(
    pixel_scale=(10.0, 20.0, 0.0),
    tiepoints=(3.0, 5.0, 0.0, 600_000.0, 5_300_040.0, 0.0),
    keys=(1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32_632),
    doubles=(1.5, -2.25),
    text="WGS 84 / UTM zone 32N|Übersicht|",
)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_checksums_are_combined_as_if_of_all_bytes(parts: list[bytes]) -> None:
    checksum = 1
    for part in parts:
        checksum = adler32_combine(checksum, zlib.adler32(part), len(part))

    assert checksum == zlib.adler32(b"".join(parts))


@pytest.mark.parametrize("size", [65_520, 65_521, 65_522, 200_000])
def test_long_parts_go_round_the_base(size: int) -> None:
    first, second = b"\xff" * size, bytes(range(256)) * 300
    checksum = adler32_combine(zlib.adler32(first), zlib.adler32(second), len(second))

    assert checksum == zlib.adler32(first + second)
    assert adler32_combine(checksum, zlib.adler32(first), size) == zlib.adler32(
        first + second + first
    )


@given(values=st.lists(st.binary(min_size=12, max_size=12), min_size=1, max_size=5))
def test_pieces_of_another_deflater_make_a_png(values: list[bytes]) -> None:
    join = joiner(PngRecipe(len(values), 4, 3, 8))
    file = join.begin()
    for row in values:
        stream = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = stream.compress(b"\0" + row) + stream.flush(zlib.Z_FULL_FLUSH)
        piece = struct.pack(">I", len(body)) + b"IDAT" + body
        piece += struct.pack(">I", zlib.crc32(b"IDAT" + body))
        file += join.add(PngNote(zlib.adler32(b"\0" + row), 13), len(piece)) + piece
    tail, patches = join.end()
    seen = imagecodecs.png_decode(file + tail)

    assert not patches
    assert seen.tobytes() == b"".join(values)
    assert [chunk.kind for chunk in chunks(file + tail)][-1] == b"IEND"


RECIPES: Final = (PngRecipe(7, 5, 2, 16), TiffRecipe(7, 5, 2, 16, 16, 16, PLACE))


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_travel_between_processes(recipe: Recipe) -> None:
    assert pickle.loads(pickle.dumps(recipe)) == recipe  # noqa: S301 - our own
    assert type(joiner(pickle.loads(pickle.dumps(recipe)))) is type(joiner(recipe))  # noqa: S301


@pytest.mark.parametrize(
    ("recipe", "note"),
    [
        (RECIPES[0], TiffNote((9,))),
        (RECIPES[1], PngNote(1, 9)),
        (RECIPES[1], TiffNote((4, 4))),
    ],
)
def test_notes_of_other_pieces_are_refused(recipe: Recipe, note: joining.Note) -> None:
    join = joiner(recipe)
    join.begin()
    with pytest.raises(TypeError, match="of no piece of a"):
        join.add(note, 9)


def test_who_joins_needs_no_numpy() -> None:
    """Nor does all else that the process does which hands out the parts of scenes."""
    code = (
        "import sys, asyncrgb.imaging.writing.joining, asyncrgb.imaging.parts, "
        "asyncrgb.pipeline.scenes.scenes; print({'numpy', 'isal', 'tifffile'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


# TIFF


def written(recipe: TiffRecipe, sizes: list[int], path: Path) -> None:
    """Write a file of tiles of ``sizes`` bytes, without a byte in them."""
    join = joiner(recipe)
    head = join.begin()
    for size in sizes:
        assert not join.add(TiffNote((size,)), size)
    tail, patches = join.end()
    with path.open("wb") as file:
        file.write(head)
        file.seek(len(head) + sum(sizes))
        file.write(tail)
        for at, patch in patches:
            file.seek(at)
            file.write(patch)


@pytest.mark.parametrize("odd", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("bits", [8, 16])
def test_the_directory_says_where_tiles_lie(bits: int, odd: int, tmp_path: Path) -> None:
    recipe = TiffRecipe(40, 70, 4, bits, 16, 32, PLACE)
    sizes = [10 + odd, *range(20, 28)]
    written(recipe, sizes, tmp_path / "picture.tif")

    with tifffile.TiffFile(tmp_path / "picture.tif") as tiff:
        page, tags = tiff.pages.first, tiff.pages.first.tags
        assert not tiff.is_bigtiff
        assert page.dataoffsets == tuple(8 + sum(sizes[:i]) for i in range(9))
        assert page.databytecounts == tuple(sizes)
        assert page.shape == (40, 70, 4)
        assert page.dtype == np.dtype(f"u{bits // 8}")
        assert (page.tilelength, page.tilewidth) == (16, 32)
        assert page.extrasamples == (2,)
        assert page.predictor == 2
        assert page.offset % 4 == 0
        assert tags[33550].value == PLACE.pixel_scale
        assert tags[33922].value == PLACE.tiepoints
        assert tags[34735].value == PLACE.keys
        assert tags[34736].value == PLACE.doubles
        assert tags[34737].value == PLACE.text


def test_offsets_above_4_gigabytes_are_read_back(tmp_path: Path) -> None:
    recipe = TiffRecipe(65_536, 65_536, 3, 8, 32_768, 32_768)
    sizes = [2**31 + 5] * 4
    written(recipe, sizes, tmp_path / "picture.tif")

    with tifffile.TiffFile(tmp_path / "picture.tif") as tiff:
        assert tiff.is_bigtiff
        assert tiff.pages.first.dataoffsets == tuple(16 + i * sizes[0] for i in range(4))
        assert tiff.pages.first.databytecounts == tuple(sizes)
        assert tiff.pages.first.offset > 2**33
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        dataset = rasterio.open(tmp_path / "picture.tif")
    assert dataset.shape == (65_536, 65_536)
    dataset.close()


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("matrix", [False, True])
def test_a_smaller_picture_lies_where_gdal_says(point: bool, matrix: bool, tmp_path: Path) -> None:
    """Its first corner is that of the image, its pixels are larger."""
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1 + point, 3072, 0, 1, 32_632)
    place = PLACE._replace(keys=keys)
    if matrix:
        turned = (9.0, 2.0, 0.0, 6e5, 2.0, -9.0, 0.0, 5e6, *[0.0] * 4, 0.0, 0.0, 0.0, 1.0)
        place = Georeference(transformation=turned, keys=keys)
    affines = []
    for name, where in (("image", place), ("picture", place.scaled(2.5, 4))):
        written(TiffRecipe(16, 16, 1, 8, 16, 16, where), [1], tmp_path / name)
        with rasterio.open(tmp_path / name) as dataset:
            affines.append(tuple(dataset.transform)[:6])
    (a, b, x, d, e, y), picture = affines

    assert picture == pytest.approx((4 * a, 2.5 * b, x, 4 * d, 2.5 * e, y))
