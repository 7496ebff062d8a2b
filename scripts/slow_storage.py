"""Compare asyncrgb, without options, with what slow storage gives to plain threads.

    python scripts/slow_storage.py /mnt/slow/chips --rounds 5
    python scripts/slow_storage.py /mnt/slow/chips --to /mnt/slow-too --rounds 3

Whole processes in turn, each into a fresh folder: asyncrgb, and 64 plain threads that list and read
the same files and do nothing with them; with ``--to`` they write as many files of the size of its
pictures, too. The tutorial's process pool is given a part of the files (``--slow-part``), as it
takes long. Needs the dependency group ``bench``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import command_line
from benchmarks import measure
from command_line import positive

from asyncrgb import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

_OURS: Final = "asyncrgb"
_THREADS: Final = "plain threads"
_TUTORIAL: Final = "tutorial, process pool"
_TIMEOUT: Final = 3600


def main(arguments: Sequence[str]) -> int:
    """Measure; print the rates of each round, and the median ratios."""
    options = _parser().parse_args(arguments)
    files = sorted(Path(options.source).rglob("*.tif"))
    if not files:
        raise SystemExit(f"{options.source}: no .tif below it: name a folder of chips")
    with tempfile.TemporaryDirectory(prefix="asyncrgb-slow-") as work:
        part = _part(files, Path(options.source), Path(work, "part"), options.slow_part)
        rates = _rates(options, len(files), part, work)
    measured = {name: each for name, each in rates.items() if each}
    for name, each in measured.items():
        print(f"{name}: {', '.join(f'{rate:,.0f}' for rate in each)} files/s")
    for name in measured.keys() - {_OURS}:
        ratios = [a / b for a, b in zip(rates[_OURS], rates[name], strict=False)]
        print(f"asyncrgb is {median(ratios):.2f} x {name}")
    return 0


def _part(files: Sequence[Path], source: Path, folder: Path, count: int) -> Path | None:
    """Link to some of the files, where the tutorial's pattern finds them."""
    for file in files[:: max(1, len(files) // count)] if count else ():
        link = folder / "part" / "-".join(file.relative_to(source).parts)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    return folder if count else None


def _rates(
    options: argparse.Namespace, count: int, part: Path | None, work: str
) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {_OURS: [], _THREADS: [], _TUTORIAL: []}
    python, size = [sys.executable, "-m"], 0
    for number in range(options.rounds):
        folder = _fresh(options.to or work)
        ours = [*python, "asyncrgb", options.source, folder, "--quiet"]
        rates[_OURS].append(count / measure.run(ours, sampled=False, timeout=_TIMEOUT).seconds)
        size = size or _mean_size(folder)
        arguments = [options.source, _fresh(options.to or work), size if options.to else 0]
        command = [*python, "benchmarks.plain_threads", *map(str, arguments), str(options.threads)]
        rates[_THREADS].append(
            count / measure.run(command, sampled=False, timeout=_TIMEOUT).seconds
        )
        if part is not None and number == 0:
            workers = str(Limits().worker_count)
            folder = _fresh(options.to or work)
            command = [*python, "benchmarks", "tutorial-processes", str(part), folder, workers]
            seconds = measure.run(command, sampled=False, timeout=_TIMEOUT).seconds
            rates[_TUTORIAL].append(len(list(part.rglob("*.tif"))) / seconds)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return rates


def _fresh(parent: str) -> str:
    """Make an empty folder; those before it are removed first, all but its own kind stays."""
    for name in os.listdir(parent):
        if name.startswith("results-"):
            with suppress(OSError):  # some rigs cannot remove
                shutil.rmtree(os.path.join(parent, name))
    return tempfile.mkdtemp(prefix="results-", dir=parent)


def _mean_size(folder: str) -> int:
    sizes = [path.stat().st_size for path in Path(folder).rglob("*.png")]
    return sum(sizes) // max(1, len(sizes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", metavar="SRC", help="folder of chips on slow storage")
    add("--to", metavar="DST", help="where results go (default: a temporary folder)")
    add("--rounds", type=positive, default=3, metavar="N", help="default: %(default)s")
    add("--threads", type=positive, default=64, metavar="N", help="default: %(default)s")
    add(
        "--slow-part",
        type=int,
        default=0,
        metavar="N",
        help="files for the tutorial (default: none)",
    )
    return parser


if __name__ == "__main__":
    command_line.run(main)
