"""Hops that follow demand: as many at once as the storage needs, and no more.

A hop is a few milliseconds of reading or writing on a thread. On fast storage one hop at a
time, reading and writing in turn on one thread, does it all: threads that only make short
system calls spend their time on handing the interpreter lock to each other (measured with
free rendering, for each chip: 87 microseconds with one thread, 146 with two, 300 with 12).
Slow storage needs all hops it can get. What tells the two apart is how much of a hop was
spent waiting; a crew whose hops wait doubles while there is need of more, and every member
leaves as soon as there is not. Readers and writers are crews.
"""

from __future__ import annotations

from enum import Enum
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aiofiles.os import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.means import Means

_T = TypeVar("_T")

_HOP_SECONDS: Final = 0.004
# A hop that takes this many times as long as its thread ran, or waited for a processor, waits
# for storage. Less may as well be the interpreter lock, where more hops would make it worse.
_WAITING_RATIO: Final = 4


class Demand(Enum):
    """What the next stage wants of a crew."""

    LESS = "less"
    SAME = "same"
    MORE = "more"


class Crew(Generic[_T]):
    """Up to ``limit`` tasks, each doing one hop after another.

    Args:
        step: handles one thing, on a thread; None if there is nothing to do.
        demand: asked after each hop what to do next; LESS if there is nothing to do.
        deliver: takes what a hop has handled, in the event loop.
        limit: most hops at once.
        means: where the hops run, and the tasks.

    """

    def __init__(
        self,
        *,
        step: Callable[[], _T | None],
        demand: Callable[[], Demand],
        deliver: Callable[[list[_T]], None],
        limit: int,
        means: Means,
    ) -> None:
        self._step = step
        self._demand = demand
        self._deliver = deliver
        self._limit = limit
        self._threads = means.threads
        self._background = means.background
        self._members = 0
        self._waits = False
        self._hop_on_thread = wrap(self._hop)

    def __len__(self) -> int:
        """Count the members at work."""
        return self._members

    def poke(self) -> None:
        """Put a first member to work if there is demand and nobody is."""
        if not self._members and self._demand() is not Demand.LESS:
            self._enlist(1)

    def _enlist(self, more: int) -> None:
        for _ in range(min(more, self._limit - self._members)):
            self._members += 1
            self._background.spawn(self._work())

    async def _work(self) -> None:
        demand = Demand.SAME
        try:
            while demand is not Demand.LESS:
                threads = self._threads.many if self._waits else self._threads.one
                self._deliver(await self._hop_on_thread(executor=threads))
                demand = self._demand()
                if demand is Demand.MORE and self._waits:
                    self._enlist(self._members)
        finally:
            self._members -= 1

    def _hop(self) -> list[_T]:
        """Take steps for a few milliseconds; runs on a thread."""
        began, ran_before, queued_before = monotonic(), thread_time(), _queued_seconds()
        handled: list[_T] = []
        while monotonic() - began < _HOP_SECONDS and (item := self._step()) is not None:
            handled.append(item)
        took, ran = monotonic() - began, thread_time() - ran_before
        if took < _HOP_SECONDS / 2 or took < _WAITING_RATIO * ran or not handled:
            self._waits = False
        else:
            self._waits = took > _WAITING_RATIO * (ran + _queued_seconds() - queued_before)
        return handled


def _queued_seconds() -> float:
    """Tell how long this thread has been ready to run and waited for a processor."""
    try:
        with open("/proc/thread-self/schedstat", "rb", buffering=0) as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:  # only Linux tells
        return 0.0
