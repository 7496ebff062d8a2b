"""The file of a scene: what is drawn, compressed and written, block by block.

tifffile writes the container. It is given blocks that are compressed already, drawn ahead by
a few threads and no further, so memory does not depend on the size.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Self, TypeVar

import imagecodecs
import numpy as np
import tifffile

from asyncrgb.sample.geotiff import place_tags
from asyncrgb.sample.pyramid import Level, Spool, halved
from asyncrgb.sample.terrain import NODATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from asyncrgb.sample.geotiff import Tag
    from asyncrgb.sample.terrain import Terrain

    Pixels = NDArray[np.uint16]
    OnBlock = Callable[[int, int], None]

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")

_DEFLATE_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 9
_CODECS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "deflate": (8, partial(imagecodecs.deflate_encode, level=_DEFLATE_LEVEL)),
    "lzw": (5, imagecodecs.lzw_encode),
    "zstd": (50000, partial(imagecodecs.zstd_encode, level=_ZSTD_LEVEL)),
}
COMPRESSIONS: Final = ("none", *_CODECS)
"""How the blocks of a scene can be compressed."""

SOFTWARE: Final = "asyncrgb"  # the tag by which a scene is known

_SMALLEST_OVERVIEW: Final = 512  # no further one where the longest side is that
_CLASSIC_BYTES: Final = 4_000_000_000  # leaves room for the directories
_STRIPS_AT_ONCE: Final = 2**19  # pixels
_COLUMNS_AT_ONCE: Final = 512  # wider parts are slower to draw
_THREADS: Final = min(8, os.cpu_count() or 1)
_UTM_ZONE: Final = 32
_PIXEL: Final = (10.0, 10.0)  # metres
_CORNER: Final = (399_960.0, 5_300_040.0)  # easting and northing of the upper left, metres
_NODATA_TAG: Final = (42113, 2, 0, str(NODATA), True)  # GDAL_NODATA


class Form(NamedTuple):
    """How a scene is stored; ``block`` is the side of a tile or the rows of a strip."""

    tiled: bool
    planar: bool
    compression: str
    bands: int
    block: int

    def level(self, height: int, width: int) -> Level:
        """Return the scene itself, of which overviews are made."""
        planes, samples = (self.bands, 1) if self.planar else (1, self.bands)
        return Level(height, width, planes, samples, self.block)


class _Made(NamedTuple):
    """A tile as it is stored, and its half for an overview."""

    data: bytes
    half: Pixels | None


class Writer:
    """Writes one file.

    Args:
        file: where to, from its beginning.
        terrain: what to show.
        form: how it is stored.
        on_block: see ``write_scene``.

    """

    def __init__(
        self, file: BinaryIO, terrain: Terrain, form: Form, on_block: OnBlock | None
    ) -> None:
        self._file = file
        self._folder = os.path.dirname(os.path.abspath(file.name))
        self._terrain = terrain
        self._form = form
        self._on_block = on_block
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._pool = self._closing.enter_context(ThreadPoolExecutor(_THREADS))
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._closing.close()

    def write(self, level: Level, *, overviews: bool, nodata: bool) -> None:
        """Write the scene, and then its overviews."""
        size = 2 * level.height * level.width * level.planes * level.samples
        big = size * (4 / 3 if overviews else 1) > _CLASSIC_BYTES
        no_data = [_NODATA_TAG] if nodata else []
        place = [*place_tags(_UTM_ZONE, _PIXEL, _CORNER), *no_data]
        with tifffile.TiffWriter(self._file, bigtiff=big, byteorder="<") as tiff:
            if not self._form.tiled:
                self._page(tiff, level, self._counted(level, self._strips(level)), place)
                return
            below = self._spool(level) if overviews else None
            self._page(tiff, level, self._counted(level, self._tiles(level, below)), place)
            while below is not None:
                level, above = below.level.halved, self._spool(below.level.halved)
                tiles = self._overview(level, below, above)
                self._page(tiff, level, tiles, no_data, subfiletype=1)
                below = above

    def _spool(self, level: Level) -> Spool | None:
        """Make room for what an overview of ``level`` takes, if it is to have one."""
        if max(level.height, level.width) <= _SMALLEST_OVERVIEW:
            return None
        return self._closing.enter_context(Spool(level, self._folder))

    def _page(
        self,
        tiff: tifffile.TiffWriter,
        level: Level,
        blocks: Iterator[bytes],
        tags: Sequence[Tag],
        subfiletype: int = 0,
    ) -> None:
        form = self._form
        tiff.write(
            blocks,
            shape=level.shape,
            dtype="<u2",
            photometric="minisblack",
            planarconfig=None if form.bands == 1 else "separate" if form.planar else "contig",
            tile=(form.block, form.block) if form.tiled else None,
            rowsperstrip=None if form.tiled else form.block,
            compression=None if form.compression == "none" else _CODECS[form.compression][0],
            predictor=form.compression != "none",
            subfiletype=subfiletype,
            extratags=tags,
            metadata=None,
            software=SOFTWARE,
        )

    def _counted(self, level: Level, blocks: Iterator[bytes]) -> Iterator[bytes]:
        rows, columns = level.grid
        every = level.planes * rows * (columns if self._form.tiled else 1)
        for number, block in enumerate(blocks, 1):
            if self._on_block is not None:
                self._on_block(number, every)
            yield block

    def _strips(self, level: Level) -> Iterator[bytes]:
        """Draw some strips at a time: most are thin."""
        step = level.block * max(1, _STRIPS_AT_ONCE // (level.block * level.width))
        jobs = product(range(level.planes), range(0, level.height, step))
        for strips in self._ahead(partial(self._draw_strips, level, step), jobs):
            yield from strips

    def _draw_strips(self, level: Level, step: int, job: tuple[int, int]) -> list[bytes]:
        plane, top = job
        rows = min(step, level.height - top)
        pixels = np.empty((rows, level.width, level.samples), "<u2")
        for left in range(0, level.width, _COLUMNS_AT_ONCE):
            part = pixels[:, left : left + _COLUMNS_AT_ONCE]
            part[:] = self._terrain.draw(top, left, rows, part.shape[1], self._bands(plane))
        starts = range(0, rows, level.block)
        return [self._encoded(pixels[start : start + level.block]) for start in starts]

    def _tiles(self, level: Level, spool: Spool | None) -> Iterator[bytes]:
        rows, columns = level.grid
        jobs = product(range(level.planes), range(rows), range(columns))
        made = self._ahead(partial(self._draw_tile, level, halve=spool is not None), jobs)
        return _spooled(made, spool)

    def _draw_tile(self, level: Level, job: tuple[int, int, int], *, halve: bool) -> _Made:
        plane, row, column = job
        side = level.block
        tile = self._terrain.draw(row * side, column * side, side, side, self._bands(plane))
        return self._made(level, row, column, tile, halve=halve)

    def _overview(self, level: Level, below: Spool, above: Spool | None) -> Iterator[bytes]:
        rows, columns = level.grid
        places = product(range(level.planes), range(rows), range(columns))
        jobs = ((row, column, below.tile(plane, row, column)) for plane, row, column in places)
        made = self._ahead(
            lambda job: self._made(level, *job, halve=above is not None),
            jobs,
        )
        return _spooled(made, above)

    def _made(self, level: Level, row: int, column: int, tile: Pixels, *, halve: bool) -> _Made:
        bottom, right = level.height - row * level.block, level.width - column * level.block
        return _Made(self._encoded(tile), halved(tile, bottom, right) if halve else None)

    def _bands(self, plane: int) -> Sequence[int]:
        return (plane,) if self._form.planar else range(self._form.bands)

    def _encoded(self, pixels: Pixels) -> bytes:
        if self._form.compression == "none":
            return pixels.tobytes()
        _, codec = _CODECS[self._form.compression]
        return bytes(codec(imagecodecs.delta_encode(np.ascontiguousarray(pixels), axis=1)))

    def _ahead(self, do: Callable[[_Job], _Done], jobs: Iterable[_Job]) -> Iterator[_Done]:
        """Do the jobs in threads and yield what comes of them in order, little ahead."""
        waiting: deque[Future[_Done]] = deque()
        for job in jobs:
            waiting.append(self._pool.submit(do, job))
            if len(waiting) > 2 * _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _spooled(tiles: Iterator[_Made], spool: Spool | None) -> Iterator[bytes]:
    for tile in tiles:
        if spool is not None and tile.half is not None:
            spool.add(tile.half)
        yield tile.data
