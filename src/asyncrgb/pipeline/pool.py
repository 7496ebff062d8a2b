"""Who renders: processes of our own, which are replaced when they die, or an executor."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import BrokenExecutor, Executor, Future
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asyncrgb import machine
from asyncrgb.errors import OptionsError
from asyncrgb.pipeline import worker
from asyncrgb.pipeline.processes import GRACE, Processes

if TYPE_CHECKING:
    from collections.abc import Callable

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

    An executor that was given is never closed or replaced.

    Args:
        executor: that was given.
        limits: how many workers, and what bounds them.

    Attributes:
        size: number of workers.
        starts: how often they have been started.
        exits: exit codes of the processes that were stopped last.

    Raises:
        OptionsError: there is a timeout, which takes processes of our own.

    """

    def __init__(self, executor: Executor | None, limits: Limits) -> None:
        if executor is not None and limits.timeout is not None:
            raise OptionsError(
                "timeout: only worker processes of asyncrgb's own can be ended in the middle "
                "of an image: leave out the timeout, or the executor (--executor process)"
            )
        self.size = limits.worker_count
        self.starts = 0
        self.exits: dict[int, int] = {}
        self._limits = limits
        self._given = executor
        self._own: Processes | None = None
        self._pickled: tuple[worker.Action | None, bytes] = None, b""
        self._closed = False
        self._changing = Lock()

    @property
    def replaceable(self) -> bool:
        """Whether broken workers can be replaced."""
        return self._given is None

    def start(self) -> None:
        """Start our own workers, and wait for the first; not for the event loop.

        Raises:
            BrokenExecutor: they die as they start, or the pool has been closed.
            OSError, EOFError: they cannot be started.

        """
        self.starts += 1
        if self._given is None:
            self.stop()
            with self._changing:
                if self._closed:
                    raise BrokenExecutor("the pool has been closed")
                own = self._own = Processes(self.size, self._memory(), self._limits.memory)
            own.start()

    def packed(self, action: worker.Action) -> worker.Action | bytes:
        """Give an action as it travels: pickled if to a process of our own."""
        if self._given is not None:
            return action
        if self._pickled[0] is not action:  # mostly it is that of the batch before
            self._pickled = action, pickle.dumps(action)
        return self._pickled[1]

    async def render(self, order: worker.Order) -> list[worker.Answer]:
        """Have one worker render a batch.

        Raises:
            BrokenExecutor: a worker died meanwhile, this one or another.

        """
        executor = self._given
        if executor is None:
            if self._own is None:
                raise BrokenExecutor("there are no workers")
            executor = self._own.executor
        return await asyncio.get_running_loop().run_in_executor(
            executor, worker.render_batch, order
        )

    def stop(self, *, at_once: bool = False) -> None:
        """End our own workers, and wait until they are gone; not for the event loop."""
        with self._changing:
            own, self._own = self._own, None
        if own is not None:
            self.exits = own.stop(0 if at_once else GRACE)

    def close(self, *, at_once: bool) -> None:
        """End our own workers for good; not for the event loop."""
        with self._changing:
            self._closed = True
        self.stop(at_once=at_once)

    def _memory(self) -> int | None:
        """Tell how much a worker may allocate; None: any amount."""
        if self._limits.worker_memory is None:
            return machine.memory() // self.size
        return self._limits.worker_memory or None
