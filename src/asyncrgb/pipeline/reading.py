"""The first stage: jobs claimed one by one and read into the arena."""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from asyncrgb.imaging.reading.refusals import OversizedError
from asyncrgb.pipeline.crew import Crew
from asyncrgb.pipeline.files import bare
from asyncrgb.pipeline.outcomes import Failed
from asyncrgb.pipeline.strength import Demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.stream import FileTask, Stream


class Reading:
    """Readers that take the jobs of all open streams in turn.

    A job that finds no room in the arena is held and comes first once there is room, so
    that a large file is not passed over for ever by small ones.

    Args:
        means: where files are read from and to.
        limit: most hops at once.
        appetite: what the next stage wants: more readers, as many, or fewer.
        deliver: takes what a hop has read; a task that has an outcome needs nothing more.

    """

    def __init__(
        self,
        *,
        means: Means,
        limit: int,
        appetite: Callable[[], Demand],
        deliver: Callable[[list[FileTask]], None],
    ) -> None:
        self.crew = Crew(
            step=self._step,
            demand=self._demand,
            things=self._things,
            deliver=self._take_note,
            limit=limit,
            means=means,
        )
        self._storage = means.storage
        self._arena = means.arena
        self._appetite = appetite
        self._deliver = deliver
        self._streams: tuple[Stream, ...] = ()  # replaced as a whole: threads go through it
        self._turn = 0
        self._claiming = Lock()
        self._held: deque[FileTask] = deque()
        self._held_at = -1

    @property
    def held(self) -> int:
        """Number of jobs that wait for room."""
        return len(self._held)

    def open(self, stream: Stream) -> None:
        """Take jobs from ``stream`` too."""
        self._streams = (*self._streams, stream)

    def close(self, stream: Stream) -> None:
        """Take no more jobs from ``stream``."""
        self._streams = tuple(each for each in self._streams if each is not stream)

    def again(self, task: FileTask) -> None:
        """Read the file of ``task`` once more, before all others."""
        self._held.append(task)

    def _take_note(self, tasks: list[FileTask]) -> None:
        for stream in self._streams:
            stream.claimed()
        self._deliver(tasks)

    def _things(self) -> int:
        """Count the jobs that there is room for: who opens a file in vain has to do it again."""
        jobs = len(self._held) + sum(len(each.pending) for each in self._streams)
        return min(jobs, self._arena.vacant - len(self.crew))

    def _demand(self) -> Demand:
        if self._arena.full:
            return Demand.LESS
        if self._held:
            return Demand.NONE if self._held_at == self._arena.returns else self._appetite()
        claimable = any(stream.claimable for stream in self._streams)
        return self._appetite() if claimable else Demand.NONE

    def _step(self) -> FileTask | None:
        """Read one file; runs on a thread."""
        if self._arena.full:
            return None
        task = self._claim()
        return task if task is not None and self._read(task) else None

    def _claim(self) -> FileTask | None:
        with self._claiming:
            if self._held:
                return self._held.popleft()
            streams = self._streams
            for _ in streams:
                self._turn += 1
                stream = streams[self._turn % len(streams)]
                try:
                    if stream.claimable:
                        return stream.pending.popleft()
                except IndexError:  # the stream has just been told to end
                    continue
        return None

    def _read(self, task: FileTask) -> bool:
        """Read the file of ``task`` or settle its outcome; False if it is held instead."""
        if not task.wanted:
            return True
        returns = self._arena.returns
        began = perf_counter() if task.times is not None else 0.0
        try:
            place = self._storage.read_into(self._arena, task.job.source)
        except OversizedError:
            return True  # without an extent: it is converted part by part
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a job costs that job
            _note(task, began)
            task.settle(Failed(task.job.source, bare(error)))
            return True
        if place is None:
            self._held.append(task)
            self._held_at = returns
            return False
        task.extent, task.length = place
        if began:
            _note(task, began)
        return True


def _note(task: FileTask, began: float) -> None:
    """Add to the times of a task, if they are wanted, that it was read."""
    times = task.times
    if times is not None:
        times.begun = times.begun or began
        times.read += perf_counter() - began
        times.read_bytes = task.length
