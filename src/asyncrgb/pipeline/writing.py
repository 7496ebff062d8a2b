"""The last stage: outputs written from the arena, and their extents given back."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from aiofiles.os import wrap

from asyncrgb.pipeline.crew import HOP_SECONDS, Crew, Demand
from asyncrgb.pipeline.files import write_atomically
from asyncrgb.pipeline.outcomes import Converted, Failed

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from asyncrgb.pipeline.arena import Arena
    from asyncrgb.pipeline.crew import Background
    from asyncrgb.pipeline.task import FileTask


class Writing:
    """Writers that take whatever has been rendered.

    Args:
        arena: where the outputs are.
        threads: where the hops run.
        limit: most hops at once.
        plenty: number of waiting outputs from which on more writers are wanted.
        deliver: takes the tasks of a hop, each with its outcome.

    """

    def __init__(  # noqa: PLR0913 - a stage knows its neighbours and its means, once
        self,
        *,
        arena: Arena,
        threads: Executor,
        limit: int,
        plenty: int,
        deliver: Callable[[list[FileTask]], None],
        background: Background,
    ) -> None:
        self.crew = Crew(self._hop, self._demand, limit, background)
        self._arena = arena
        self._threads = threads
        self._plenty = plenty
        self._deliver = deliver
        self._waiting: deque[FileTask] = deque()
        self._write_on_thread = wrap(self._write_some)

    @property
    def waiting(self) -> int:
        """Number of outputs that wait for a writer."""
        return len(self._waiting)

    def put(self, task: FileTask) -> None:
        """Let the output of ``task`` be written."""
        self._waiting.append(task)

    async def _hop(self) -> None:
        self._deliver(await self._write_on_thread(executor=self._threads))

    def _demand(self) -> Demand:
        if not self._waiting:
            return Demand.LEAVE
        return Demand.DOUBLE if len(self._waiting) >= self._plenty else Demand.STAY

    def _write_some(self) -> list[FileTask]:
        """Write one output after the other for a few milliseconds; runs on a thread."""
        until = monotonic() + HOP_SECONDS
        tasks: list[FileTask] = []
        while monotonic() < until:
            try:
                task = self._waiting.popleft()
            except IndexError:  # another writer was faster
                break
            self._write(task)
            tasks.append(task)
        return tasks

    def _write(self, task: FileTask) -> None:
        job, extent = task.job, task.extent
        assert extent is not None  # noqa: S101 - what was rendered has a place
        try:
            if task.wanted:
                output = task.output or self._arena.view(extent, task.length)
                write_atomically(job.destination, output)
            task.outcome = Converted(job.source, job.destination)
        except OSError as error:
            task.outcome = Failed(job.source, error)
        finally:
            self._arena.give_back(extent)
            task.extent = None
