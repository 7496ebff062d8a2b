"""kill -9 of workers, many times in a run."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from torturing import looking
from torturing.bench import Row
from torturing.command import kill, started

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from torturing.bench import Bench
    from torturing.command import Run

_SLOW: Final = ("--compress-level", "9")
_SHORTEST: Final = 0.02
_LONGEST: Final = 0.6


def run(bench: Bench) -> Row:
    """Kill workers until there were enough, in one run or, if that is too short, in several."""
    row, draw = Row("kill -9 of workers"), bench.random("workers")
    runs = failed = 0
    while row.tries < bench.tries and runs <= bench.tries:
        failed += _one(bench, row, draw, runs)
        runs += 1
    if row.tries < bench.tries:
        row.lose("all", f"only {row.tries} workers were there to be killed")
    row.remarks = f"in {runs} runs; {failed} sources failed for it"
    return row


def _one(bench: Bench, row: Row, draw: Random, number: int) -> int:
    """Convert all chips while workers die; return how many failed."""
    out, report = bench.work / f"workers-{number}", bench.work / f"workers-{number}.jsonl"
    before, where = row.tries, f"run {number}"
    with started(bench.source(), out, "--quiet", "--report", report, *_SLOW) as its:
        _kill_some(its, row, draw, bench.tries)
        code = its.finish(bench.patience)
        row.orphaned += its.orphans()
        if code not in {0, 1}:
            row.lose(where, f"exit code {code}: {its.said()}")
    outcomes = _outcomes(bench, row, report, where)
    right = bench.undisturbed(*_SLOW).tree
    row.lose(where, *looking.faults(out, right), *looking.debris(out))
    row.lose(where, *_miscounted(outcomes, code, len(looking.pictures(out)), row.tries - before))
    return outcomes["failed"]


def _kill_some(its: Run, row: Row, draw: Random, most: int) -> None:
    while row.tries < most and not its.ended:
        its.wait(draw.uniform(_SHORTEST, _LONGEST))
        workers = its.workers()
        if workers and not its.ended:
            row.tries += kill(draw.choice(workers).pid)


def _outcomes(bench: Bench, row: Row, report: Path, where: str) -> Counter[str]:
    """Count the outcomes, and see that each source has exactly one."""
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    named = Counter(str(line["source"]) for line in lines)
    sources = {str(path) for path in bench.source().rglob("*.tif")}
    row.lose(where, *(f"{name} is not accounted for" for name in sorted(sources - named.keys())))
    row.lose(where, *(f"{name}: {count} outcomes" for name, count in named.items() if count > 1))
    return Counter(str(line["outcome"]) for line in lines)


def _miscounted(outcomes: Counter[str], code: int | None, there: int, killed: int) -> list[str]:
    """Say which numbers do not fit together."""
    checks = {
        f"{outcomes['failed']} failed for {killed} kills": outcomes["failed"] <= killed,
        f"{outcomes['converted']} converted, {there} there": outcomes["converted"] == there,
        f"exit code {code} with {outcomes['failed']} failed": code == int(outcomes["failed"] > 0),
    }
    return [what for what, right in checks.items() if not right]
