"""The middle stage: natural batches for the workers.

When a worker is free it gets its share of whatever is ready. Under load the batches are
large and their cost vanishes; under light load a single image goes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import AsyncRgbError, WorkerCrashError
from asyncrgb.pipeline.crew import Demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.options import Limits, RenderOptions
    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.pool import Pool
    from asyncrgb.pipeline.task import Task
    from asyncrgb.pipeline.worker import Piece, Rendered


_STARTS: Final = 3
_CRASHED: Final = (
    "a worker process died while it rendered this image (a crash of its decoder, or the "
    "system was out of memory): check the file, or leave it out"
)
_STILLBORN: Final = (
    "the worker processes die as they start: if this is a script, put what it runs under "
    "`if __name__ == '__main__':`; else try --executor thread"
)


class Rendering:
    """Hands what has been read to the workers, one batch more than there are of them.

    Args:
        means: where the images are.
        pool: the workers.
        limits: sizes of batches.
        options: for jobs that have none of their own.
        deliver: takes the tasks of a batch, each with what the worker says of it.
        drop: takes a task that nobody wants any more.
        repeat: takes a task whose image has to be read again after a worker died.

    """

    def __init__(  # noqa: PLR0913 - a stage knows its neighbours, once
        self,
        *,
        means: Means,
        pool: Pool,
        limits: Limits,
        options: RenderOptions,
        deliver: Callable[[list[Task], list[Rendered]], None],
        drop: Callable[[Task], None],
        repeat: Callable[[Task], None],
    ) -> None:
        self._arena = means.arena
        self._pool = pool
        self._threads = means.threads
        self._options = options
        self._deliver = deliver
        self._drop = drop
        self._repeat = repeat
        self._background = means.background
        self._largest = limits.batch
        self._most_bytes = limits.memory // (2 * (pool.size + 1))
        self._ready: deque[Task] = deque()
        self._in_flight: list[list[Task]] = []
        self._started = False
        self._restarting = asyncio.Lock()

    @property
    def ready(self) -> int:
        """Number of images that wait for a worker."""
        return len(self._ready)

    @property
    def under_way(self) -> int:
        """Number of images that workers have been given."""
        return sum(map(len, self._in_flight))

    @property
    def appetite(self) -> Demand:
        """What readers should do: nobody waits for a full batch, nor reads beyond it."""
        if len(self._ready) >= self._largest:
            return Demand.LESS
        return Demand.MORE if self._started and not self._ready else Demand.SAME

    @property
    def _free(self) -> int:
        return self._pool.size - len(self._in_flight)

    async def start(self) -> None:
        """Start the workers.

        Raises:
            AsyncRgbError: they die as they start.

        """
        self._started = False
        for attempt in range(1, _STARTS + 1):
            try:
                await asyncio.get_running_loop().run_in_executor(
                    self._threads.many, self._pool.start
                )
                break
            except BrokenExecutor as error:  # one may have been killed as it started
                if attempt == _STARTS:
                    raise AsyncRgbError(_STILLBORN) from error
        self._started = True

    def put(self, tasks: list[Task]) -> None:
        """Let images that have been read be rendered."""
        self._ready.extend(tasks)

    def put_first(self, task: Task) -> None:
        """Let an image be rendered before those that wait."""
        self._ready.appendleft(task)

    def dispatch(self) -> None:
        """Send batches while a worker is free, and a full one to wait for the next that is."""
        while self._started and self._next() is not None and self._may_send():
            batch = self._take()
            self._in_flight.append(batch)
            self._background.spawn(self._render(batch))

    def _next(self) -> Task | None:
        while self._ready and not self._ready[0].wanted:
            self._drop(self._ready.popleft())
        return self._ready[0] if self._ready else None

    def _may_send(self) -> bool:
        if self._ready[0].alone or any(batch[0].alone for batch in self._in_flight):
            return not self._in_flight
        full = len(self._ready) >= self._largest
        return self._free > 0 or (self._free == 0 and full)

    def _take(self) -> list[Task]:
        share = -(-len(self._ready) // max(self._free, 1))
        batch = [self._ready.popleft()]
        volume = batch[0].length
        while not batch[0].alone and len(batch) < min(share, self._largest):
            task = self._next()
            if task is None or task.alone or volume + task.length > self._most_bytes:
                break
            volume += task.length
            batch.append(self._ready.popleft())
        return batch

    async def _render(self, batch: list[Task]) -> None:
        starts = self._pool.starts
        pieces = [self._piece(task) for task in batch]
        crash: Exception | None = None
        results: list[Rendered] = []
        try:
            results = await self._pool.render(self._arena.name, pieces)
        except Exception as error:  # noqa: BLE001 - also options that cannot be pickled
            crash = error
        finally:
            self._in_flight.remove(batch)
        if crash is not None:
            await self._recover(batch, starts, crash)
        else:
            self._deliver(batch, results)

    def _piece(self, task: Task) -> Piece:
        assert task.extent is not None  # noqa: S101 - what is ready has a place
        return (*task.extent, task.length, task.action or self._options)

    async def _recover(self, batch: list[Task], starts: int, error: Exception) -> None:
        """Replace workers that died, and find the image at fault by rendering each alone.

        Even a batch of one may have died of another's fault, or of somebody's kill.
        """
        verdict: Exception = AsyncRgbError(f"cannot be rendered: {type(error).__name__}: {error}")
        if isinstance(error, BrokenExecutor) and self._pool.replaceable:
            verdict = WorkerCrashError(_CRASHED)
            async with self._restarting:  # until then, a worker of old may still write
                if self._pool.starts == starts:  # the first to notice
                    await self.start()
        if batch[0].alone:
            self._deliver(batch, [verdict])
            return
        for task in batch:
            task.alone = True
            self._repeat(task)
