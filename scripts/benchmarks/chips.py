"""The work folder and the chips in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL: Final = Path(__file__).parents[3] / "shared" / "data" / "eurosat"
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - mkdtemp makes the folder in it
_TMPFS: Final = "tmpfs"
CHIP_BYTES: Final = 150_000
"""A chip and its picture, in whole pages."""

_SPARE_BYTES: Final = 2**30
_SAMPLES: Final = 2000

# How chips can be stored: compression, and whether each band has a plane of its own.
STORED: Final = {
    "deflate-chunky": ("zlib", False),
    "deflate-planar": ("zlib", True),
    "lzw-chunky": ("lzw", False),
    "lzw-planar": ("lzw", True),
}


def filesystem(folder: str | Path) -> str:
    """Return the type of the file system that ``folder`` lies in."""
    path = Path(folder).resolve()
    types = {disk.mountpoint: disk.fstype for disk in psutil.disk_partitions(all=True)}
    parents = (str(parent) for parent in (path, *path.parents))
    return next((types[parent] for parent in parents if parent in types), "unknown")


def in_memory(folder: str | Path) -> bool:
    """Whether files in ``folder`` take up memory."""
    return filesystem(folder) == _TMPFS


def described(work: Path) -> str:
    """Tell on what the work folder lies, and what follows from it."""
    if in_memory(work):
        return filesystem(work)
    return f"{filesystem(work)}, not in memory: the storage takes part in the figures"


@contextmanager
def work_folder(parent: str | None, count: int) -> Iterator[Path]:
    """Make a fresh folder in ``parent``, by default where ``count`` chips fit into memory."""
    fast = _SHARED_MEMORY if _fits(count * CHIP_BYTES + _SPARE_BYTES) else None
    folder = tempfile.mkdtemp(prefix="asyncrgb-benchmark-", dir=parent or fast)
    try:
        yield Path(folder).resolve()
    finally:
        shutil.rmtree(folder)


def _fits(size: int) -> bool:
    if not os.path.isdir(_SHARED_MEMORY) or not in_memory(_SHARED_MEMORY):
        return False
    free = shutil.disk_usage(_SHARED_MEMORY).free
    return bool(size < min(free, psutil.virtual_memory().available))


def prepare(source: str | None, work: Path, count: int, stored: str | None) -> tuple[Path, str]:
    """Lay out ``count`` chips in the work folder, ``stored`` so; say where, and what they are."""
    given = Path(source) if source else REAL
    what = "chips of --source" if source else "real EuroSAT chips"
    if not source and not given.is_dir():
        given, what = _samples(work / "samples", min(count, _SAMPLES)), "generated chips"
    if stored:
        given, what = _stored_anew(given, work / "stored", stored), f"{what}, {stored}"
    originals = _originals(given)
    chips = work / "chips"
    _repeat(originals, chips, count)
    os.sync()  # or the first runs share the disk with what is still being written
    return chips, f"{count:,} files, copies of {len(originals):,} {what}"


def subset(chips: Path, count: int) -> Path:
    """Return a folder with ``count`` of the ``chips``, evenly chosen; made when first needed."""
    files = sorted(chips.glob("*/*.tif"))
    folder = chips if count >= len(files) else chips.with_name(f"chips-{count}")
    if folder.exists():
        return folder
    for index in range(count):
        chip = files[index * len(files) // count]
        link = folder / chip.relative_to(chips)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(chip, link)
    return folder


def _stored_anew(folder: Path, copies: Path, name: str) -> Path:
    """Write the TIFFs in ``folder`` anew, in strips of 8 KB or planes, as GDAL would."""
    import numpy as np  # noqa: PLC0415 - else its pages were shared with all runs
    import tifffile  # noqa: PLC0415 - the same

    compression, planar = STORED[name]
    for path in sorted(folder.rglob("*.tif")):
        pixels = tifffile.imread(path)
        copy = copies / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            copy,
            np.moveaxis(pixels, -1, 0) if planar else pixels,
            planarconfig="separate" if planar else "contig",
            photometric="minisblack",
            compression=compression,
            rowsperstrip=None if planar else 4,
            metadata=None,
        )
    return copies


def _samples(folder: Path, count: int) -> Path:
    command = [sys.executable, "-m", "asyncrgb", "sample", str(folder), f"--count={count}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    return folder


def _originals(folder: Path) -> list[Path]:
    """Return the TIFFs in ``folder``, the classes taking turns."""
    classes: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.tif")):
        classes[path.parent].append(path)
    ranked = [(rank, path) for paths in classes.values() for rank, path in enumerate(paths)]
    if not ranked:
        raise SystemExit(f"benchmark: no .tif files in {folder}: choose another --source")
    return [path for _, path in sorted(ranked)]


def _repeat(originals: list[Path], chips: Path, count: int) -> None:
    numbers: defaultdict[str, int] = defaultdict(int)
    for original in islice(cycle(originals), count):
        name = original.parent.name
        numbers[name] += 1
        copy = chips / name / f"{name}_{numbers[name]}.tif"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
