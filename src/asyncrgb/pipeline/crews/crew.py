"""Hops that follow demand: as many at once as the storage needs, and no more.

A hop is some milliseconds of reading or writing on a thread. On fast storage one hop at a
time, reading and writing in turn on one thread, does it all: threads that only make short
system calls spend their time on handing the interpreter lock to each other (measured with
free rendering, for each chip: 87 microseconds with one thread, 146 with two, 300 with 12).
Slow storage needs all hops it can get. What tells the two apart is how much of a hop was
spent waiting.

A crew whose hops wait works in shifts (``shift``), of as many members as it turns out to need
(``strength``). Where things come so quickly then that fewer might do, the members leave but
one, which tries how it gets on alone; if it has to wait, they all come back.
"""

from __future__ import annotations

import asyncio
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aiofiles.os import wrap

from asyncrgb.pipeline.crews.level import Level
from asyncrgb.pipeline.crews.shift import Shift
from asyncrgb.pipeline.crews.strength import Demand, Strength, Trials

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.means import Means

_T = TypeVar("_T")

# Each hop wakes the event loop. Half as long, with half as many images in a batch, takes 3 to 8 %
# longer; half as long again is no faster by more than noise.
_HOP_SECONDS: Final = 0.008
_LOOK_SECONDS: Final = 0.004
_ROUND_SECONDS: Final = 0.016  # slow things are collected less often, and more at once
# A hop that takes this many times as long as its thread ran, or waited for a processor, waits
# for storage. Less may as well be the interpreter lock, where more hops would make it worse. One
# such hop says nothing: a machine that shares its processors with others halts now and then.
_WAITING_RATIO: Final = 4
_WAIT_SECONDS: Final = 0.002


class Crew(Generic[_T]):
    """Up to ``limit`` tasks, each doing one hop after another.

    Args:
        step: handles one thing, on a thread; None if there is nothing to do.
        demand: asked after each hop what to do next; NONE if there is nothing to do.
        things: counts what more there is to do, for others than those at work; below 0: for them.
        deliver: takes what a hop has handled, in the event loop.
        limit: most hops at once.
        means: where the hops run, and the tasks.

    Attributes:
        level: hops at once, over time.

    """

    def __init__(  # noqa: PLR0913 - a crew knows its work and its neighbours, once
        self,
        *,
        step: Callable[[], _T | None],
        demand: Callable[[], Demand],
        things: Callable[[], int],
        deliver: Callable[[list[_T]], None],
        limit: int,
        means: Means,
    ) -> None:
        self.level = Level(limit)
        self._step = step
        self._demand = demand
        self._things = things
        self._deliver = deliver
        self._threads = means.threads
        self._background = means.background
        self._hop_on_thread = wrap(self._hop)
        self._shift: Shift[_T] = Shift(step, things)
        self._shift_on_thread = wrap(self._shift.work)
        self._strength = Strength(limit)
        self._trials = Trials()
        self._members = 0
        self._waits = False  # hops do
        self._waited = False  # the last hop has
        self._in_shifts = False
        self._overseen = False
        self._alone_seconds = 0.0

    def __len__(self) -> int:
        """Count the members at work."""
        # A member whose task was cancelled is gone, though its thread may linger a little.
        return max(0, self._members - self._shift.lingering)

    @property
    def done(self) -> int:
        """Number of things that have been done, and that nobody has heard of yet."""
        return self._shift.done

    @property
    def seconds(self) -> float:
        """Seconds that all members together have been at work."""
        return self._alone_seconds + self._shift.seconds

    @property
    def waits(self) -> bool:
        """Whether it has to wait for storage."""
        return self._in_shifts

    def poke(self) -> None:
        """Put members to work if there is demand and too few are."""
        idle = self._shift.lingering or self._members < self._wanted
        if idle and self._demand().calls:
            self._enlist()

    @property
    def _wanted(self) -> int:
        alone = not self._in_shifts or self._trials.due
        return 1 if alone else self._strength.size

    def _enlist(self) -> None:
        """Call those who linger, and as many more as there is work and want of."""
        more = 1
        if self._in_shifts:
            things = self._things()
            more = things - self._shift.ring(things)
        for _ in range(min(more, self._wanted - self._members)):
            self._count(1)
            self._background.spawn(self._work())
        if self._in_shifts and not self._overseen:
            self._overseen = True
            self._background.spawn(self._oversee())

    def _count(self, more: int) -> None:
        self._members += more
        self.level.set(len(self))

    async def _work(self) -> None:
        staying = True
        try:
            while staying:
                if self._in_shifts and not self._on_trial:
                    staying = await self._work_a_shift()
                else:
                    threads = self._threads.many if self._waits else self._threads.one
                    handled = await self._hop_on_thread(executor=threads)
                    starving = self._waits and self._demand() is Demand.MORE
                    self._deliver(handled)  # which feeds those who starve
                    staying = self._stays(starving=starving)
        finally:
            self._count(-1)

    @property
    def _on_trial(self) -> bool:
        return self._trials.due and self._members == 1

    async def _work_a_shift(self) -> bool:
        """Work among others; False if there is nothing more to do, or too many do it."""
        staying = await self._shift_on_thread(executor=self._threads.many)
        if not staying:
            self._collect()
        stays = self._demand().calls if self._on_trial else staying
        if stays and self._members <= self._wanted:
            return True
        self._collect()  # nobody else may come to do it
        return False

    def _stays(self, *, starving: bool) -> bool:
        """Tell if a member that has been alone goes on; get others if it has had to wait."""
        demand = self._demand()
        if self._in_shifts:
            self._trials.end(succeeded=not self._waits)
            self._in_shifts = self._waits
        elif starving:
            self._strength.restart(2)
            self._in_shifts = True
        if self._in_shifts and demand.calls:
            self._enlist()
        return demand.calls

    async def _oversee(self) -> None:
        """Collect what is done every few milliseconds, and see to it that the crew fits."""
        try:
            while self._in_shifts and self._members:
                await asyncio.sleep(min(max(self._shift.latency, _LOOK_SECONDS), _ROUND_SECONDS))
                demand = self._demand()  # before workers that starve are fed
                self._trials.consider(self._collect())
                self._strength.note(demand, self._shift.latency)
                wanted = 0 if demand is Demand.STOP else self._wanted
                self._shift.leaving = max(0, self._members - wanted)
                self.level.set(len(self))
                if demand.calls:
                    self._enlist()
        finally:
            self._overseen = False
            self._collect()  # what was done until shifts ended

    def _collect(self) -> float:
        """Deliver what has been done in shifts; give the seconds that the quickest of it took."""
        things, quickest = self._shift.collect()
        if things:
            self._deliver(things)
        return quickest

    def _hop(self) -> list[_T]:
        """Take steps for some milliseconds; runs on a thread."""
        began, ran_before, queued_before = monotonic(), thread_time(), _queued_seconds()
        handled: list[_T] = []
        while monotonic() - began < _HOP_SECONDS and (item := self._step()) is not None:
            handled.append(item)
        took, ran = monotonic() - began, thread_time() - ran_before
        self._alone_seconds += took
        waited = bool(handled) and took > max(_WAIT_SECONDS, _WAITING_RATIO * ran)
        if waited:
            waited = took > _WAITING_RATIO * (ran + _queued_seconds() - queued_before)
        self._waits = waited and (self._waited or self._in_shifts)
        self._waited = waited
        return handled


def _queued_seconds() -> float:
    """Tell how long this thread has been ready to run and waited for a processor."""
    try:
        with open("/proc/thread-self/schedstat", "rb", buffering=0) as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:  # only Linux tells
        return 0.0
