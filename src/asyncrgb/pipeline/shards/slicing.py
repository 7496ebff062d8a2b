"""How a stream's jobs are cut into slices, and what the slices lead to on this side."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import WorkerCrashError
from asyncrgb.pipeline.outcomes import Failed, Measured
from asyncrgb.pipeline.shards.slices import Slice, usual_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb.pipeline.outcomes import Job, Outcome
    from asyncrgb.pipeline.shards.slices import Tidings
    from asyncrgb.pipeline.stream import FileTask, Stream

_FIRST: Final = 64  # jobs: enough to see how long they take
_MOST: Final = 4096
_GROWTH: Final = 4
_LONG: Final = 2  # times as long as it should take
_PARTS: Final = 8
_LOOKED_AT: Final = 4
_LEAST: Final = 16  # part of the usual time that the last slices take: a slice has its price
_CHANCES: Final = 2  # anything may die once, of something else
_CRASHED: Final = (
    "each process that had to do with this image died (a crash, or the system was out of memory): "
    "check the file, or leave it out"
)
_numbers = count(1)


def named_as_in(job: Job, outcome: Outcome) -> Outcome:
    """Give an outcome with the names of its job: elsewhere they may be others."""
    if outcome.source == job.source:
        return outcome
    if isinstance(outcome, (Failed, Measured)):
        return replace(outcome, source=job.source)
    return replace(outcome, source=job.source, destination=job.destination)


class Size:
    """How many jobs make a slice: as many as take the time that a slice should take.

    Args:
        seconds: that a slice should take.

    Attributes:
        count: of jobs.

    """

    def __init__(self, seconds: float) -> None:
        self.count = _FIRST
        self._seconds = seconds

    def at_the_end(self, jobs: int, places: int) -> int:
        """Tell how many jobs make a slice when there are only so many left."""
        return max(-(-jobs // places), self.count // _LEAST)

    def learn(self, jobs: int, took: float, *, first: bool) -> None:
        """Take note of how long a slice took; the first ones wait for workers to start."""
        if took < self._seconds:
            if jobs >= self.count:
                self.count = min(_MOST, self.count * _GROWTH)
        elif took > _LONG * self._seconds and not first:
            self.count = max(1, min(self.count, int(jobs * self._seconds / took)))


class Dealt:
    """A slice of a stream's jobs, from when it is cut until all of them are accounted for.

    Args:
        stream: whose jobs they are.
        tasks: of the jobs.
        losses: how often shards have died that had to do with these jobs.

    """

    def __init__(self, stream: Stream, tasks: Sequence[FileTask], losses: int = 0) -> None:
        self.stream = stream
        self._losses = losses
        self.number = next(_numbers)
        self._tasks: list[FileTask | None] = list(tasks)

    def __len__(self) -> int:
        """Count the jobs, whatever has become of them."""
        return len(self._tasks)

    @property
    def suspect(self) -> bool:
        """Whether it may be what its shards die of: it goes alone, so that no other is blamed."""
        return self._losses >= _CHANCES

    @property
    def left(self) -> list[FileTask]:
        """The tasks of which nothing has been told."""
        return [each for each in self._tasks if each is not None]

    def slice(self) -> Slice:
        """Give it as it travels."""
        jobs = [each.job for each in self.left]
        options = [job.options for job in jobs]
        return Slice(
            self.number,
            [job.source for job in jobs],
            [job.destination for job in jobs],
            options if any(each is not None for each in options) else None,
            self.stream.action,
            self.stream.trace,
            self.stream.folder,
        )

    def take(self, results: Tidings) -> None:
        """Hand on what has become of some of the jobs."""
        if results.statistics is not None and self.stream.absorb is not None:
            self.stream.absorb(results.statistics)
        for place in results.usual:
            if (task := self._taken(place)) is not None:
                self.stream.end(task.index, usual_outcome(task.job, self.stream.action))
        for place, outcome in results.others:
            if (task := self._taken(place)) is not None:
                self.stream.end(task.index, named_as_in(task.job, outcome))

    def withdraw(self) -> None:
        """Take note that what is left has not been begun and will not be."""
        self.stream.withdraw(len(self.left))

    def again(self) -> Iterator[Dealt]:
        """Cut what is left, as its shard has died, into smaller slices.

        A job of which a shard has died when there was nothing else is at fault.
        """
        left = self.left
        if len(self._tasks) == 1 and self.suspect:
            for task in left:
                source = task.job.source
                self.stream.end(task.index, Failed(source, WorkerCrashError(_CRASHED)))
            return
        step = -(-len(left) // _PARTS) or 1
        for at in range(0, len(left), step):
            yield Dealt(self.stream, left[at : at + step], self._losses + 1)

    def _taken(self, place: int) -> FileTask | None:
        task, self._tasks[place] = self._tasks[place], None
        return task


def some_of(stream: Stream) -> list[str]:
    """Name a few sources of the line, to see how large they are."""
    line = max(stream.lines, key=len)
    places = {len(line) * each // _LOOKED_AT for each in range(_LOOKED_AT)} if line else set()
    return [line[each].job.source for each in sorted(places)]


def fitting(sizes: Sequence[int], most: int) -> int:
    """Tell how many files like those fit into so many bytes; one always does."""
    mean = sum(sizes) / max(1, len(sizes))
    return max(1, int(most / mean)) if mean else _MOST


def file_size(path: str) -> int:
    """Tell the bytes of a file; 0 where that is not known."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0
