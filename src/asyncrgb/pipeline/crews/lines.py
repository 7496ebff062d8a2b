"""Jobs in line to be read, of all open streams, from one kind of storage."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from asyncrgb.pipeline.crews.strength import Demand

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from asyncrgb.pipeline.memory.arena import Arena
    from asyncrgb.pipeline.stream import FileTask, Stream


class Line:
    """Jobs that readers claim one by one, from the streams in turn; on any thread.

    A job that finds no room in the arena is held and comes first once there is room, so
    that a large file is not passed over for ever by small ones.

    Args:
        kind: number of the line in a stream.
        arena: where files are read to.
        appetite: what the next stage wants: more readers, as many, or fewer.

    Attributes:
        streams: those that are open; replaced as a whole, as threads go through them.

    """

    def __init__(self, kind: int, arena: Arena, appetite: Callable[[], Demand]) -> None:
        self._kind = kind
        self._arena = arena
        self._appetite = appetite
        self.streams: tuple[Stream, ...] = ()
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
        self.streams = (*self.streams, stream)

    def close(self, stream: Stream) -> None:
        """Take no more jobs from ``stream``."""
        self.streams = tuple(each for each in self.streams if each is not stream)

    def first(self, task: FileTask) -> None:
        """Put a job before all others."""
        self._held.append(task)

    def hold(self, task: FileTask, returns: int) -> None:
        """Put a job that there is no room for before all others.

        Args:
            task: the job.
            returns: how often room had been given back before it was looked for.

        """
        self._held.append(task)
        self._held_at = returns

    def things(self, crew: Sized) -> int:
        """Count the jobs that there is room for: who opens a file in vain has to do it again."""
        jobs = len(self._held)
        for stream in self.streams:
            jobs += len(stream.lines[self._kind])
        return min(jobs, self._arena.vacant - len(crew))

    def demand(self) -> Demand:
        """Tell what is wanted of readers."""
        if self._arena.full:
            return Demand.LESS
        if self._held:
            return Demand.NONE if self._held_at == self._arena.returns else self._appetite()
        for stream in self.streams:
            if stream.lines[self._kind] and not stream.paused:
                return self._appetite()
        return Demand.NONE

    def claim(self) -> FileTask | None:
        """Give the next job, if there is one and any room."""
        if self._arena.full:
            return None
        with self._claiming:
            if self._held:
                return self._held.popleft()
            streams = self.streams
            for _ in streams:
                self._turn += 1
                stream = streams[self._turn % len(streams)]
                try:
                    if not stream.paused and (jobs := stream.lines[self._kind]):
                        return jobs.popleft()
                except IndexError:  # the stream has just been told to end
                    continue
        return None
