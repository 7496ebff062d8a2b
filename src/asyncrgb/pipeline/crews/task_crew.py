"""A crew whose members are tasks of the event loop, for storage that is asked in it.

What a thread does by waiting, a task does by awaiting, so there are no hops and no shifts, and a
member more costs next to nothing. All else is as with a crew of threads: members come while there
is demand and something to do, and ``Strength`` finds how many are right.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from asyncrgb.pipeline.crews.level import Level
from asyncrgb.pipeline.crews.strength import Demand, Strength

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncrgb.pipeline.background import Background

_T = TypeVar("_T")

_FIRST: Final = 4
_SHORTEST_LOOK: Final = 0.004
_LONGEST_LOOK: Final = 0.016


class TaskCrew(Generic[_T]):
    """Up to ``limit`` tasks, each seeing to one thing after another.

    Args:
        claim: gives the next thing; None if there is none, or no room for it.
        act: sees to it; tells whether there is anything to deliver. Cancelled, it leaves nothing.
        demand: what the next stage wants; NONE if there is nothing to do.
        things: counts what more there is to do, for others than those at work; below 0: for them.
        deliver: takes what has been seen to, a few things at a time.
        limit: most members.
        background: where the tasks run.

    Attributes:
        level: members at once, over time.
        seconds: that all members together have been at work.

    """

    def __init__(  # noqa: PLR0913 - a crew knows its work and its neighbours, once
        self,
        *,
        claim: Callable[[], _T | None],
        act: Callable[[_T], Awaitable[bool]],
        demand: Callable[[], Demand],
        things: Callable[[], int],
        deliver: Callable[[list[_T]], None],
        limit: int,
        background: Background,
    ) -> None:
        self.level = Level(limit)
        self.seconds = 0.0
        self._claim = claim
        self._act = act
        self._demand = demand
        self._things = things
        self._deliver = deliver
        self._background = background
        self._limit = limit
        self._strength = Strength(limit)
        self._under_way: dict[asyncio.Task[bool], _T] = {}
        self._members = 0
        self._overseen = False
        self._done: list[_T] = []
        self._latency = 0.0

    def __len__(self) -> int:
        """Count the members at work."""
        return self._members

    @property
    def done(self) -> int:
        """Number of things that have been seen to, and that nobody has heard of yet."""
        return len(self._done)

    @property
    def waits(self) -> bool:
        """Whether it has to wait for storage."""
        return self._members > 0

    def poke(self) -> None:
        """Put members to work if there is demand and too few are."""
        if self._members < self._strength.size and self._things() > 0 and self._demand().calls:
            self._enlist()

    def drop(self, unwanted: Callable[[_T], bool]) -> None:
        """Break off what is not wanted any more; it is delivered as it is."""
        for task, thing in tuple(self._under_way.items()):
            if unwanted(thing):
                task.cancel()

    def _enlist(self) -> None:
        for _ in range(min(self._things(), self._strength.size - self._members)):
            self._count(1)
            self._background.spawn(self._work())
        if not self._overseen:
            self._overseen = True
            self._background.spawn(self._oversee())

    def _count(self, more: int) -> None:
        self._members += more
        self.level.set(self._members)

    async def _work(self) -> None:
        try:
            while self._is_needed and (thing := self._claim()) is not None:
                began = monotonic()
                complete = await self._seen_to(thing)
                self._time(monotonic() - began)
                if not complete:
                    break
                self._lay_down(thing)
        finally:
            self._count(-1)

    @property
    def _is_needed(self) -> bool:
        return self._members <= self._strength.size and self._things() >= 0

    async def _seen_to(self, thing: _T) -> bool:
        """See to a thing in a task of its own, which alone is broken off."""
        task = asyncio.ensure_future(self._act(thing))
        self._under_way[task] = thing
        try:
            await asyncio.wait([task])
            return task.cancelled() or task.result()
        finally:
            del self._under_way[task]

    def _time(self, seconds: float) -> None:
        self.seconds += seconds
        self._latency = (7 * self._latency + seconds) / 8 if self._latency else seconds

    def _lay_down(self, thing: _T) -> None:
        """Have it delivered together with what else comes in this turn of the event loop."""
        if not self._done:
            asyncio.get_running_loop().call_soon(self._collect)
        self._done.append(thing)

    def _collect(self) -> None:
        done, self._done = self._done, []
        self._deliver(done)

    async def _oversee(self) -> None:
        """See to it that the crew fits, every few milliseconds."""
        self._strength.restart(max(_FIRST, self._strength.size))
        try:
            while self._members:
                await asyncio.sleep(min(max(self._latency, _SHORTEST_LOOK), _LONGEST_LOOK))
                demand = self._demand()
                self._strength.note(demand, self._latency)
                if demand.calls:
                    self._enlist()
        finally:
            self._overseen = False
