"""Takes the figures of a flow, a hop or a batch at a time, and makes an Insight of them."""

from __future__ import annotations

from time import monotonic, thread_time
from typing import TYPE_CHECKING, NamedTuple

from asyncrgb.pipeline.insight import Insight
from asyncrgb.pipeline.level import Level
from asyncrgb.pipeline.timing import Clocked
from asyncrgb.pipeline.worker import Rich

if TYPE_CHECKING:
    from asyncrgb.options import Limits
    from asyncrgb.pipeline.arena import Arena
    from asyncrgb.pipeline.crews import Crews
    from asyncrgb.pipeline.level import Work
    from asyncrgb.pipeline.stream import FileTask
    from asyncrgb.pipeline.writing import Writing


class Figures(NamedTuple):
    """What the meter shows at one moment: sums since the beginning."""

    moment: float
    loop: float
    read: float
    write: float
    busy: float  # workers, as the event loop sees it
    rendered: float  # seconds, as they see it
    images: int
    decode: float
    stretch: float
    encode: float
    waiting: float
    reads: float
    reads_at_limit: float
    writes: float
    writes_at_limit: float
    full: float


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

    def look(self) -> None:
        """Look at what changes with every image; once in a hop."""
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

    def read(self) -> Figures:
        """Read it."""
        work, readers, writers = self._work, self._readers, self._writers
        return Figures(
            monotonic(),
            thread_time(),
            readers.seconds,
            writers.seconds,
            work.busy.area(),
            work.seconds,
            work.images,
            *self._laps,
            self._waiting.area(),
            readers.area,
            readers.at_top,
            writers.area,
            writers.at_top,
            self._leased.at_top(),
        )

    def insight(self, before: Figures) -> Insight:
        """Sum up what has been since ``before``."""
        now, limits = self.read(), self._limits
        seconds = now.moment - before.moment
        began = max(before.moment, self._work.began or now.moment)
        working = max(now.moment - began, 1e-9)
        images = now.images - before.images
        workers = self._work.workers
        rendered = now.rendered - before.rendered or now.busy - before.busy
        sampled = now.decode + now.stretch + now.encode or 1.0
        return Insight(
            seconds=seconds,
            working_seconds=working,
            images=images,
            workers=workers,
            reads=limits.reads,
            writes=limits.writes,
            memory=self._arena.capacity,
            read_seconds=now.read - before.read,
            read_wait_seconds=max(0.0, workers * working - (now.busy - before.busy)),
            decode_seconds=rendered * now.decode / sampled,
            stretch_seconds=rendered * now.stretch / sampled,
            encode_seconds=rendered * now.encode / sampled,
            render_seconds=rendered,
            write_wait_seconds=now.waiting - before.waiting,
            write_seconds=now.write - before.write,
            loop_seconds=now.loop - before.loop,
            reads_in_flight=(now.reads - before.reads) / working,
            writes_in_flight=(now.writes - before.writes) / working,
            most_reads=self._readers.most,
            most_writes=self._writers.most,
            most_workers=self._work.busy.most,
            most_leased=self._leased.most,
            worker_share=min(1.0, (now.busy - before.busy) / (workers * working)),
            reads_share=min(1.0, (now.reads_at_limit - before.reads_at_limit) / working),
            writes_share=min(1.0, (now.writes_at_limit - before.writes_at_limit) / working),
            memory_share=min(1.0, (now.full - before.full) / working),
            loop_share=min(1.0, (now.loop - before.loop) / working),
        )
