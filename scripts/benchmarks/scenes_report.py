"""Figures from runs on scenes, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.report import laid_out, megabytes
from benchmarks.scenes_contenders import ASYNCRGB, GDAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.measure import Usage

_HEAD = (
    *("contender", "seconds", "min-max", "asyncrgb is", "CPU s", "peak MB"),
    *("PNG MB", "of gdal's", "pixels", "read MB", "of needed", "of file"),
)


@dataclass(frozen=True, slots=True)
class SceneRun:
    """One run.

    Attributes:
        contender: its name.
        round: from 1; 0: memory was sampled, and time means nothing.
        usage: seconds and bytes of memory.
        picture_bytes: size of the PNG.
        read_bytes: what was read in all.
        difference: largest difference of a pixel from the formula; 0: exact; None: not looked at.

    """

    contender: str
    round: int
    usage: Usage
    picture_bytes: int
    read_bytes: int
    difference: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs on one scene.

    Attributes:
        kind: its name.
        what: the scene in words.
        file_bytes: its size.
        needed_bytes: what of it has to be read.
        runs: in the order in which they went on.
        warm: what more workers gain, apart from start-up, in a line.

    """

    kind: str
    what: str
    file_bytes: int
    needed_bytes: int
    runs: Sequence[SceneRun]
    warm: str = ""

    def of(self, contender: str) -> list[SceneRun]:
        """Return the runs of one contender."""
        return [run for run in self.runs if run.contender == contender]

    @property
    def finished(self) -> list[str]:
        """Who has finished a timed round, in the order of the table."""
        return list(dict.fromkeys(run.contender for run in self.runs if run.round))


def told(run: SceneRun, rounds: int) -> str:
    """Tell of one run as soon as it is over."""
    if run.round:
        return f"round {run.round} of {rounds}: {run.contender}: {run.usage.seconds:.2f} s"
    return f"memory: {run.contender}: {megabytes(run.usage.peak_bytes)} MB"


def table(its: Comparison) -> str:
    """Lay out a comparison as Markdown that can be read as it is."""
    title = f"{its.kind}: {its.what}; {megabytes(its.file_bytes)} MB"
    needed = f"{megabytes(its.needed_bytes)} MB of it needed"
    if not its.finished:
        return f"{title}\n\nno figures: all have failed"
    rows = [_HEAD, *(_cells(its, name) for name in its.finished)]
    laid = "\n".join(laid_out(rows))
    return f"{title}, {needed}\n\n{laid}\n\n{its.warm}".rstrip()


def _cells(its: Comparison, name: str) -> tuple[str, ...]:
    runs = its.of(name)
    seconds = list(_seconds(its, name).values())
    read = median(run.read_bytes for run in runs if run.round)
    size = runs[-1].picture_bytes
    gdal = [run.picture_bytes for run in its.of(GDAL)]
    return (
        name,
        f"{median(seconds):.2f}",
        f"{min(seconds):.2f}-{max(seconds):.2f}",
        _times(_seconds(its, ASYNCRGB), _seconds(its, name)),
        f"{median(run.usage.cpu_seconds for run in runs if run.round):.2f}",
        megabytes(runs[0].usage.peak_bytes),
        f"{size / 1e6:,.2f}",
        f"{size / gdal[-1]:.3f}" if gdal else "-",
        _pixels(runs[0].difference),
        f"{read / 1e6:,.1f}",
        f"{read / its.needed_bytes:.1%}",
        f"{read / its.file_bytes:.1%}",
    )


def _seconds(its: Comparison, name: str) -> dict[int, float]:
    return {run.round: run.usage.seconds for run in its.of(name) if run.round}


def _times(ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    """Say how many times as fast asyncrgb is: the median of the rounds that both have run."""
    ratios = [seconds / ours[number] for number, seconds in theirs.items() if number in ours]
    return f"{median(ratios):.2f} x" if ratios else "-"


def _pixels(difference: int | None) -> str:
    if difference is None:
        return "-"
    return f"differ by {difference}" if difference else "exact"
