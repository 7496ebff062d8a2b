"""Hops that follow demand: as many at once as the storage needs, and no more.

A hop is a few milliseconds of work on a thread. One at a time keeps up with fast storage,
where more only fight for the interpreter lock (64 readers always on: half the throughput);
slow storage needs all it can get. So a crew starts with one member, doubles while there is
need of more, and shrinks as soon as there is not. Readers and writers are crews.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

HOP_SECONDS: Final = 0.004


class Demand(Enum):
    """What a member of a crew does after a hop."""

    LEAVE = "leave"
    STAY = "stay"
    DOUBLE = "double"


class Background:
    """Tasks that nobody awaits one by one, whose errors are not lost all the same."""

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Count the tasks under way."""
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def rest(self) -> None:
        """Wait until no task is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)


class Crew:
    """Up to ``limit`` tasks, each doing one hop after another.

    Args:
        hop: does a few milliseconds of work.
        demand: asked after each hop what to do next.
        limit: most hops at once.
        background: where the tasks run.

    """

    def __init__(
        self,
        hop: Callable[[], Coroutine[Any, Any, None]],
        demand: Callable[[], Demand],
        limit: int,
        background: Background,
    ) -> None:
        self._hop = hop
        self._demand = demand
        self._limit = limit
        self._background = background
        self._members = 0

    def __len__(self) -> int:
        """Count the members at work."""
        return self._members

    def poke(self) -> None:
        """Put a first member to work if there is demand and nobody is."""
        if not self._members and self._demand() is not Demand.LEAVE:
            self._enlist(1)

    def _enlist(self, more: int) -> None:
        for _ in range(min(more, self._limit - self._members)):
            self._members += 1
            self._background.spawn(self._work())

    async def _work(self) -> None:
        demand = Demand.STAY
        try:
            while demand is not Demand.LEAVE:
                await self._hop()
                demand = self._demand()
                if demand is Demand.DOUBLE:
                    self._enlist(self._members)
        finally:
            self._members -= 1
