"""Runs: one contender, some chips, a fresh folder, and what came of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from benchmarks import chips, measure

if TYPE_CHECKING:
    from benchmarks.contenders import Contender

_CHECKED: Final = 20
_START_SECONDS: Final = 60
_SLOWEST_PER_CHIP: Final = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        contender: its name.
        round: from 1; 0: memory was sampled, and time means nothing.
        files: number of chips, and of results.
        usage: seconds and bytes of memory.
        mean_bytes: mean size of the results.
        median_bytes: their median size.

    """

    contender: str
    round: int
    files: int
    usage: measure.Usage
    mean_bytes: float
    median_bytes: float

    @property
    def rate(self) -> float:
        """Chips per second."""
        return self.files / self.usage.seconds


@dataclass(slots=True)
class Track:
    """Where the runs go on.

    Attributes:
        work: folder for everything.
        source: folder with the chips.
        workers: processes or threads that a contender may use.
        kept: some results of each contender, with their chips, for a look at the pixels.
        failed: contenders that have failed.

    """

    work: Path
    source: Path
    workers: int
    kept: dict[str, list[tuple[Path, bytes]]] = field(default_factory=dict)
    failed: list[Contender] = field(default_factory=list)

    def run(self, contender: Contender, files: int, number: int) -> Run:
        """Let ``contender`` convert ``files`` chips into a fresh folder; sample memory in round 0.

        Raises:
            RunError: it failed, or results are missing.

        """
        source = chips.subset(self.source, files)
        results = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=self.work))
        usage = measure.run(
            contender.command(str(source), str(results), self.workers),
            sampled=number == 0,
            timeout=_START_SECONDS + _SLOWEST_PER_CHIP * files,
        )
        mean_bytes, median_bytes = _sizes(results, files)
        self._keep(contender.name, source, results)
        if chips.in_memory(results):
            shutil.rmtree(results)  # elsewhere at the very end: ext4 is slow after deletions
        return Run(contender.name, number, files, usage, mean_bytes, median_bytes)

    def _keep(self, name: str, source: Path, results: Path) -> None:
        if name not in self.kept:
            found = sorted(source.glob("*/*.tif"))
            some = found[:: max(1, len(found) // _CHECKED)]
            self.kept[name] = [(chip, (results / f"{chip.stem}.png").read_bytes()) for chip in some]


def _sizes(results: Path, files: int) -> tuple[float, float]:
    """Return mean and median size of the PNGs."""
    with os.scandir(results) as entries:
        sizes = [entry.stat().st_size for entry in entries if entry.name.endswith(".png")]
    if len(sizes) != files:
        raise measure.RunError(f"{len(sizes)} results of {files} chips")
    return fmean(sizes), median(sizes)
