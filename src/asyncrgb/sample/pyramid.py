"""Overviews while a scene is written: each block is halved as it passes, and kept until its turn.

What an overview is made from lies in a temporary file, in the order in which it came: memory
stays flat, and nothing is drawn or decoded twice.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from asyncrgb.sample.terrain import NODATA

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    Block = NDArray[np.uint16]


class Level(NamedTuple):
    """A scene or an overview of it, in square tiles.

    ``planes`` planes of ``samples`` bands each; ``block`` is the side of a tile.
    """

    height: int
    width: int
    planes: int
    samples: int
    block: int

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return -(-self.height // self.block), -(-self.width // self.block)

    @property
    def shape(self) -> tuple[int, ...]:
        """As tifffile wants it: without axes of length 1, save those of the pixels."""
        planes = (self.planes,) if self.planes > 1 else ()
        samples = (self.samples,) if self.samples > 1 else ()
        return (*planes, self.height, self.width, *samples)

    @property
    def halved(self) -> Level:
        """The overview of this; a last odd row or column has a pixel of its own."""
        return self._replace(height=-(-self.height // 2), width=-(-self.width // 2))


class Spool:
    """Keeps the halves of a level's tiles, given in the order of the file, plane by plane."""

    def __init__(self, level: Level, folder: str) -> None:
        self.level = level
        self._side = level.block // 2
        self._shape = self._side, self._side, level.samples
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, half: Block) -> None:
        """Keep the next one."""
        self._file.write(half.tobytes())

    def tile(self, plane: int, row: int, column: int) -> Block:
        """Put a tile of the overview together from its four quarters."""
        side, (rows, columns) = self._side, self.level.grid
        tile = np.full((2 * side, 2 * side, self.level.samples), NODATA, "<u2")
        for down in range(2 * row, min(2 * row + 2, rows)):
            for along in range(2 * column, min(2 * column + 2, columns)):
                top, left = (down % 2) * side, (along % 2) * side
                quarter = self._half((plane * rows + down) * columns + along)
                tile[top : top + side, left : left + side] = quarter
        return tile

    def _half(self, number: int) -> Block:
        half = np.empty(self._shape, "<u2")
        self._file.seek(number * half.nbytes)
        self._file.readinto(half.data)
        return half


def halved(tile: Block, height: int, width: int) -> Block:
    """Average pixels two by two, those that are there: the tile's first ``height``, ``width``.

    The mean is that of the values that are data, rounded to nearest, halves up; where there
    are none, NODATA. All of a tile is returned; what is beyond the edge is NODATA.
    """
    tile = tile.copy()
    tile[height:], tile[:, width:] = NODATA, NODATA
    rows, columns, samples = tile.shape
    fours = tile.reshape(rows // 2, 2, columns // 2, 2, samples)
    total = fours.sum((1, 3), dtype=np.uint32)
    count = np.count_nonzero(fours != NODATA, axis=(1, 3)).astype(np.uint32)
    half = (total + count // 2) // np.maximum(count, 1)
    return np.asarray(half.astype("<u2"))
