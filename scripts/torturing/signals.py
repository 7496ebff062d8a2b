"""SIGTERM and SIGINT, at any moment from when they are caught."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from torturing import looking
from torturing.bench import Row
from torturing.command import started

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from torturing.bench import Bench
    from torturing.command import Run

_MOST_SECONDS: Final = 4
_PAUSE: Final = 0.002


def terminate(bench: Bench) -> Row:
    """End runs by SIGTERM."""
    return _run(bench, signal.SIGTERM)


def interrupt(bench: Bench) -> Row:
    """End runs by SIGINT, which a terminal sends to all processes: every other one gets it so."""
    return _run(bench, signal.SIGINT)


def _run(bench: Bench, number: signal.Signals) -> Row:
    row, draw = Row(number.name), bench.random(number.name)
    slowest = 0.0
    for attempt in range(bench.tries):
        out = bench.work / f"{number.name}-{attempt}"
        took = _stop(bench, row, draw, out, attempt)
        slowest = max(slowest, took)
        _rerun(bench, row, out, f"try {attempt}, rerun")
        shutil.rmtree(out)
    row.remarks = f"{bench.tries - row.tries} ended before; the slowest end took {slowest:.1f} s"
    return row


def _stop(bench: Bench, row: Row, draw: Random, out: Path, attempt: int) -> float:
    """Send one run the signal, and look; return how long it took to end."""
    number, group = signal.Signals[row.fault], row.fault == "SIGINT" and attempt % 2 == 0
    right, where = bench.undisturbed(), f"try {attempt}"
    with started(bench.source(), out) as its:
        _wait_until_caught(its, bench.patience)
        its.wait(draw.uniform(0, right.seconds))
        row.tries += _send(its, number, group=group)
        began = time.monotonic()
        its.finish(bench.patience)
        took = time.monotonic() - began
        row.orphaned += its.orphans()
        row.lose(where, *_wrong(bench, its, out, number, took))
    row.lose(where, *looking.faults(out, right.tree), *looking.debris(out))
    return took


def _wait_until_caught(its: Run, seconds: float) -> None:
    """Let Python itself start, which no program can do anything about."""
    until = time.monotonic() + seconds
    while not (its.catches_signals() or its.ended) and time.monotonic() < until:
        time.sleep(_PAUSE)


def _send(its: Run, number: signal.Signals, *, group: bool) -> bool:
    """Send the signal; tell whether the run was there to get it."""
    if its.ended:
        return False
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(its.process.pid, number)
        return True
    return False


def _wrong(bench: Bench, its: Run, out: Path, number: signal.Signals, took: float) -> list[str]:
    """Say what is wrong with the end of a run."""
    code, there, counted = its.process.returncode, len(looking.pictures(out)), its.counted("conv")
    codes = {128 + number} if there < bench.count else {0, 128 + number}
    checks = {
        f"exit code {code}: {its.said()}": code in codes,
        f"it took {took:.1f} s to end": took <= _MOST_SECONDS,
        f"the summary counts {counted}, {there} are there": (counted or 0) == there,
        its.said(): "Traceback" not in its.said(),
    }
    return [what for what, right in checks.items() if not right]


def _rerun(bench: Bench, row: Row, out: Path, where: str) -> None:
    with started(bench.source(), out, "--quiet") as its:
        code = its.finish(bench.patience)
        row.orphaned += its.orphans()
        if code != 0:
            row.lose(where, f"exit code {code}: {its.said()}")
    row.lose(where, *looking.differences(out, bench.undisturbed().tree))
