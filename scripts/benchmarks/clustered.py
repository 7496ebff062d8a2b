"""The command beside itself with several event loops, and on a Dask cluster of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT_HAND: Final = re.compile(r"at hand after ([\d.]+) s")
_WAYS: Final = {
    "asyncrgb": (),
    "--shards 2": ("--shards", "2"),
    "--dask local": ("--dask", "local"),
}
_SUMMARY: Final = re.compile(r"failed in ([\d.]+) s")
_HEAD: Final = """
| command | images/s (min to max) | of the plain one | start-up of a cluster | all else |
| --- | ---: | ---: | ---: | ---: |"""


class _Run(NamedTuple):
    """One command.

    Attributes:
        rate: chips a second, as its summary says: from when it begins to its last picture.
        start: seconds until a cluster was at hand.
        rest: seconds of the whole process besides.

    """

    rate: float
    start: float
    rest: float


def show(source: str, work: str, workers: int, count: int, rounds: int) -> None:
    """Print a table: whole commands, in turn; the start-up of the cluster by itself.

    Args:
        source: folder of the chips.
        work: where the results go.
        workers: how many render in all.
        count: number of chips.
        rounds: how often each takes its turn, after a first time that warms up the machine.

    """
    runs: dict[str, list[_Run]] = {name: [] for name in _WAYS}
    for number in range(rounds + 1):
        for name, options in _WAYS.items():
            run = _run(source, work, [f"--workers={workers}", *options], count)
            print(f"{name}: {run.rate:,.0f} chips/s", file=sys.stderr, flush=True)
            if number:
                runs[name].append(run)
    print(_HEAD)
    plain = [run.rate for run in runs["asyncrgb"]]
    for name, found in runs.items():
        print(_line(name, found, plain))


def _run(source: str, work: str, options: Sequence[str], count: int) -> _Run:
    results = tempfile.mkdtemp(dir=work)
    command = [sys.executable, "-m", "asyncrgb", source, results, *options]
    began = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    seconds = perf_counter() - began
    summary, at_hand = _SUMMARY.search(done.stdout), _AT_HAND.search(done.stderr)
    if f"{count} converted" not in done.stdout or summary is None:
        raise RuntimeError(done.stdout + done.stderr)
    run, start = float(summary[1]), float(at_hand[1]) if at_hand else 0.0
    return _Run(count / run, start, seconds - run - start)


def _line(name: str, runs: Sequence[_Run], plain: Sequence[float]) -> str:
    rates = [run.rate for run in runs]
    ratio = median(rate / other for rate, other in zip(rates, plain, strict=True))
    start, rest = median(run.start for run in runs), median(run.rest for run in runs)
    spread = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    first = f"{start:.1f} s" if start else ""
    return f"| `{name}` | {spread} | {ratio:.2f} | {first} | {rest:.1f} s |"
