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
_HEAD: Final = """
| command | images/s (min to max) | of the plain one | start-up of the cluster |
| --- | ---: | ---: | ---: |"""


class _Run(NamedTuple):
    """One command, from before its start to its end.

    Attributes:
        rate: chips a second, the start-up of a cluster apart.
        start: seconds that this took.

    """

    rate: float
    start: float


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
    if f"{count} converted" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    at_hand = _AT_HAND.search(done.stderr)
    start = float(at_hand[1]) if at_hand else 0.0
    return _Run(count / (seconds - start), start)


def _line(name: str, runs: Sequence[_Run], plain: Sequence[float]) -> str:
    rates = [run.rate for run in runs]
    ratio = median(rate / other for rate, other in zip(rates, plain, strict=True))
    start = median(run.start for run in runs)
    spread = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    return f"| `{name}` | {spread} | {ratio:.2f} | {f'{start:.1f} s' if start else ''} |"
