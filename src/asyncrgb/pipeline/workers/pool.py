"""Who renders: processes of our own, which are replaced when they die, or an executor."""

from __future__ import annotations

import asyncio
import logging
import pickle
from concurrent.futures import BrokenExecutor, Executor, Future
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from asyncrgb import machine
from asyncrgb.errors import AsyncRgbError, OptionsError, WorkerCrashError
from asyncrgb.pipeline.workers import far
from asyncrgb.pipeline.workers.orders import Brought, Far, Repeated
from asyncrgb.pipeline.workers.processes import GRACE, Processes
from asyncrgb.pipeline.workers.worker import render_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.limits import Limits
    from asyncrgb.pipeline.workers.orders import Answer, Order, Unusual

_DIED: Final = (
    "a worker of the executor died while it rendered this image (a crash of its decoder, or the "
    "system was out of memory): check the file, or leave it out"
)

_P = ParamSpec("_P")
_T = TypeVar("_T")

logger = logging.getLogger("asyncrgb")


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


class _Lent(Executor):
    """An executor of somebody else's, and what it has been given by us."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._given: set[Future[Any]] = set()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future = self._executor.submit(fn, *args, **kwargs)
        self._given.add(future)
        future.add_done_callback(self._given.discard)
        return future

    def cancel(self) -> None:
        """Cancel what has not begun."""
        for future in tuple(self._given):
            future.cancel()


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
        self._lent = None if executor is None else _Lent(executor)
        self._own: Processes | None = None
        self._pickled: tuple[object, bytes] = None, b""
        self._numbers = count(1)
        self._far = False  # the workers have no memory in common with this process
        self._closed = False
        self._changing = Lock()
        self._stopping = Lock()

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
                own = self._own = self._processes()
            own.start()

    def packed(self, part: _T) -> _T | bytes:
        """Give a part of an order as it travels: pickled if to a process of our own."""
        if self._given is not None:
            return part
        if self._pickled[0] is not part:  # mostly it is that of the batch before
            self._pickled = part, pickle.dumps(part)
        return self._pickled[1]

    def submit(self, order: Order) -> asyncio.Future[list[Answer] | Unusual]:
        """Give a batch to the next worker that is free, wherever it is.

        Returns:
            What it says; to be handed to ``answers``.

        Raises:
            BrokenExecutor: the workers have died, or there are none.

        """
        if self._far:
            order = far.enclosed(order)
        loop = asyncio.get_running_loop()
        if self._lent is not None:
            order = order._replace(number=next(self._numbers))
            return loop.run_in_executor(self._lent, render_batch, order)
        if self._own is None:
            raise BrokenExecutor("there are no workers")
        return loop.run_in_executor(self._own.executor, render_batch, order)

    def answers(
        self, order: Order, said: asyncio.Future[list[Answer] | Unusual]
    ) -> list[Answer] | None:
        """Give what came of a batch; None: submit it once more, from now on images go with it.

        Args:
            order: the batch.
            said: what came of submitting it.

        Raises:
            BrokenExecutor: a worker died meanwhile, this one or another; or the executor has
                dropped the batch.
            WorkerCrashError: a worker died of it or with it, and the executor gave it to another.
            AsyncRgbError: our own workers have no memory in common with this process, and a
                timeout, which takes that.

        """
        if said.cancelled():
            raise BrokenExecutor("the executor has been shut down, or dropped its work")
        answers = said.result()
        if isinstance(answers, list):
            return answers
        if isinstance(answers, Brought):
            return far.unpacked(order, answers)
        if isinstance(answers, Repeated):
            raise WorkerCrashError(_DIED)
        if not isinstance(answers, Far):
            raise AsyncRgbError(
                f"the executor gave {answers!r} for what {render_batch.__name__} returns: it has "
                "to call what it is given, and give what that returns"
            )
        self._send_images(answers)
        return None

    def _send_images(self, answer: Far) -> None:
        """Send images through the executor from now on: at least one worker cannot reach them."""
        if self._limits.timeout is not None:
            raise AsyncRgbError(
                "timeout: it takes memory that the workers have in common with this process, "
                f"and there is none here ({answer.reason}): leave out the timeout"
            )
        if not self._far:
            self._far = True
            logger.warning(
                "images are sent through the executor, which is slower: its workers have no "
                "memory in common with this process (%s)",
                answer.reason,
            )

    def take_back(self) -> None:
        """Cancel what an executor that was given has not begun: others may keep it busy."""
        if self._lent is not None:
            self._lent.cancel()

    def stop(self, *, at_once: bool = False) -> None:
        """End our own workers, and wait until they are gone; not for the event loop."""
        with self._stopping:  # who is told to stop them twice waits twice
            with self._changing:
                own, self._own = self._own, None
            if own is not None:
                self.exits = own.stop(0 if at_once else GRACE)

    def close(self, *, at_once: bool) -> None:
        """End our own workers for good; not for the event loop."""
        with self._changing:
            self._closed = True
        self.stop(at_once=at_once)

    def _processes(self) -> Processes:
        limits = self._limits
        return Processes(self.size, self._memory(), limits.memory, limits.niceness)

    def _memory(self) -> int | None:
        """Tell how much a worker may allocate; None: any amount."""
        if self._limits.worker_memory is None:
            return machine.memory() // self.size
        return self._limits.worker_memory or None
