"""Who takes part: names, what they need, and where their code is."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

ASYNCRGB: Final = "asyncrgb"


class Run(Protocol):
    """Renders all ``chips`` into ``destination`` with so many workers."""

    def __call__(self, chips: Sequence[str], destination: str, workers: int, /) -> None:
        """Return when the last result is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way of doing the job.

    Attributes:
        name: as in the table.
        does: in a line.
        entry: "module:function" in this package, a ``Run``; none for a command.
        packages: what must be importable.
        program: what must be on the PATH.
        slow: runs on ``--slow-count`` files.
        ceiling: no program that anyone could use, but a bound on asyncrgb.
        most_files: it is given no more than these.
        options: of the command, where that is what runs.
        checkout: folder of another version of the project, whose command is run.
        formula: whether its pictures are those of the formula.

    """

    name: str
    does: str
    entry: str = ""
    packages: tuple[str, ...] = ()
    program: str | None = None
    slow: bool = False
    ceiling: bool = False
    most_files: int | None = None
    options: tuple[str, ...] = ()
    checkout: str | None = None
    formula: bool = True

    def files(self, count: int, slow_count: int) -> int:
        """Return how many of ``count`` files it is given."""
        files = slow_count if self.slow else count
        return min(files, self.most_files or files)

    def missing(self) -> list[str]:
        """Return what it needs and is not installed."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if self.program and not shutil.which(self.program):
            missing.append(self.program)
        return missing

    def load(self) -> Run:
        """Import its function, and with it its packages."""
        module, function = self.entry.split(":")
        run: Run = getattr(import_module(f"benchmarks.{module}"), function)
        return run

    def command(self, source: str, destination: str, workers: int) -> list[str]:
        """Return the command line of one run."""
        module = [sys.executable, "-m"]
        if not self.entry:
            other = ["env", f"PYTHONPATH={self.checkout}/src"] if self.checkout else []
            arguments = [source, destination, "--quiet", f"--workers={workers}", *self.options]
            return [*other, *module, ASYNCRGB, *arguments]
        return [*module, "benchmarks", self.name, source, destination, str(workers)]


_ALL = (
    Contender(
        name="tutorial-sequential",
        does="skimage imread, formula, skimage imsave, one after the other",
        entry="tutorial:sequential",
        packages=("skimage", "tifffile"),
        slow=True,
    ),
    Contender(
        name="tutorial-threads",
        does="the same in a ThreadPoolExecutor",
        entry="tutorial:threads",
        packages=("skimage", "tifffile"),
        slow=True,
    ),
    Contender(
        name="tutorial-processes",
        does="the same in a ProcessPoolExecutor",
        entry="tutorial:processes",
        packages=("skimage", "tifffile"),
        slow=True,
    ),
    Contender(
        name="tutorial-processes-64",
        does="the same with chunksize 64",
        entry="tutorial:processes_64",
        packages=("skimage", "tifffile"),
        slow=True,
    ),
    Contender(
        name="rasterio-processes",
        does="rasterio reads 3 bands and writes PNG, process pool, chunksize 64",
        entry="rasterio_pool:run",
        packages=("rasterio",),
        slow=True,
    ),
    Contender(
        name="opencv-processes",
        does="tifffile reads, OpenCV writes, process pool, chunksize 64",
        entry="opencv_pool:run",
        packages=("cv2", "tifffile"),
    ),
    Contender(
        name="obvious-aiofiles",
        does="aiofiles, one pickled run_in_executor a file, gather and Semaphore(64)",
        entry="obvious:run",
        packages=("aiofiles", "imagecodecs", "tifffile"),
    ),
    Contender(
        name="gdal_translate",
        does="one process a file, as many at a time as workers",
        entry="gdal:run",
        program="gdal_translate",
        most_files=100,
    ),
    Contender(
        name="ceiling-decode",
        does="imagecodecs decodes, asyncrgb stretches and encodes; synchronous, evenly split",
        entry="ceiling_decode:run",
        packages=("imagecodecs",),
        ceiling=True,
    ),
    Contender(
        name="ceiling-render",
        does="asyncrgb.render; synchronous, evenly split",
        entry="ceiling:run",
        ceiling=True,
    ),
    Contender(
        name="asyncrgb-dataset",
        does="the command with --percentile 2 98 --scope dataset, which reads all files twice",
        options=("--percentile", "2", "98", "--scope", "dataset"),
        formula=False,
    ),
    Contender(name=ASYNCRGB, does="python -m asyncrgb SRC DST --quiet"),
)
CONTENDERS: Final = {contender.name: contender for contender in _ALL}


def earlier(checkout: str) -> Contender:
    """Let another version of the project take part."""
    does = "the command of the other checkout"
    return Contender(name=f"{ASYNCRGB}-before", does=does, checkout=checkout)
