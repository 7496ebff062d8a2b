"""Figures from runs, and how they are shown."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ASYNCRGB

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.trial import Run

_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table.

    Attributes:
        contender: its name.
        files: number of chips in a run.
        rates: chips per second, a value a round.
        ratio: how many times as fast asyncrgb is, median of the rounds; None: it did not run.
        cpu_seconds: processor time of a run, median.
        peak_bytes: peak memory of all its processes.
        mean_bytes: mean size of the results.
        median_bytes: their median size.
        difference: largest difference of a pixel from the formula; 0: exact; None: it shows
            something else.

    """

    contender: str
    files: int
    rates: tuple[float, ...]
    ratio: float | None
    cpu_seconds: float
    peak_bytes: int
    mean_bytes: float
    median_bytes: float
    difference: int | None

    @property
    def rate(self) -> float:
        """Chips per second, median of the rounds."""
        return median(self.rates)


def figures(runs: Iterable[Run], differences: Mapping[str, int | None]) -> list[Figures]:
    """Sum up the runs of each contender that has finished a timed round."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.contender, []).append(run)
    ours = _rates(by_name.get(ASYNCRGB, []))
    return [
        _summed_up(its, ours, differences[name]) for name, its in by_name.items() if _rates(its)
    ]


def _summed_up(runs: Sequence[Run], ours: Mapping[int, float], difference: int | None) -> Figures:
    rates = _rates(runs)
    ratios = [ours[number] / rate for number, rate in rates.items() if number in ours]
    last = runs[-1]
    return Figures(
        last.contender,
        last.files,
        tuple(rates.values()),
        median(ratios) if ratios else None,
        median(run.usage.cpu_seconds for run in runs if run.round),
        max(run.usage.peak_bytes for run in runs),
        last.mean_bytes,
        last.median_bytes,
        difference,
    )


def _rates(runs: Iterable[Run]) -> dict[int, float]:
    return {run.round: run.rate for run in runs if run.round}


def table(lines: Sequence[Figures]) -> str:
    """Lay out ``lines`` as Markdown that can be read as it is."""
    head = (
        *("contender", "files", "chips/s", "min-max", "asyncrgb is", "CPU µs/chip"),
        *("peak MB", "PNG mean", "median", "pixels"),
    )
    shown = laid_out([head, *map(_cells, lines)])
    if len({line.files for line in lines}) > 1:
        shown += ["", "Not all were given as many files: start-up weighs more on fewer."]
    return "\n".join(shown)


def laid_out(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, the first of ``rows`` as its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [_line(row, widths) for row in (rows[0], rules, *rows[1:])]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return " | ".join((first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)))


def _cells(its: Figures) -> tuple[str, ...]:
    return (
        its.contender,
        f"{its.files:,}",
        f"{its.rate:,.0f}",
        f"{min(its.rates):,.0f}-{max(its.rates):,.0f}",
        "-" if its.ratio is None else f"{its.ratio:.2f} x",
        f"{1e6 * its.cpu_seconds / its.files:,.0f}",
        megabytes(its.peak_bytes),
        f"{its.mean_bytes:,.0f}",
        f"{its.median_bytes:,.0f}",
        _pixels(its.difference),
    )


def _pixels(difference: int | None) -> str:
    if difference is None:
        return "other"
    return f"differ by {difference}" if difference else "exact"


def megabytes(size: float) -> str:
    """Show a number of bytes."""
    return f"{size / _MEGABYTE:,.0f}"


def header(arguments: Sequence[str], **facts: object) -> dict[str, str]:
    """Return what a reader must know to judge the figures."""
    return {
        "command": shlex.join(["python", "scripts/benchmark.py", *map(_anywhere, arguments)]),
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "processor": f"{_processor()}, {cores()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        **{name: str(fact) for name, fact in facts.items()},
    }


def _anywhere(argument: str) -> str:
    """Leave out what says more of this machine than of the run."""
    option, equals, value = argument.rpartition("=")
    return f"{option}{equals}{Path(value).name if os.path.isabs(value) else value}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    names = (line.split(":", 1)[1] for line in text.splitlines() if line.startswith("model name"))
    return " ".join(next(names, platform.machine()).split())


def cores() -> int:
    """Count the processors that may be used."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def dump(file: str, facts: Mapping[str, str], lines: Sequence[Figures], runs: list[Run]) -> None:
    """Write everything to ``file`` as JSON."""
    content: dict[str, Any] = {
        "header": facts,
        "figures": [{**asdict(line), "rate": line.rate} for line in lines],
        "runs": [{**asdict(run), "rate": run.rate} for run in runs],
    }
    Path(file).write_text(json.dumps(content, indent=1) + "\n")
