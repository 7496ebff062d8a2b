"""The last stage: outputs written from the arena, and their extents given back."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.crew import Crew
from asyncrgb.pipeline.files import bare
from asyncrgb.pipeline.outcomes import Converted, Failed
from asyncrgb.pipeline.plan import worldfile_path
from asyncrgb.pipeline.strength import Demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.stream import FileTask


# So many for each writer, where room for pictures is scarce, are plenty.
_PLENTY: Final = 4


class Writing:
    """Writers that take whatever has been rendered.

    Args:
        means: where the outputs are and go to.
        limit: most hops at once.
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
        self.crew = Crew(
            step=self._step,
            demand=self._demand,
            things=lambda: len(self._waiting),
            deliver=deliver,
            limit=limit,
            means=means,
        )
        self._storage = means.storage
        self._arena = means.arena
        self._plenty = plenty
        self._waiting: deque[FileTask] = deque()

    @property
    def waiting(self) -> int:
        """Number of outputs that wait for a writer, or for somebody to hear of them."""
        return len(self._waiting) + self.crew.done

    @property
    def behind(self) -> bool:
        """Whether slow writes hold up everything, so that it is no use to read more."""
        return self.crew.waits and len(self._waiting) >= 2 * self._plenty

    def put(self, task: FileTask) -> None:
        """Let the output of ``task`` be written."""
        self._waiting.append(task)

    def _demand(self) -> Demand:
        if not self._waiting:
            return Demand.NONE
        plenty = min(self._plenty, _PLENTY * len(self.crew))
        return Demand.MORE if len(self._waiting) >= plenty else Demand.SAME

    def _step(self) -> FileTask | None:
        """Write one output; runs on a thread."""
        try:
            task = self._waiting.popleft()
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
            self._storage.write(worldfile_path(task.job.destination), task.worldfile.encode())
        self._storage.write(task.job.destination, output)

    def _put_down_timed(self, task: FileTask, output: bytes | memoryview) -> None:
        assert task.times is not None  # noqa: S101 - only who has them is timed
        began = perf_counter()
        try:
            self._put_down(task, output)
            task.times.written_bytes = len(output) + len((task.worldfile or "").encode())
        finally:
            task.times.write = perf_counter() - began
