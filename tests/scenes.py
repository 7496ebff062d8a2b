"""Scenes as they come, and as they should not: files for tests of what reads them in parts.

Each function writes one file and tells what is to become of it. ``SCENES`` has all of them by
name, for ``pytest.mark.parametrize``::

    @pytest.mark.parametrize("name", SCENES)
    def test_it(name, tmp_path):
        expected = SCENES[name](tmp_path / "scene.tif")

The picture of a whole scene is that which ``asyncrgb.render`` makes of the file at once.
"""

from __future__ import annotations

import io
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from PIL import Image

import asyncrgb
from asyncrgb import DecodeError, LimitError, RenderOptions
from asyncrgb.sample.terrain import Terrain
from tests import tiffs
from tests.tiffs import ASCII, LONG, LONG8, SHORT, page, tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Maker = Callable[[Path], "Expected"]

HEIGHT, WIDTH = 400, 330
TILE: Final = (64, 64)
STRIPS: Final = 1_000_000 if "THOROUGH" in os.environ else 200_000
NODATA: Final = (42113, (ASCII, b"0\0"))


class Expected(NamedTuple):
    """What is to become of a file.

    Attributes:
        errors: one of these is raised; none: a picture is made, as by ``asyncrgb.render``.
        words: a regular expression that occurs in the error.
        options: to render with.

    """

    errors: tuple[type[Exception], ...] = ()
    words: str = ""
    options: RenderOptions = RenderOptions()

    def picture(self, data: bytes) -> NDArray[Any]:
        """Return the pixels that the whole file is to give."""
        return pixels_of(asyncrgb.render(data, self.options))

    def fits(self, error: BaseException) -> bool:
        """Tell whether this is how it is to fail."""
        return isinstance(error, self.errors) and bool(re.search(self.words, str(error)))


WHOLE: Final = Expected()
SCENES: Final[dict[str, Maker]] = {}


def pixels_of(picture: bytes) -> NDArray[Any]:
    """Decode a picture."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image)


def _scene(maker: Callable[..., Expected]) -> Callable[..., Expected]:
    SCENES[maker.__name__] = maker
    return maker


@cache
def ground(height: int = HEIGHT, width: int = WIDTH, bands: int = 4) -> NDArray[np.uint16]:
    """Draw a landscape: (height, width, bands), uint16, without no data."""
    return Terrain(height, width, seed=7, swath=False).draw(0, 0, height, width, range(bands))


@cache
def swath(height: int = HEIGHT, width: int = WIDTH, bands: int = 4) -> NDArray[np.uint16]:
    """Draw the same with a slanted edge of zeros."""
    return Terrain(height, width, seed=7, swath=True).draw(0, 0, height, width, range(bands))


def _whole(path: Path, data: bytes, options: RenderOptions | None = None) -> Expected:
    path.write_bytes(data)
    return WHOLE if options is None else WHOLE._replace(options=options)


def _broken(path: Path, data: bytes, words: str = "", *errors: type[Exception]) -> Expected:
    path.write_bytes(data)
    return Expected(errors or (DecodeError,), words)


# ---- layouts: all of them are to give their picture -----------------------------------------


@_scene
def tiled(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=TILE)))


@_scene
def tiles_of_other_sides(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=(48, 112), compression=50000)))


@_scene
def raw_tiles(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=TILE, compression=1)))


@_scene
def raw_rows(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), rows=1, compression=1)))


@_scene
def lzw_strips(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), rows=7, compression=5)))


@_scene
def one_raw_strip(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), compression=1)))


@_scene
def one_raw_strip_each_plane(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height, bands=13), compression=1, planar=True)))


@_scene
def one_deflate_strip(path: Path, *, height: int = HEIGHT) -> Expected:
    """Give a picture where the strip fits into memory; else a LimitError is as good."""
    return _whole(path, tiff(page(ground(height))))


@_scene
def planar(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height, bands=13), tile=TILE, planar=True)))


@_scene
def planar_strips(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height, bands=13), rows=9, planar=True)))


@_scene
def big_endian(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=TILE, order=">"), order=">"))


@_scene
def big_endian_raw_strip(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(ground(height), compression=1, order=">")
    return _whole(path, tiff(made, order=">", directories_last=True))


@_scene
def bigtiff(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=TILE), big=True))


@_scene
def bigtiff_big_endian(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(ground(height), tile=TILE, order=">")
    return _whole(path, tiff(made, order=">", big=True, directories_last=True))


@_scene
def directory_at_the_end(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=TILE), directories_last=True))


@_scene
def blocks_backwards(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), tile=TILE), backwards=True))


@_scene
def strips_backwards(path: Path, *, height: int = HEIGHT) -> Expected:
    return _whole(path, tiff(page(ground(height), rows=5, compression=1), backwards=True))


@_scene
def tile_larger_than_the_image(path: Path, *, height: int = 150) -> Expected:
    return _whole(path, tiff(page(ground(height, 100), tile=(512, 512))))


@_scene
def raw_tile_larger_than_the_image(path: Path, *, height: int = 150) -> Expected:
    return _whole(path, tiff(page(ground(height, 100), tile=(512, 512), compression=1)))


@_scene
def rows_per_strip_beyond_the_image(path: Path, *, height: int = HEIGHT) -> Expected:
    """All rows in one strip, as 2**32 - 1 says by the specification."""
    made = page(ground(height), compression=1, tags={278: (LONG, [2**32 - 1])})
    return _whole(path, tiff(made))


@_scene
def sparse_tiles(path: Path, *, height: int = HEIGHT) -> Expected:
    """Tiles that are not there, whole rows of them among them: they hold zeros."""
    columns = -(-WIDTH // TILE[1])
    absent = [0, 3, *range(columns, 3 * columns), 4 * columns + 1]
    return _whole(path, tiff(page(ground(height), tile=TILE, sparse=absent)))


@_scene
def sparse_nodata(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(swath(height), tile=TILE, sparse=[2, 9], tags=dict([NODATA]))
    return _whole(path, tiff(made), RenderOptions(alpha=True))


@_scene
def nodata(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(swath(height), tile=TILE, tags=dict([NODATA]))
    return _whole(path, tiff(made), RenderOptions(alpha=True))


@_scene
def planar_nodata(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(swath(height, bands=13), rows=6, planar=True, tags=dict([NODATA]))
    return _whole(path, tiff(made), RenderOptions(alpha=True))


@_scene
def masked(path: Path, *, height: int = HEIGHT) -> Expected:
    """With a transparency mask in a page of its own, in tiles of another size, as GDAL does."""
    there = (swath(height)[..., :1] != 0).astype(np.uint8) * 255
    tags: tiffs.Tags = {254: (LONG, [4]), 262: (SHORT, [4])}
    mask = page(there, tile=(128, 128), predictor=False, tags=tags)
    made = page(ground(height), tile=TILE)
    return _whole(path, tiff(made, mask), RenderOptions(alpha=True))


@_scene
def alpha_band(path: Path, *, height: int = HEIGHT) -> Expected:
    pixels = np.concatenate([ground(height), 65_535 * (swath(height)[..., :1] != 0)], 2)
    made = page(pixels.astype(np.uint16), tile=TILE, tags={338: (SHORT, [0, 0, 0, 2])})
    return _whole(path, tiff(made), RenderOptions(alpha=True))


@_scene
def with_overviews(path: Path, *, height: int = HEIGHT) -> Expected:
    pixels = ground(height)
    pages = [page(pixels, tile=TILE)]
    pages += [_overview(pixels, step) for step in (2, 4)]
    return _whole(path, tiff(*pages))


@_scene
def overlapping_tiles(path: Path, *, height: int = HEIGHT) -> Expected:
    """Every tile of a row of them shows the first one."""

    def lie(offsets: list[int], counts: list[int]) -> None:
        for at in range(len(offsets)):
            offsets[at], counts[at] = offsets[at - at % 6], counts[at - at % 6]

    return _whole(path, tiff(page(ground(height), tile=TILE, lie=lie)))


@_scene
def overlapping_strips(path: Path, *, height: int = HEIGHT) -> Expected:
    """Each strip begins within the one before."""

    def lie(offsets: list[int], _counts: list[int]) -> None:
        offsets[1:] = [offset - 1000 for offset in offsets[1:]]

    return _whole(path, tiff(page(ground(height), rows=5, compression=1, lie=lie)))


@_scene
def many_strips(path: Path, *, height: int = STRIPS) -> Expected:
    """A column of pixels, each a strip: the tables take more than the values."""
    made = page(np.tile(ground(1000, 1), (-(-height // 1000), 1, 1))[:height], compression=1)
    made.tags[278] = SHORT, [1]
    size = len(made.blocks[0]) // height
    made.blocks = [made.blocks[0][at : at + size] for at in range(0, len(made.blocks[0]), size)]
    return _whole(path, tiff(made))


@_scene
def one_pixel(path: Path) -> Expected:
    return _whole(path, tiff(page(ground(1, 1), tile=TILE)))


@_scene
def very_wide(path: Path, *, width: int = 9_000) -> Expected:
    return _whole(path, tiff(page(ground(9, width), rows=1)))


@_scene
def very_tall(path: Path, *, height: int = 9_000) -> Expected:
    return _whole(path, tiff(page(ground(height, 7), rows=3, compression=1)))


@_scene
def bytes_in_tiles(path: Path, *, height: int = HEIGHT) -> Expected:
    pixels = (ground(height) // 16).astype(np.uint8)
    return _whole(path, tiff(page(pixels, tile=TILE, planar=True)))


@_scene
def signed_strips(path: Path, *, height: int = HEIGHT) -> Expected:
    pixels = ground(height).astype(np.int16) - 500
    return _whole(path, tiff(page(pixels, compression=1)))


@_scene
def floats_with_nan(path: Path, *, height: int = HEIGHT) -> Expected:
    pixels = np.where(swath(height) == 0, np.nan, ground(height)).astype(np.float32)
    made = page(pixels, tile=TILE, predictor=False)
    return _whole(path, tiff(made), RenderOptions(alpha=True))


@_scene
def big_endian_floats(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(ground(height).astype(np.float32), compression=1, order=">")
    return _whole(path, tiff(made, order=">"))


@_scene
def palette(path: Path, *, height: int = HEIGHT) -> Expected:
    """Indices below 200 in one band, and a colour for each of 256."""
    indices = (ground(height, bands=2)[..., 1:] // 10 % 200).astype(np.uint8)
    colours = np.random.default_rng(1).integers(0, 2**16, 3 * 256).tolist()
    tags: tiffs.Tags = {262: (SHORT, [3]), 320: (SHORT, colours)}
    return _whole(path, tiff(page(indices, tile=TILE, predictor=False, tags=tags)))


# ---- loops ----------------------------------------------------------------------------------


@_scene
def directory_after_itself(path: Path, *, height: int = HEIGHT) -> Expected:
    return _broken(path, tiff(page(ground(height), tile=TILE), next_of_last=0), "loop")


@_scene
def overviews_in_a_circle(path: Path, *, height: int = HEIGHT) -> Expected:
    pixels = ground(height)
    pages = [page(pixels, tile=TILE)]
    pages += [_overview(pixels, step) for step in (2, 4)]
    return _broken(path, tiff(*pages, next_of_last=1), "loop")


def _overview(pixels: NDArray[np.uint16], step: int) -> tiffs.Page:
    return page(pixels[::step, ::step], tile=TILE, tags={254: (LONG, [1])})


# ---- damage ---------------------------------------------------------------------------------


def cut(path: Path, share: float, *, height: int = HEIGHT, last: bool = False) -> Expected:
    """Cut a tiled scene off after a ``share`` of its bytes, 0 to 1."""
    data = tiff(page(ground(height), tile=TILE), directories_last=last)
    return _broken(path, data[: int(share * len(data))])


def _cut(share: float, *, last: bool) -> Maker:
    def maker(path: Path, *, height: int = HEIGHT) -> Expected:
        return cut(path, share, height=height, last=last)

    return maker


for _percent in (0, 1, 50, 99):
    SCENES[f"cut_at_{_percent}_percent"] = _cut(_percent / 100, last=False)
    SCENES[f"cut_at_{_percent}_percent_directory_last"] = _cut(_percent / 100, last=True)


@_scene
def cut_by_a_byte(path: Path, *, height: int = HEIGHT) -> Expected:
    return _broken(path, tiff(page(ground(height), rows=5, compression=1))[:-1])


@_scene
def one_raw_strip_cut(path: Path, *, height: int = HEIGHT) -> Expected:
    return _broken(path, tiff(page(ground(height), compression=1))[:-5000])


def damaged_tile(path: Path, *, height: int = HEIGHT, compression: int = 8) -> Expected:
    """Give a scene with a tile in its middle whose bytes make no sense."""
    made = page(ground(height), tile=TILE, compression=compression)
    middle = len(made.blocks) // 2
    size = len(made.blocks[middle])
    made.blocks[middle] = made.blocks[middle][: size // 2] + b"\xff" * (size - size // 2)
    return _broken(path, tiff(made))


@_scene
def damaged_deflate_tile(path: Path, *, height: int = HEIGHT) -> Expected:
    return damaged_tile(path, height=height)


@_scene
def damaged_zstd_tile(path: Path, *, height: int = HEIGHT) -> Expected:
    return damaged_tile(path, height=height, compression=50000)


@_scene
def damaged_strip(path: Path, *, height: int = HEIGHT) -> Expected:
    made = page(ground(height))
    made.blocks[0] = made.blocks[0][:-2000] + bytes(2000)
    return _broken(path, tiff(made))


@_scene
def tile_of_too_little(path: Path, *, height: int = HEIGHT) -> Expected:
    """A tile that decodes well, to fewer values than it has to hold."""
    made = page(ground(height), tile=TILE)
    made.blocks[7] = page(ground(16, 16), tile=(16, 16)).blocks[0]
    return _broken(path, tiff(made))


# ---- lies -----------------------------------------------------------------------------------


def _lying(path: Path, lie: tiffs.Lie, *, height: int, big: bool = False, **form: Any) -> Expected:  # noqa: ANN401 - as of page
    return _broken(path, tiff(page(ground(height), lie=lie, **form), big=big))


@_scene
def tile_beyond_the_file(path: Path, *, height: int = HEIGHT) -> Expected:
    def lie(offsets: list[int], _counts: list[int]) -> None:
        offsets[len(offsets) // 2] = 3_000_000_000

    return _lying(path, lie, height=height, tile=TILE)


@_scene
def strip_beyond_the_file(path: Path, *, height: int = HEIGHT) -> Expected:
    def lie(offsets: list[int], _counts: list[int]) -> None:
        offsets[-1] = 3_000_000_000

    return _lying(path, lie, height=height, rows=5, compression=1)


@_scene
def tile_that_ends_beyond_the_file(path: Path, *, height: int = HEIGHT) -> Expected:
    def lie(_offsets: list[int], counts: list[int]) -> None:
        counts[-1] = 2**32 - 1

    return _lying(path, lie, height=height, tile=TILE)


@_scene
def offset_that_overflows(path: Path, *, height: int = HEIGHT) -> Expected:
    def lie(offsets: list[int], _counts: list[int]) -> None:
        offsets[1] = 2**63 + 5

    return _lying(path, lie, height=height, big=True, tile=TILE)


@_scene
def end_that_overflows(path: Path, *, height: int = HEIGHT) -> Expected:
    """Offset and size add up to a little more than 2**64: not to a little."""

    def lie(offsets: list[int], counts: list[int]) -> None:
        counts[1] = 2**64 - offsets[1] + 100

    return _lying(path, lie, height=height, big=True, tile=TILE)


@_scene
def one_raw_strip_beyond_the_file(path: Path, *, height: int = HEIGHT) -> Expected:
    def lie(offsets: list[int], _counts: list[int]) -> None:
        offsets[0] += 10_000

    return _lying(path, lie, height=height, compression=1)


def _declaring(path: Path, tags: tiffs.Tags, *, big: bool = False, **form: Any) -> Expected:  # noqa: ANN401 - as of page
    """Write a small image whose tags tell of another one."""
    data = tiff(page(ground(64, 64), tags=tags, **form), big=big)
    return _broken(path, data, "", DecodeError, LimitError)


@_scene
def sides_whose_product_overflows_32_bits(path: Path) -> Expected:
    return _declaring(path, {256: (LONG, [65_536]), 257: (LONG, [65_537])}, tile=TILE)


@_scene
def sides_whose_product_overflows_63_bits(path: Path) -> Expected:
    side = LONG, [2**32 - 1]
    return _declaring(path, {256: side, 257: side}, tile=TILE)


@_scene
def sides_whose_product_overflows_64_bits(path: Path) -> Expected:
    side = LONG8, [2**62]
    return _declaring(path, {256: side, 257: side}, big=True, tile=TILE)


@_scene
def tiles_whose_product_overflows(path: Path) -> Expected:
    side = LONG, [2**31]
    return _declaring(path, {322: side, 323: side}, tile=TILE)


@_scene
def tiles_of_terabytes(path: Path) -> Expected:
    side = LONG, [2**20]
    return _declaring(path, {322: side, 323: side}, tile=TILE)


@_scene
def tiles_without_a_side(path: Path) -> Expected:
    return _declaring(path, {322: (LONG, [0])}, tile=TILE)


@_scene
def strips_without_rows(path: Path) -> Expected:
    return _declaring(path, {278: (LONG, [0])}, rows=8)


@_scene
def fewer_tiles_than_the_image_has(path: Path) -> Expected:
    return _declaring(path, {256: (LONG, [500]), 257: (LONG, [700])}, tile=TILE)


@_scene
def fewer_strips_than_the_image_has(path: Path) -> Expected:
    return _declaring(path, {257: (LONG, [70_000])}, rows=8, compression=1)


@_scene
def many_strips_that_are_not_there(path: Path) -> Expected:
    """The tables' size is a lie: they would end beyond the file."""
    data = tiff(page(ground(64, 64), rows=1, compression=1))
    entries = ((273, 64), (279, 64))
    for tag, count in entries:
        old = _entry(tag, count)
        assert data.count(old) == 1
        data = data.replace(old, _entry(tag, 1_000_000))
    return _broken(path, data)


def _entry(tag: int, count: int) -> bytes:
    return tag.to_bytes(2, "little") + b"\x04\0" + count.to_bytes(4, "little")
