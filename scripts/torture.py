"""Cause faults for real, many times over, and look at what is left after each.

    python scripts/torture.py --tries 20 --mutants 10000 --keep harmful

  kills     kill -9 of the main process at any moment of its run: what is there under a final
            name is whole and right, no process outlives it, and a rerun completes the folder
            and leaves nothing behind
  workers   kill -9 of workers: each source is accounted for once, and at most as many
            fail as were killed
  disk      a disk that is too small: the run says so, and goes on when there is room (root)
  mutants   damaged TIFFs: each gives a picture or an error in 5 s and 1 GB, and no crash
  sigterm   SIGTERM at any moment: an end in 4 s, a summary that is true, nothing left behind
  sigint    the same with SIGINT, to the main process and to all processes in turn

Prints a table in the end; exits with 1 if anything was lost, wrong or orphaned. In full it takes
about five minutes on two processors. Needs the dependency group ``test``, and Linux.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import command_line
from command_line import names_of, positive
from torturing import full_disk, kills, mutants, signals, workers
from torturing.bench import Bench, Row
from torturing.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Rig: TypeAlias = Callable[[Bench], Row]

RIGS: Final[dict[str, Rig]] = {
    "kills": kills.run,
    "workers": workers.run,
    "disk": full_disk.run,
    "mutants": mutants.run,
    "sigterm": signals.terminate,
    "sigint": signals.interrupt,
}


def main(arguments: Sequence[str]) -> int:
    """Run the rigs; return 1 if anything was lost or orphaned."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="asyncrgb-torture-") as work:
        bench = Bench(
            Path(work), options.count, options.tries, options.mutants, options.seed, options.keep
        )
        rows = [timed(RIGS[name], bench) for name in options.only or RIGS]
    print(table(rows))
    return int(any(row.lost or row.orphaned for row in rows))


def timed(rig: Rig, bench: Bench) -> Row:
    """Run one rig, and say what came of it."""
    bench.undisturbed()
    began = time.monotonic()
    row = rig(bench)
    row.seconds = time.monotonic() - began
    print(f"{row.fault}: {row.seconds:.0f} s", file=sys.stderr, flush=True)
    return row


def _parser() -> argparse.ArgumentParser:
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary,
        epilog=rest.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--count",
        type=positive,
        default=2000,
        metavar="N",
        help="chips (default: %(default)s)",
    )
    add(
        "--tries",
        type=positive,
        default=20,
        metavar="N",
        help="of each (default: %(default)s)",
    )
    add(
        "--mutants",
        type=positive,
        default=10_000,
        metavar="N",
        help="default: %(default)s",
    )
    add("--only", type=names_of(RIGS), metavar="NAME,NAME", help="these faults")
    add("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")
    add("--keep", type=Path, metavar="DIR", help="where to save mutants that did harm")
    return parser


if __name__ == "__main__":
    command_line.run(main)
