"""Who turns scenes into pictures: commands, and ways that run in a process of their own.

``python -m benchmarks.scenes_contenders NAME SRC DST SIDE`` (from ``scripts``) is one run of one
of the ways; SIDE is the longest side of the picture, 0 for that of the scene.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[[str, str, int, int], list[str]]

ASYNCRGB: Final = "asyncrgb"
GDAL: Final = "gdal_translate"
_ROWS: Final = 512  # that are stretched at a time: the formula takes 16 bytes a value
_BANDS: Final = [4, 3, 2]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneContender:
    """One way of doing the job.

    Attributes:
        name: as in the table.
        does: in a line.
        command: gives the command line, from source, picture, longest side and workers.
        packages: what must be importable.
        program: what must be on the PATH.
        instead: takes part only where this program is missing.
        tiny: options with which it takes a tiny scene for a large one.

    """

    name: str
    does: str
    command: Command
    packages: tuple[str, ...] = ()
    program: str | None = None
    instead: str | None = None
    tiny: tuple[str, ...] = ()

    def missing(self) -> str:
        """Say why it cannot take part; empty: it can."""
        absent = [package for package in self.packages if find_spec(package) is None]
        if self.program and not shutil.which(self.program):
            absent.append(self.program)
        if absent:
            return f"it needs {', '.join(absent)}: not installed"
        if self.instead and shutil.which(self.instead):
            return f"it stands in for {self.instead}, which is installed"
        return ""


def _asyncrgb(workers: int | None = None) -> Command:
    def command(source: str, picture: str, side: int, every: int) -> list[str]:
        count = workers or every
        smaller = [f"--max-size={side}"] if side else []
        start = [sys.executable, "-m", "asyncrgb", source, picture]
        return [*start, "--quiet", f"--workers={count}", *smaller]

    return command


def _gdal(source: str, picture: str, side: int, _workers: int) -> list[str]:
    bands = [part for band in _BANDS for part in ("-b", str(band))]
    smaller = ["-outsize", str(side), "0", "-r", "average"] if side else []
    scale = ["-ot", "Byte", "-scale", "0", "4000", "0", "255"]
    return [GDAL, "-q", "-of", "PNG", *scale, *bands, *smaller, source, picture]


def _way(name: str) -> Command:
    def command(source: str, picture: str, side: int, _workers: int) -> list[str]:
        start = [sys.executable, "-m", "benchmarks.scenes_contenders"]
        return [*start, name, source, picture, str(side)]

    return command


def _by_rasterio(source: str, picture: str, side: int) -> None:
    """Read with rasterio, a window at a time, and have GDAL write the PNG."""
    import rasterio  # noqa: PLC0415 - of this way only
    from rasterio.windows import Window  # noqa: PLC0415 - the same

    from benchmarks.formula import stretch  # noqa: PLC0415 - numpy, the same

    with rasterio.open(source) as scene:
        shrink = min(1, side / max(scene.shape)) if side else 1
        height, width = (max(1, round(length * shrink)) for length in scene.shape)
        profile = {"driver": "PNG", "dtype": "uint8", "count": 3, "height": height, "width": width}
        with rasterio.open(picture, "w", **profile) as result:
            if side:
                result.write(stretch(scene.read(_BANDS, out_shape=(3, height, width))))
                return
            for top in range(0, height, _ROWS):
                window = Window(0, top, width, min(_ROWS, height - top))
                result.write(stretch(scene.read(_BANDS, window=window)), window=window)


def _by_tifffile(source: str, picture: str, side: int) -> None:
    """Read all with tifffile, stretch some rows at a time, and write with Pillow."""
    import numpy as np  # noqa: PLC0415 - of this way only
    import tifffile  # noqa: PLC0415 - the same
    from PIL import Image  # noqa: PLC0415 - the same

    from benchmarks.formula import stretch  # noqa: PLC0415 - the same

    with tifffile.TiffFile(source) as file:
        first, *others = (page.aspage() for page in file.pages)
        enough = [page for page in others if max(page.imagelength, page.imagewidth) >= side]
        values = (enough[-1] if side and enough else first).asarray()
        planar = first.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    ms: Any = np.moveaxis(values, 0, -1) if planar else values
    rgb = np.empty((*ms.shape[:2], 3), np.uint8)
    for top in range(0, len(ms), _ROWS):
        rgb[top : top + _ROWS] = stretch(ms[top : top + _ROWS, :, [3, 2, 1]])
    image = Image.fromarray(rgb)
    if side:
        image.thumbnail((side, side), Image.Resampling.BOX)
    image.save(picture)


_LITTLE_MEMORY: Final = ("--memory=2M",)
_WAYS: Final = {"rasterio": _by_rasterio, "tifffile-pillow": _by_tifffile}
_ALL: Final = (
    SceneContender(
        name=GDAL,
        does="gdal_translate -of PNG",
        command=_gdal,
        program=GDAL,
    ),
    SceneContender(
        name="rasterio",
        does="rasterio reads windows and writes PNG; where gdal_translate is missing",
        command=_way("rasterio"),
        packages=("rasterio",),
        instead=GDAL,
    ),
    SceneContender(
        name="tifffile-pillow",
        does="tifffile reads all, numpy stretches, Pillow writes",
        command=_way("tifffile-pillow"),
        packages=("tifffile", "PIL"),
    ),
    SceneContender(
        name=f"{ASYNCRGB}-1",
        does="the same with --workers 1",
        command=_asyncrgb(1),
        tiny=_LITTLE_MEMORY,
    ),
    SceneContender(
        name=ASYNCRGB,
        does="python -m asyncrgb SRC.tif DST.png --quiet",
        command=_asyncrgb(),
        tiny=_LITTLE_MEMORY,
    ),
)
CONTENDERS: Final = {contender.name: contender for contender in _ALL}


def main() -> None:
    """Do what ``python -m benchmarks.scenes_contenders NAME SRC DST SIDE`` asks for."""
    name, source, picture, side = sys.argv[1:]
    _WAYS[name](source, picture, int(side))


if __name__ == "__main__":
    main()
