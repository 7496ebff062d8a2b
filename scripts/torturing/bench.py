"""What all rigs share: the chips, an undisturbed run to compare with, and the row to return."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncrgb
from torturing import looking
from torturing.command import started

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Row:
    """What came of a fault.

    Attributes:
        fault: its name.
        tries: how often it was caused.
        lost: what was lost or wrong, a line each.
        orphaned: processes that outlived their run.
        seconds: all of it together.
        remarks: what else to know.

    """

    fault: str
    tries: int = 0
    lost: list[str] = field(default_factory=list)
    orphaned: int = 0
    seconds: float = 0.0
    remarks: str = ""

    def lose(self, where: str, *what: str) -> None:
        """Note what is wrong, and say so at once."""
        for each in what:
            self.lost.append(f"{self.fault}, {where}: {each}")
            print(self.lost[-1], file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A run that nothing happened to.

    Attributes:
        tree: its files, by name.
        seconds: what it took.

    """

    tree: looking.Tree
    seconds: float


@dataclass(slots=True)
class Bench:
    """Where the rigs work, and how much.

    Attributes:
        work: folder for everything.
        count: number of chips.
        tries: how often each fault is caused.
        mutants: number of damaged files.
        seed: of all that is random.
        keep: folder for files that did harm; None: they are not kept.

    """

    work: Path
    count: int = 2000
    tries: int = 20
    mutants: int = 10_000
    seed: int = 0
    keep: Path | None = None
    _undisturbed: dict[tuple[str, ...], Undisturbed] = field(default_factory=dict)

    @property
    def patience(self) -> float:
        """Seconds after which a run hangs: many times what the slowest takes."""
        return 60 + self.count * 0.03

    def random(self, fault: str) -> random.Random:
        """Give the random numbers of a rig, which do not depend on those before it."""
        return random.Random(f"{self.seed} {fault}")  # noqa: S311 - to be repeatable

    def source(self) -> Path:
        """Give the chips, made when first needed."""
        folder = self.work / "chips"
        if not folder.exists():
            asyncrgb.write_samples(folder, self.count, seed=self.seed)
        return folder

    def undisturbed(self, *options: str) -> Undisturbed:
        """Give the run that nothing happens to."""
        if options not in self._undisturbed:
            self._undisturbed[options] = self._run(options)
        return self._undisturbed[options]

    def _run(self, options: tuple[str, ...]) -> Undisturbed:
        source, out = self.source(), self.work / f"undisturbed-{len(self._undisturbed)}"
        began = time.monotonic()
        with started(source, out, "--quiet", *options) as run:
            code, said = run.finish(self.patience), run.said()
        seconds = time.monotonic() - began
        tree = looking.tree(out)
        if code != 0 or len(looking.pictures(out)) != self.count:
            raise SystemExit(f"torture: the undisturbed run has failed:\n{code}, {said}")
        return Undisturbed(tree, seconds)
