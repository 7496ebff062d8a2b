"""kill -9 of the main process, at any moment of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torturing import looking
from torturing.bench import Row
from torturing.command import kill, started

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from torturing.bench import Bench

_SHARES: Final = (0.0, 0.5, 1.0)  # of the pictures, removed so that there is something to do
_LATEST: Final = 1.1  # of the time of an undisturbed run


def run(bench: Bench) -> Row:
    """Kill run after run in the same folder; what they have left is there for the next one."""
    row, draw = Row("kill -9 of the main process"), bench.random("kills")
    out, ends = bench.work / "killed", 0
    for number in range(bench.tries):
        _clear(out, draw)
        ends += _kill(bench, row, draw, out, f"try {number}")
    left = len(looking.debris(out)) if out.exists() else 0
    _rerun(bench, row, out)
    row.remarks = f"{ends} ended before, {left} left-overs of the dead removed by a rerun"
    return row


def _clear(out: Path, draw: Random) -> None:
    """Remove some pictures; the left-overs of the dead stay."""
    share = draw.choice(_SHARES)
    for path in looking.pictures(out):
        if draw.random() < share:
            path.unlink()


def _kill(bench: Bench, row: Row, draw: Random, out: Path, where: str) -> bool:
    """Kill one run, and look; tell whether it had ended before."""
    right = bench.undisturbed()
    with started(bench.source(), out, "--quiet") as its:
        its.wait(draw.uniform(0, right.seconds * _LATEST))
        ended = its.ended
        kill(its.process.pid) if not ended else None
        its.finish(bench.patience)
        row.orphaned += its.orphans()
    row.tries += not ended
    row.lose(where, *looking.faults(out, right.tree))
    return ended


def _rerun(bench: Bench, row: Row, out: Path) -> None:
    with started(bench.source(), out, "--quiet") as its:
        code = its.finish(bench.patience)
        row.orphaned += its.orphans()
        if code != 0:
            row.lose("rerun", f"exit code {code}: {its.said()}")
    row.lose("rerun", *looking.differences(out, bench.undisturbed().tree))
