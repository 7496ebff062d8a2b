"""The workers from the event loop's side: hired, and replaced when they have died."""

from __future__ import annotations

import asyncio
from concurrent.futures import BrokenExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.events import WorkersFailed, WorkersReplaced, WorkersStarted
from asyncrgb.pipeline.workers.recovery import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.means import Threads
    from asyncrgb.pipeline.workers.pool import Pool

_STARTS: Final = 3
_PAUSE: Final = 0.1  # seconds; a fork server that is about to end takes no more connections
_STILLBORN: Final = (
    "the worker processes die as they start: if this is a script, put what it runs under "
    "`if __name__ == '__main__':`; else try --executor thread"
)


class Staff:
    """The workers, and whether they are at work.

    Args:
        pool: where they come from.
        threads: where is waited for them.
        tell: hears of what happens to them.

    Attributes:
        at_work: whether they take batches.
        patience: with workers that die.
        submit, answers: give a batch to one of them, and what came of it.
        packed: gives a part of an order as it travels to them.

    """

    def __init__(self, pool: Pool, threads: Threads, tell: Callable[[Event], None]) -> None:
        self.at_work = False
        self.patience = Patience()
        self.submit = pool.submit
        self.answers = pool.answers
        self.packed = pool.packed
        self._pool = pool
        self._threads = threads
        self._tell = tell
        self._retiring = False
        self._over = False  # given up, or closed
        self._changing = asyncio.Lock()

    @property
    def size(self) -> int:
        """Number of workers."""
        return self._pool.size

    @property
    def number(self) -> int:
        """How often they have been started."""
        return self._pool.starts

    @property
    def exits(self) -> Mapping[int, int]:
        """How those before them ended, by process number."""
        return self._pool.exits

    @property
    def replaceable(self) -> bool:
        """Whether they can be replaced."""
        return self._pool.replaceable

    async def start(self) -> None:
        """Start them.

        Raises:
            AsyncRgbError: they die as they start, or cannot be started.

        """
        async with self._changing:
            began = perf_counter()
            await self._start()
            if self.at_work and self.replaceable:
                self._tell(WorkersStarted(self.size, perf_counter() - began))

    async def replace(self, number: int, recover: Callable[[], bool]) -> None:
        """Replace those of ``number``, unless that has been done.

        Args:
            number: of those that died.
            recover: called as soon as nobody can change their images any more; tells whether
                they got anywhere.

        Raises:
            AsyncRgbError: they die again and again, or new ones do so as they start.

        """
        async with self._changing:
            if self._over or self._pool.starts != number:
                return
            began = perf_counter()
            self.at_work = False
            await self._on_thread(self._pool.stop)
            exits = dict(self._pool.exits)  # to start them again is to stop them first
            progress = recover()
            if self._retiring:
                return
            self.patience.renew() if progress else self._lose_patience()
            if not self._over:  # closed meanwhile
                await self._start()
            if self.at_work:
                self._tell(WorkersReplaced(exits, self.size, perf_counter() - began))

    def retire(self) -> None:
        """Replace none any more that die: their work is being dropped."""
        self._retiring = True
        self._pool.take_back()

    async def close(self, *, at_once: bool) -> None:
        """End them for good, whatever they are at; ``at_once`` if they have had their time."""
        self._over = True
        self.at_work = False
        await self._on_thread(partial(self._pool.close, at_once=at_once))

    def _lose_patience(self) -> None:
        try:
            self.patience.lose()
        except AsyncRgbError as error:
            self._give_up(error)
            raise

    def _give_up(self, error: AsyncRgbError) -> None:
        self._over = True
        self._tell(WorkersFailed(error))

    async def _start(self) -> None:
        for attempt in range(1, _STARTS + 1):
            try:
                await self._on_thread(self._pool.start)
                break
            except Exception as error:
                if self._over:  # closed meanwhile
                    return
                if isinstance(error, AsyncRgbError):  # another time would be no better
                    self._give_up(error)
                    raise error.with_traceback(None) from None
                if attempt == _STARTS:
                    stillborn = _stillborn(error)
                    self._give_up(stillborn)
                    raise stillborn from error
                await asyncio.sleep(_PAUSE * attempt)
        self.at_work = not self._over

    async def _on_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads.many, work)


def _stillborn(error: Exception) -> AsyncRgbError:
    if isinstance(error, BrokenExecutor):
        return AsyncRgbError(_STILLBORN)
    return AsyncRgbError(f"the worker processes cannot be started: {error or type(error).__name__}")
