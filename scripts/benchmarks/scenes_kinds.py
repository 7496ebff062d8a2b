"""The scenes of the benchmark: how each is stored, and what of it has to be read."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

Size = tuple[int, int]

BANDS: Final = (4, 3, 2)
"""Red, green and blue, counted from 1."""

TINY: Final = (512, 512)
"""Size of a scene that tells how much else a contender reads."""

_TINY_TILE: Final = 64

MAX_SIZE: Final = 1024
"""Longest side of a quick look, in pixels."""

_SAMPLE: Final = (sys.executable, "-m", "asyncrgb", "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of scene.

    Attributes:
        name: on the command line and above the table.
        does: in a line.
        bands: that it holds.
        small: whether it is of the small size.
        form: options of ``asyncrgb sample``.
        times: its height is so many times that of the size.
        planar: whether a band can be read without the others.
        reduced: a quick look is made of it, of MAX_SIZE pixels.

    """

    name: str
    does: str
    bands: int
    small: bool = False
    form: tuple[str, ...] = ()
    times: int = 1
    planar: bool = False
    reduced: bool = False

    def size(self, small: Size, large: Size) -> Size:
        """Return width and height, given those of small and large scenes."""
        width, height = small if self.small else large
        return width, self.times * height

    def prepare(self, folder: Path, size: Size) -> str:
        """Return the path of the scene in ``folder``; it is made if it is not there."""
        width, height = size
        path = folder / f"{self.name}-{width}x{height}.tif"
        if not path.exists():
            scene = (f"--scene={width}x{height}", f"--bands={self.bands}", *self.form)
            if size == TINY and "--tiled" in self.form:
                scene += (f"--block={_TINY_TILE}",)
            command = [*_SAMPLE, str(path), *scene]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        return str(path)

    def needed(self, path: str) -> int:
        """Return how many bytes hold the values that are shown; of a quick look all bytes."""
        import tifffile  # noqa: PLC0415 - else its pages were shared with all runs

        if self.reduced:
            return os.path.getsize(path)
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            sizes = page.databytecounts
        if not self.planar:
            return sum(sizes)
        blocks = len(sizes) // self.bands
        return sum(sum(sizes[(band - 1) * blocks : band * blocks]) for band in BANDS)


_DEFLATE: Final = ("--tiled", "--compress=deflate")
_RAW: Final = ("--striped", "--chunky", "--compress=none")
_PLANAR: Final = (*_DEFLATE, "--planar")
_ALL: Final = (
    Kind(
        name="tiled",
        does="tiles, deflate, predictor 2, chunky",
        bands=4,
        small=True,
        form=_DEFLATE,
    ),
    Kind(name="strips", does="strips, uncompressed, chunky", bands=13, form=_RAW),
    Kind(
        name="planar",
        does="tiles, deflate, predictor 2, planar",
        bands=13,
        form=_PLANAR,
        planar=True,
    ),
    Kind(
        name="overviews",
        does=f"tiles, deflate, overviews: --max-size {MAX_SIZE}",
        bands=4,
        form=(*_DEFLATE, "--overviews"),
        reduced=True,
    ),
    Kind(
        name="strips-tall",
        does="as strips, twice as high",
        bands=13,
        form=_RAW,
        times=2,
    ),
    Kind(
        name="planar-tall",
        does="as planar, twice as high",
        bands=13,
        form=_PLANAR,
        times=2,
        planar=True,
    ),
)
KINDS: Final = {kind.name: kind for kind in _ALL}
USUAL: Final = tuple(name for name, kind in KINDS.items() if kind.times == 1)
"""The kinds that are compared unless others are named."""
