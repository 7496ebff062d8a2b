"""The first stage: jobs claimed one by one and read into the arena.

Files are read on threads, objects in the event loop: by a crew each, from a line each.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from asyncrgb.imaging.reading.refusals import OversizedError
from asyncrgb.pipeline.crews.crew import Crew
from asyncrgb.pipeline.crews.crews import Crews
from asyncrgb.pipeline.crews.lines import Line
from asyncrgb.pipeline.crews.task_crew import TaskCrew
from asyncrgb.pipeline.outcomes import Failed, StampedJob
from asyncrgb.pipeline.storage.files import bare
from asyncrgb.pipeline.stream import FILES, OBJECTS
from asyncrgb.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.crews.strength import Demand
    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.memory.arena import Extent
    from asyncrgb.pipeline.stream import FileTask, Stream


class Reading:
    """Readers that take the jobs of all open streams in turn.

    Args:
        means: where files are read from and to.
        limit: most of each crew at once.
        appetite: what the next stage wants: more readers, as many, or fewer.
        deliver: takes what has been read; a task that has an outcome needs nothing more.

    """

    def __init__(
        self,
        *,
        means: Means,
        limit: int,
        appetite: Callable[[], Demand],
        deliver: Callable[[list[FileTask]], None],
    ) -> None:
        self._files = Line(FILES, means.arena, appetite)
        self._objects = Line(OBJECTS, means.arena, appetite)
        threads = Crew(
            step=self._step,
            demand=self._files.demand,
            things=lambda: self._files.things(threads),
            deliver=self._take_note,
            limit=limit,
            means=means,
        )
        tasks = TaskCrew(
            claim=self._objects.claim,
            act=self._fetch,
            demand=self._objects.demand,
            things=lambda: self._objects.things(tasks),
            deliver=self._take_note,
            limit=limit,
            background=means.background,
        )
        self.crew: Crews[FileTask] = Crews(threads, tasks)
        self._places = means.places
        self._arena = means.arena
        self._deliver = deliver

    @property
    def held(self) -> int:
        """Number of jobs that wait for room."""
        return self._files.held + self._objects.held

    def open(self, stream: Stream) -> None:
        """Take jobs from ``stream`` too."""
        self._files.open(stream)
        self._objects.open(stream)

    def close(self, stream: Stream) -> None:
        """Take no more jobs from ``stream``."""
        self._files.close(stream)
        self._objects.close(stream)

    def again(self, task: FileTask) -> None:
        """Read the file of ``task`` once more, before all others."""
        (self._objects if is_url(task.job.source) else self._files).first(task)

    def _take_note(self, tasks: list[FileTask]) -> None:
        for stream in self._files.streams:
            stream.claimed()
        self._deliver(tasks)

    def _step(self) -> FileTask | None:
        """Read one file; runs on a thread."""
        task = self._files.claim()
        return task if task is not None and self._read(task) else None

    def _read(self, task: FileTask) -> bool:
        """Read the file of ``task`` or settle its outcome; False if it is held instead."""
        if not task.wanted:
            return True
        returns = self._arena.returns
        began = perf_counter() if task.times is not None else 0.0
        try:
            place = self._places.files.read_into(self._arena, task.job.source)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a job costs that job
            return _failed(task, error, began)
        if place is None:
            self._files.hold(task, returns)
            return False
        return _placed(task, place, began)

    async def _fetch(self, task: FileTask) -> bool:
        """Read the object of ``task``; as ``_read`` does."""
        job = task.job
        known_size = job.stamp.size if isinstance(job, StampedJob) else 0
        if not task.wanted or known_size > self._arena.share:  # no use in asking for all of it
            return True
        returns = self._arena.returns
        began = perf_counter() if task.times is not None else 0.0
        try:
            place = await self._places.objects.fetch_into(self._arena, job.source)
        except Exception as error:  # noqa: BLE001 - the same
            return _failed(task, error, began)
        if place is None:
            self._objects.hold(task, returns)
            return False
        return _placed(task, place, began)


def _placed(task: FileTask, place: tuple[Extent, int], began: float) -> bool:
    task.extent, task.length = place
    if began:
        _note(task, began)
    return True


def _failed(task: FileTask, error: Exception, began: float) -> bool:
    """Settle the outcome, but for what is too large: it is converted part by part."""
    if not isinstance(error, OversizedError):
        _note(task, began)
        task.settle(Failed(task.job.source, bare(error)))
    return True


def _note(task: FileTask, began: float) -> None:
    """Add to the times of a task, if they are wanted, that it was read."""
    times = task.times
    if times is not None:
        times.begun = times.begun or began
        times.read += perf_counter() - began
        times.read_bytes = task.length
