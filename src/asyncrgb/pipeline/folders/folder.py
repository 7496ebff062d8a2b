"""A whole folder: planned, skipped where it is fresh, converted, reported in order."""

from __future__ import annotations

import asyncio
import errno
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from asyncrgb.errors import AsyncRgbError, OptionsError
from asyncrgb.formats import FORMATS
from asyncrgb.pipeline.folders.freshness import (
    Freshness,
    forget_if_replaced,
    has_record,
    spare,
)
from asyncrgb.pipeline.folders.measuring import settled
from asyncrgb.pipeline.folders.plan import names_output, plan
from asyncrgb.pipeline.outcomes import Converted, Failed, Job, Pending, Report, Trace
from asyncrgb.pipeline.run import chained, running, sifted, slices_on_thread
from asyncrgb.pipeline.stream import Stream
from asyncrgb.pipeline.workers.timing import Timed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.engine import Engine
    from asyncrgb.pipeline.folders.plan import Layout, Planned
    from asyncrgb.pipeline.meters.insight import Insight
    from asyncrgb.pipeline.outcomes import Outcome
    from asyncrgb.pipeline.run import Brake
    from asyncrgb.pipeline.storage.results import Results

OnError: TypeAlias = Literal["continue", "stop"]
Pieces: TypeAlias = "AsyncGenerator[list[Planned], None]"

_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was asked of one conversion of a folder; see ``Converter.convert``."""

    layout: Layout
    force: bool
    dry_run: bool
    on_error: OnError
    max_errors: int | None
    trace: bool
    on_outcome: Callable[[Outcome], None] | None

    def __post_init__(self) -> None:
        if self.on_error not in get_args(OnError):
            raise OptionsError(f"on_error {self.on_error!r}: choose continue or stop")
        most = self.max_errors
        if most is not None and (type(most) is not int or most < 1):
            raise OptionsError(f"max_errors {most!r}: give a whole number from 1 on, or None")

    @property
    def enough(self) -> int | None:
        """Number of failures that end the conversion."""
        return 1 if self.on_error == "stop" else self.max_errors


class _Outcomes:
    """Takes the outcomes of a conversion, and ends it where they say so.

    Attributes:
        full: the error that says that there is no more room for results.

    """

    def __init__(self, terms: Terms, brake: Brake) -> None:
        self._on_outcome = terms.on_outcome
        self._left = terms.enough
        self._brake = brake
        self._outcomes: list[Outcome | None] = []
        self.full: OSError | None = None

    def take(self, index: int, outcome: Outcome) -> None:
        """Take the outcome of the source of that number."""
        if isinstance(outcome, Failed):
            if self._left is not None and self._left <= 0:
                return  # as good as not begun: it is tried again by the next run
            self._failed(outcome)
            if self.full is not None and _is_full(outcome.error):
                return  # one error tells of all
        if index >= len(self._outcomes):
            self._outcomes.extend([None] * (index + 1 - len(self._outcomes)))
        self._outcomes[index] = outcome
        if self._on_outcome is not None:
            self._on_outcome(outcome)

    def _failed(self, outcome: Failed) -> None:
        if _is_full(outcome.error) and isinstance(outcome.error, OSError):
            self.full = self.full or outcome.error
            self._brake.pull()
        elif self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._brake.pull()

    @property
    def some_converted(self) -> bool:
        """Whether anything has been written."""
        return any(isinstance(each, Converted) for each in self._outcomes)

    def report(self, began: float, insight: Insight) -> Report:
        """Sum up, in the order of the input."""
        there = tuple(each for each in self._outcomes if each is not None)
        return Report(there, perf_counter() - began, self._brake.pulled, insight)


def _is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in _FULL


async def convert_folder(
    flow: Engine, source: str, destination: str, terms: Terms, brake: Brake
) -> Report:
    """Do what ``Converter.convert`` says."""
    return await _Conversion(flow, source, destination, terms, brake).run()


class _Conversion:
    """One conversion of a folder.

    Its ``_results`` are the folder that is brought up to date; None if the result has a name of
    its own.
    """

    def __init__(
        self, flow: Engine, source: str, destination: str, terms: Terms, brake: Brake
    ) -> None:
        suffix = FORMATS[flow.options.format].suffix
        self._flow = flow
        self._terms = terms
        self._brake = brake
        self._outcomes = _Outcomes(terms, brake)
        self._plan = partial(plan, source, destination, terms.layout, suffix, flow.places)
        self._names_output = partial(names_output, source, destination, suffix, flow.places)
        self._source = source
        self._destination = destination
        self._results: Results | None = None

    async def run(self) -> Report:
        began, sum_up = perf_counter(), self._flow.meter.begin()
        if not await self._flow.on_thread(self._names_output):
            self._results = self._flow.places.of(self._destination).results(self._destination)
        async with aclosing(slices_on_thread(self._flow, self._plan())) as slices:
            first = await _first(slices)  # errors of usage come out here, before all writing
            if self._terms.dry_run:
                await self._rehearse(chained(first, slices))
            else:
                await self._perform(chained(first, slices))
        if self._outcomes.full is not None:
            raise self._outcomes.full
        return self._outcomes.report(began, sum_up())

    @property
    def _folder(self) -> str | None:
        return None if self._results is None else self._destination

    async def _perform(self, pieces: Pieces) -> None:
        await self._flow.reach(self._source, self._folder)
        options = await self._settled()
        if self._brake.pulled:
            return
        trace = self._terms.trace
        action = Timed(options) if trace else options
        async with self._at_work(options) as freshness:
            stream = Stream(self._outcomes.take, action=action, trace=trace, folder=self._folder)
            fed = self._sifted(pieces, freshness)
            async with running(self._flow, stream, fed, self._brake):
                await stream.done()

    async def _rehearse(self, pieces: Pieces) -> None:
        """Say what would be done, and touch nothing."""
        index = count()
        async with aclosing(self._sifted(pieces, await self._foreseen())) as sifted_pieces:
            async for piece in sifted_pieces:
                for each in piece:
                    if self._brake.pulled:
                        return
                    self._outcomes.take(next(index), _would_be(each))

    async def _foreseen(self) -> Freshness | None:
        """Look at the folder of the results; images are measured only if it depends on that."""
        if self._results is None or self._terms.force:
            return None
        if not await self._flow.on_thread(has_record, self._results):
            return None
        options = await self._settled()
        return await self._flow.on_thread(Freshness.seen, self._results, options, self._flow.places)

    async def _settled(self) -> RenderOptions:
        flow = self._flow
        return await settled(flow, self._plan(), flow.options, self._terms.on_outcome, self._brake)

    def _sifted(self, pieces: Pieces, freshness: Freshness | None) -> Pieces:
        if self._terms.force:
            return pieces
        if freshness is None:
            return sifted(self._flow, pieces, partial(spare, places=self._flow.places))
        if freshness.anew and not freshness.mixed:
            return pieces
        nothing = Trace() if self._terms.trace else None
        return sifted(self._flow, pieces, partial(freshness.sift, trace=nothing))

    @asynccontextmanager
    async def _at_work(self, options: RenderOptions) -> AsyncIterator[Freshness | None]:
        """Be known as a run at work in the folder of the results; give what is known of that."""
        if self._results is None:
            yield None
            return
        results, on_thread = self._results, self._flow.on_thread
        try:
            await on_thread(results.enter)
            async for _ in slices_on_thread(self._flow, results.sweep()):
                pass
            yield await on_thread(Freshness.of, results, options, self._flow.places)
            if self._outcomes.some_converted:
                await on_thread(forget_if_replaced, results, options)
        finally:
            await _surely(self._flow, results.leave)


def _would_be(planned: Planned) -> Outcome:
    return Pending(planned.source, planned.destination) if isinstance(planned, Job) else planned


async def _first(slices: Pieces) -> list[Planned]:
    """Take the first slice that is not empty."""
    async for piece in slices:
        if piece:
            return piece
    return []


async def _surely(flow: Engine, work: Callable[[], None]) -> None:
    """Have ``work`` done on a thread, whoever is cancelled; at once if there are no threads."""
    try:
        await asyncio.shield(flow.on_thread(work))
    except AsyncRgbError:  # the Converter has been closed meanwhile
        work()
