"""The workers: how they start, take batches, crash and are replaced."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asyncrgb.pipeline import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncrgb.options import Limits

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SerialExecutor(Executor):
    """Runs each call at once, in the thread that submits it: for debugging and comparison."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call ``fn`` and return its finished future."""
        future: Future[_T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - a future carries whatever was raised
            future.set_exception(error)
        return future


class Pool:
    """Workers that render batches: processes of our own, or an executor that was given.

    Processes start by forkserver where there is one, else by spawn: a fork of a process
    with threads can deadlock. An executor that was given is never closed or replaced.

    Attributes:
        size: number of workers.
        starts: how often they have been started.

    """

    def __init__(self, executor: Executor | None, limits: Limits) -> None:
        self.size = limits.worker_count
        self._limits = limits
        self._given = executor
        self._own: ProcessPoolExecutor | None = None
        self.starts = 0

    @property
    def replaceable(self) -> bool:
        """Whether broken workers can be replaced."""
        return self._given is None

    def start(self) -> None:
        """Start our own workers, anew if need be, and wait for the first; not for the event loop.

        Raises:
            BrokenExecutor: they die as they start.

        """
        self.starts += 1
        if self._given is None:
            self.stop()
            self._own = self._processes()
            first, *_ = [self._own.submit(_ready) for _ in range(self.size)]
            first.result()

    async def render(self, arena: str, pieces: Sequence[worker.Piece]) -> list[worker.Rendered]:
        """Have one worker render a batch.

        Raises:
            BrokenExecutor: a worker died meanwhile, this one or another.

        """
        return await asyncio.get_running_loop().run_in_executor(
            self._own or self._given, worker.render_batch, arena, pieces, self._limits
        )

    def stop(self) -> None:
        """End our own workers and wait for them; not for the event loop."""
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)

    def _processes(self) -> ProcessPoolExecutor:
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        context = multiprocessing.get_context(method)
        return ProcessPoolExecutor(self.size, context, initializer=worker.start)


def _ready() -> None:
    """Do nothing: a worker that has answered has started."""
