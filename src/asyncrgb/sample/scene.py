"""Scenes to try things out with: one landscape of any size, in many forms of TIFF."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

import tifffile

from asyncrgb.errors import OptionsError
from asyncrgb.sample.measured import BANDS
from asyncrgb.sample.terrain import Terrain
from asyncrgb.sample.whole import whole
from asyncrgb.sample.writing import COMPRESSIONS, SOFTWARE, Form, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

_TILE: Final = 256
_TILE_STEP: Final = 16  # the TIFF specification has tiles of multiples of it
_STRIP_BYTES: Final = 8192  # GDAL's choice: as many rows as fit, and at least one


def write_scene(  # noqa: PLR0913 - each is one property of a file, and all but three have defaults
    destination: str | os.PathLike[str],
    width: int,
    height: int,
    *,
    tiled: bool = True,
    planar: bool = False,
    compression: str = "deflate",
    bands: int = 13,
    block: int | None = None,
    overviews: bool = False,
    nodata: bool = False,
    seed: int = 0,
    replace: bool = True,
    on_block: Callable[[int, int], None] | None = None,
) -> str:
    """Write one scene of ``width`` x ``height`` pixels, a GeoTIFF, and return its path.

    It shows what the chips of ``write_samples`` do, as one landscape: uint16, reflectance
    times 10,000, pixels of 10 m in UTM zone 32 N; the bands of 20 and 60 m keep pixels of
    their own size, each repeated. The same arguments give the same pixels, whatever the
    layout. It is written block by block: memory does not grow with the scene, but with a
    block. A file that exists is replaced once the new one is complete.

    Args:
        destination: the file; its folder is made if need be.
        width: pixels, at least 1.
        height: pixels, at least 1.
        tiled: in square tiles, else in strips.
        planar: each band in planes of its own (PlanarConfiguration 2), else pixel by pixel.
        compression: "none", "deflate", "lzw" or "zstd", all but the first with the
            horizontal predictor.
        bands: the first so many of B01 to B12 and B8A, 1 to 13.
        block: side of a tile (a multiple of 16, 256 by default) or rows of a strip (by
            default as many as have 8 KB, at least one: GDAL's choice).
        overviews: add averages of 2 by 2, 4 by 4, ... pixels, as GDAL does for a COG, until
            the longest side is at most 512; in tiles only. Takes up to a third of the
            scene's uncompressed size in a temporary file beside it.
        nodata: leave a slanted edge without data: 0 in all bands, named by GDAL_NODATA.
        seed: at least 0; another one gives another landscape.
        replace: whether it may take the place of a file that is no scene of this function.
        on_block: is called with the number of blocks that are drawn, and that of all,
            overviews left out.

    Raises:
        OptionsError: a value cannot be used; nothing is written then.
        FileExistsError: there is another file, which may not be replaced.
        OSError: the file cannot be written.

    """
    if block is None:
        block = _TILE if tiled else _strip_rows(width, 1 if planar else bands)
    form = Form(tiled, planar, compression, bands, block)
    _check(width, height, form, overviews=overviews, seed=seed)
    destination = os.fspath(destination)
    os.makedirs(os.path.dirname(os.path.abspath(destination)), exist_ok=True)
    if os.path.isdir(destination):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), destination)
    if not replace and os.path.exists(destination) and not _is_ours(destination):
        raise FileExistsError(errno.EEXIST, "something else is there", destination)
    terrain = Terrain(height, width, seed=seed, swath=nodata)
    with (
        whole(destination) as unfinished,
        open(unfinished, "wb+") as file,
        Writer(file, terrain, form, on_block) as writer,
    ):
        writer.write(form.level(height, width), overviews=overviews, nodata=nodata)
    return destination


def _is_ours(path: str) -> bool:
    try:
        with tifffile.TiffFile(path) as tiff:
            return tiff.pages.first.software == SOFTWARE
    except (tifffile.TiffFileError, ValueError, IndexError):
        return False


def _strip_rows(width: int, samples: int) -> int:
    return max(1, _STRIP_BYTES // (2 * max(1, width * samples)))


def _check(width: int, height: int, form: Form, *, overviews: bool, seed: int) -> None:
    if min(width, height) < 1:
        raise OptionsError(f"scene {width}x{height}: give a width and a height of at least 1")
    if form.compression not in COMPRESSIONS:
        known = ", ".join(COMPRESSIONS)
        raise OptionsError(f"compression is {form.compression!r}: choose from {known}")
    if not 1 <= form.bands <= len(BANDS):
        raise OptionsError(f"bands is {form.bands}: ask for 1 to {len(BANDS)}")
    if form.block < 1:
        raise OptionsError(f"block is {form.block}: give at least 1")
    if form.tiled and form.block % _TILE_STEP:
        raise OptionsError(f"block is {form.block}: the side of a tile is a multiple of 16")
    if overviews and not form.tiled:
        raise OptionsError("overviews of strips: ask for tiles")
    if seed < 0:
        raise OptionsError(f"seed is {seed}: choose 0 or a positive integer")
