"""Scenes: every contender makes a picture of each of some large TIFFs, taking turns.

Bytes read are those that the kernel counts for a run and all its processes, less what the same
contender reads besides a tiny scene: its own modules and the like.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import measure, scenes_report, scenes_warm
from benchmarks.scenes_contenders import ASYNCRGB, CONTENDERS, SceneContender
from benchmarks.scenes_kinds import KINDS, MAX_SIZE, TINY, Kind, Size
from benchmarks.scenes_report import Comparison, SceneRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMEOUT: Final = 1200  # seconds
_COUNTS: Final = "/proc/self/io"


@dataclass(slots=True)
class Course:
    """Where the runs go on.

    Attributes:
        work: folder for the pictures.
        kept: folder of the scenes.
        small: width and height of small scenes.
        large: those of large ones.
        workers: processes that asyncrgb may use.
        rounds: timed ones; one more ahead of them samples memory and looks at the pixels.
        failed: what has failed.

    """

    work: Path
    kept: Path
    small: Size
    large: Size
    workers: int
    rounds: int
    failed: list[str] = field(default_factory=list)

    def compare(self, kind: Kind, contenders: Sequence[SceneContender]) -> Comparison:
        """Let the contenders take turns on one kind of scene."""
        width, height = kind.size(self.small, self.large)
        say(f"{kind.name}: a scene of {width} x {height} x {kind.bands}, made unless it is there")
        scene, tiny = (kind.prepare(self.kept, size) for size in ((width, height), TINY))
        runs = list(self._rounds(kind, scene, tiny, contenders))
        what = f"{width} x {height} x {kind.bands}, {kind.does}"
        warm = self._warm(kind, scene) if any(its.name == ASYNCRGB for its in contenders) else ""
        needed = kind.needed(scene)
        comparison = Comparison(kind.name, what, os.path.getsize(scene), needed, runs, warm)
        if self.kept.is_relative_to(self.work):
            os.unlink(scene)
        return comparison

    def _warm(self, kind: Kind, scene: str) -> str:
        """Say what more workers gain, apart from start-up."""
        say(f"{kind.name}: warm, with one worker and with {self.workers}")
        with tempfile.TemporaryDirectory(prefix="warm-", dir=self.work) as folder:
            picture, side = os.path.join(folder, "picture.png"), MAX_SIZE if kind.reduced else 0
            return scenes_warm.told(scene, picture, side, self.rounds, self.workers)

    def _rounds(
        self, kind: Kind, scene: str, tiny: str, contenders: Sequence[SceneContender]
    ) -> Iterator[SceneRun]:
        """Yield all runs; who fails is left out from then on."""
        taking_part = list(contenders)
        own: dict[str, int] = {}
        for number in range(self.rounds + 1):
            for contender in tuple(taking_part):
                try:
                    run = self._run(kind, scene, contender, number)
                    if number == 0:
                        own[contender.name] = self._read_besides(kind, tiny, contender)
                except measure.RunError as error:
                    taking_part.remove(contender)
                    self.failed.append(f"{kind.name}: {contender.name}: {error}")
                    say(f"{kind.name}: {contender.name} failed and is left out: {error}")
                else:
                    say(f"{kind.name}: {scenes_report.told(run, self.rounds)}")
                    yield replace(run, read_bytes=run.read_bytes - own[contender.name])

    def _read_besides(self, kind: Kind, tiny: str, contender: SceneContender) -> int:
        run = self._run(kind, tiny, contender, 1, contender.tiny)
        return run.read_bytes - kind.needed(tiny)

    def _run(
        self,
        kind: Kind,
        scene: str,
        contender: SceneContender,
        number: int,
        options: Sequence[str] = (),
    ) -> SceneRun:
        """Have one picture made in a fresh folder; look at it in round 0."""
        with tempfile.TemporaryDirectory(prefix=f"{contender.name}-", dir=self.work) as folder:
            picture = os.path.join(folder, "picture.png")
            side = MAX_SIZE if kind.reduced else 0
            command = [*contender.command(scene, picture, side, self.workers), *options]
            before = bytes_read()
            usage = measure.run(command, sampled=number == 0, timeout=_TIMEOUT)
            read = bytes_read() - before
            if not os.path.exists(picture):
                raise measure.RunError("there is no picture")
            difference = _difference(scene, picture, side) if number == 0 else None
            return SceneRun(
                contender.name, number, usage, os.path.getsize(picture), read, difference
            )


def bytes_read() -> int:
    """Return how many bytes we and the children that we waited for have read, by any call."""
    for line in Path(_COUNTS).read_text().splitlines():
        name, _, count = line.partition(": ")
        if name == "rchar":
            return int(count)
    raise OSError(f"{_COUNTS}: it has no rchar: this needs Linux with task I/O accounting")


def _difference(scene: str, picture: str, side: int) -> int | None:
    """Return the largest difference from the formula; None for a quick look, which has none."""
    from benchmarks import scenes_pixels  # noqa: PLC0415 - else numpy's pages were shared with all

    if not side:
        return scenes_pixels.largest_difference(scene, picture)
    found = scenes_pixels.longest_side(picture)
    if found > side:
        raise measure.RunError(f"the longest side of the picture is {found}, not {side}")
    return None


def installed(names: Sequence[str] | None) -> list[SceneContender]:
    """Return who can take part, and say who cannot."""
    chosen = [its for name, its in CONTENDERS.items() if not names or name in names]
    for contender in chosen:
        if contender.missing():
            print(f"left out: {contender.name}: {contender.missing()}")
    return [contender for contender in chosen if not contender.missing()]


def room(kinds: Sequence[str], small: Size, large: Size) -> int:
    """Return how many bytes the largest of the scenes and its picture may take."""
    sizes = [(KINDS[name].size(small, large), KINDS[name].bands) for name in kinds]
    return max(width * height * (3 * bands + 6) for (width, height), bands in sizes)


def compare(course: Course, kinds: Sequence[str], only: Sequence[str] | None) -> int:
    """Compare the contenders on some kinds of scenes, print tables; return 1 if one failed."""
    contenders = installed(only)
    for name in kinds:
        print(f"\n{scenes_report.table(course.compare(KINDS[name], contenders))}", flush=True)
    for failure in course.failed:
        print(f"failed: {failure}")
    return 1 if course.failed else 0


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)
