"""One shard from the inside: a flow that carries out slices, wherever it lives."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.run import Brake, running, slices_on_thread
from asyncrgb.pipeline.shards.slices import Passage, Tidings, is_usual
from asyncrgb.pipeline.stream import Stream
from asyncrgb.pipeline.workers.orders import Measure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.pipeline.flow import Flow
    from asyncrgb.pipeline.outcomes import Job, Outcome
    from asyncrgb.pipeline.shards.slices import Slice
    from asyncrgb.pipeline.storage.results import Results

_PAUSE: Final = 0.02  # seconds: what has ended meanwhile is told at once
_numbers = count()


class Shard:
    """A flow that carries out slices.

    Args:
        name: no other shard of a run has it.
        flow: that converts.

    """

    def __init__(self, name: str, flow: Flow) -> None:
        self._name = name
        self._flow = flow
        self._homes = _Homes(flow)

    async def carry_out(self, piece: Slice, tell: Callable[[Tidings], None], brake: Brake) -> None:
        """Carry out a slice; see ``Shards.carry_out``.

        Args:
            piece: the slice.
            tell: called in the event loop.
            brake: ends it early.

        """
        notes = _Notes(self._flow, self._name, tell)
        action = piece.action
        if isinstance(action, Measure):  # statistics are a slice's own: it may be lost
            action = action._replace(number=next(_numbers))
        stream = Stream(
            notes.take, action=action, absorb=notes.absorb, trace=piece.trace, folder=piece.folder
        )
        async with self._homes.entered(piece.folder):
            try:
                async with running(self._flow, stream, _all(piece.jobs()), brake):
                    await stream.done()
            finally:
                notes.tell()


class _Notes:
    """Takes note of what becomes of a slice, and tells of it now and then."""

    def __init__(self, flow: Flow, name: str, tell: Callable[[Tidings], None]) -> None:
        self._flow = flow
        self._name = name
        self._tell = tell
        self._before = flow.meter.read()
        self._later: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        self._usual: list[int] = []
        self._others: list[tuple[int, Outcome]] = []
        self._statistics: Statistics | None = None

    def take(self, index: int, outcome: Outcome) -> None:
        """Take note of an outcome."""
        if is_usual(outcome):
            self._usual.append(index)
        else:
            self._others.append((index, outcome))
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_PAUSE, self.tell)

    def absorb(self, statistics: Statistics) -> None:
        """Take the statistics of a batch, whose outcomes come in the same callback."""
        if self._statistics is None:
            self._statistics = statistics
        else:
            self._statistics.merge(statistics)

    def tell(self) -> None:
        """Tell what has not been told."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        passage = Passage(self._name, self._before, self._flow.meter.read())
        told = Tidings(self._usual, self._others, self._statistics, passage)
        self._begin()
        self._tell(told)


class _Homes:
    """The folders in which this process is known as a run at work, while there are slices for them.

    Temporary files bear the name of their process, so each process has to be known by itself.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._slices: Counter[str] = Counter()
        self._runs: dict[str, Results] = {}
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def entered(self, folder: str | None) -> AsyncIterator[None]:
        """Be at work in a folder, if there is one."""
        if folder is None:
            yield
            return
        self._slices[folder] += 1
        try:
            await self._enter(folder)
            yield
        finally:
            self._slices[folder] -= 1
            await asyncio.shield(asyncio.ensure_future(self._leave(folder)))

    async def _enter(self, folder: str) -> None:
        async with self._changing:
            if folder in self._runs:
                return
            run = self._runs[folder] = self._flow.places.of(folder).results(folder)
            await self._flow.on_thread(run.enter)
            async for _ in slices_on_thread(self._flow, run.sweep()):  # of a shard before this one
                pass

    async def _leave(self, folder: str) -> None:
        async with self._changing:
            if not self._slices[folder] and (run := self._runs.pop(folder, None)) is not None:
                await asyncio.get_running_loop().run_in_executor(None, run.leave)


async def _all(jobs: list[Job]) -> AsyncGenerator[list[Job], None]:
    yield jobs
