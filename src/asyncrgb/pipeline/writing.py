"""The last stage: outputs written from the arena, and their extents given back.

Files are written on threads, objects in the event loop: by a crew each.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.crews.crew import Crew
from asyncrgb.pipeline.crews.crews import Crews
from asyncrgb.pipeline.crews.strength import Demand
from asyncrgb.pipeline.crews.task_crew import TaskCrew
from asyncrgb.pipeline.folders.plan import worldfile_path
from asyncrgb.pipeline.outcomes import Converted, Failed
from asyncrgb.pipeline.storage.files import bare
from asyncrgb.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.stream import FileTask


# So many for each writer, where room for pictures is scarce, are plenty.
_PLENTY: Final = 4


class Writing:
    """Writers that take whatever has been rendered.

    Args:
        means: where the outputs are and go to.
        limit: most of each crew at once.
        plenty: number of waiting outputs from which on more writers are wanted.
        deliver: takes the tasks of a hop, each with its outcome.

    """

    def __init__(
        self,
        *,
        means: Means,
        limit: int,
        plenty: int,
        deliver: Callable[[list[FileTask]], None],
    ) -> None:
        threads = Crew(
            step=self._step,
            demand=lambda: self._demand(self._files, threads),
            things=lambda: len(self._files),
            deliver=deliver,
            limit=limit,
            means=means,
        )
        tasks = TaskCrew(
            claim=lambda: self._objects.popleft() if self._objects else None,
            act=self._send,
            demand=lambda: self._demand(self._objects, tasks),
            things=lambda: len(self._objects),
            deliver=deliver,
            limit=limit,
            background=means.background,
        )
        self.crew: Crews[FileTask] = Crews(threads, tasks)
        self._places = means.places
        self._arena = means.arena
        self._plenty = plenty
        self._files: deque[FileTask] = deque()
        self._objects: deque[FileTask] = deque()

    @property
    def waiting(self) -> int:
        """Number of outputs that wait for a writer, or for somebody to hear of them."""
        return len(self._files) + len(self._objects) + self.crew.done

    @property
    def behind(self) -> bool:
        """Whether slow writes hold up everything, so that it is no use to read more."""
        waiting = len(self._files) + len(self._objects)
        return self.crew.waits and waiting >= 2 * self._plenty

    def put(self, task: FileTask) -> None:
        """Let the output of ``task`` be written."""
        (self._objects if is_url(task.job.destination) else self._files).append(task)

    def _demand(self, waiting: Sized, crew: Sized) -> Demand:
        if not waiting:
            return Demand.NONE
        plenty = min(self._plenty, _PLENTY * len(crew))
        return Demand.MORE if len(waiting) >= plenty else Demand.SAME

    def _step(self) -> FileTask | None:
        """Write one output; runs on a thread."""
        try:
            task = self._files.popleft()
        except IndexError:  # another writer was faster
            return None
        self._write(task)
        return task

    def _write(self, task: FileTask) -> None:
        job, extent = task.job, task.extent
        assert extent is not None  # noqa: S101 - what was rendered has a place
        try:
            if task.wanted:
                output = task.output or self._arena.view(extent, task.length)
                if task.times is None:
                    self._put_down(task, output)
                else:
                    self._put_down_timed(task, output)
            located = task.worldfile is not None
            task.settle(Converted(job.source, job.destination, task.exposure, located))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a job costs that job
            task.settle(Failed(job.source, bare(error)))
        finally:
            self._arena.give_back(extent)
            task.extent = None

    def _put_down(self, task: FileTask, output: bytes | memoryview) -> None:
        if task.worldfile is not None:  # first: a picture that is there is complete
            path = worldfile_path(task.job.destination)
            self._places.files.write(path, task.worldfile.encode())
        self._places.files.write(task.job.destination, output)

    def _put_down_timed(self, task: FileTask, output: bytes | memoryview) -> None:
        assert task.times is not None  # noqa: S101 - only who has them is timed
        began = perf_counter()
        try:
            self._put_down(task, output)
            task.times.written_bytes = _size(task, output)
        finally:
            task.times.write = perf_counter() - began

    async def _send(self, task: FileTask) -> bool:
        """Write one output to a store; as ``_write`` does."""
        job, extent = task.job, task.extent
        assert extent is not None  # noqa: S101 - the same
        try:
            if task.wanted:
                await self._upload(task, task.output or self._arena.view(extent, task.length))
            located = task.worldfile is not None
            task.settle(Converted(job.source, job.destination, task.exposure, located))
        except Exception as error:  # noqa: BLE001 - the same
            task.settle(Failed(job.source, bare(error)))
        finally:
            self._arena.give_back(extent)
            task.extent = None
        return True

    async def _upload(self, task: FileTask, output: bytes | memoryview) -> None:
        began, destination = perf_counter(), task.job.destination
        put = self._places.objects.put
        try:
            if task.worldfile is not None:  # first: the same
                await put(worldfile_path(destination), task.worldfile.encode())
            await put(destination, output)
            if task.times is not None:
                task.times.written_bytes = _size(task, output)
        finally:
            if task.times is not None:
                task.times.write = perf_counter() - began


def _size(task: FileTask, output: bytes | memoryview) -> int:
    """Count the bytes of a picture, and of what belongs to it."""
    return len(output) + len((task.worldfile or "").encode())
