"""Takes the figures of a flow, a hop or a batch at a time, and makes an Insight of them."""

from __future__ import annotations

from functools import partial
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.crews.level import Level
from asyncrgb.pipeline.meters.figures import Figures, insight_between
from asyncrgb.pipeline.workers.orders import Rich
from asyncrgb.pipeline.workers.timing import Clocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.limits import Limits
    from asyncrgb.pipeline.crews.crews import Crews
    from asyncrgb.pipeline.crews.level import Work
    from asyncrgb.pipeline.memory.arena import Arena
    from asyncrgb.pipeline.meters.insight import Insight
    from asyncrgb.pipeline.stream import FileTask
    from asyncrgb.pipeline.writing import Writing


_LOOK_SECONDS: Final = 0.008


class Meter:
    """Stands by a flow.

    Args:
        limits: of the flow.
        arena: where its images are.
        readers: who reads them.
        work: what its workers do.
        writing: the stage of its writers.

    """

    def __init__(
        self,
        limits: Limits,
        arena: Arena,
        readers: Crews[FileTask],
        work: Work,
        writing: Writing,
    ) -> None:
        self._limits = limits
        self._arena = arena
        self._readers, self._writers = readers, writing.crew
        self._work = work
        self._writing = writing
        self._waiting = Level(1)
        self._leased = Level(arena.capacity)
        self._laps = (0.0, 0.0, 0.0)
        self._next_look = 0.0

    def look(self) -> None:
        """Look at what changes with every image, every few milliseconds; to be called often."""
        now = monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        self._waiting.set(self._writing.waiting)
        self._leased.set(self._arena.leased)

    def sample(self, result: Rich | Clocked) -> None:
        """Take the times of one image, if they are known."""
        rich = result.result if isinstance(result, Clocked) else result
        laps = rich.laps if isinstance(rich, Rich) else None
        if laps is None:
            return
        decode, stretch, encode = self._laps
        self._laps = (decode + laps.decode, stretch + laps.stretch, encode + laps.encode)

    def begin(self) -> Callable[[], Insight]:
        """Measure from now on; what this gives sums up."""
        return partial(self.insight, self.read())

    def insight(self, before: Figures) -> Insight:
        """Sum up what has been since ``before``."""
        return insight_between(before, self.read())

    def read(self) -> Figures:
        """Read it."""
        work, readers, writers = self._work, self._readers, self._writers
        decode, stretch, encode = self._laps
        return Figures(
            moment=monotonic(),
            began=work.began,
            loop=thread_time(),
            read=readers.seconds,
            write=writers.seconds,
            busy=work.busy.area(),
            rendered=work.seconds,
            images=work.images,
            decode=decode,
            stretch=stretch,
            encode=encode,
            waiting=self._waiting.area(),
            reads=readers.area,
            reads_at_limit=readers.at_top,
            writes=writers.area,
            writes_at_limit=writers.at_top,
            full=self._leased.at_top(),
            workers=work.workers,
            most_reads=readers.most,
            most_writes=writers.most,
            most_workers=work.busy.most,
            most_leased=self._leased.most,
            reads_allowed=self._limits.reads,
            writes_allowed=self._limits.writes,
            memory=self._arena.capacity,
        )
