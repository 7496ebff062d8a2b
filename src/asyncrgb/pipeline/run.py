"""One stream's way through the flow: fed from its jobs, taken out again whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing
from itertools import chain, islice
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

    from asyncrgb.pipeline.engine import Engine
    from asyncrgb.pipeline.folders.plan import Planned
    from asyncrgb.pipeline.outcomes import Job
    from asyncrgb.pipeline.stream import Stream

_PLAN_SLICE: Final = 256
_JOBS_SLICE: Final = 16
# Looking at a file takes some microseconds where nothing has to be waited for.
_WAITS_SECONDS: Final = 0.00025
_PROBE: Final = 8
_PART: Final = 4


class Brake:
    """Ends one conversion early, whichever of its streams is under way.

    Attributes:
        pulled: whether the conversion has been told to end.

    """

    def __init__(self) -> None:
        self.pulled = False
        self._streams: set[Stream] = set()

    def pull(self) -> None:
        """Let no new work be begun; what is under way ends as it would."""
        self.pulled = True
        for stream in tuple(self._streams):
            stream.drain()

    def watch(self, stream: Stream) -> None:
        """Let ``stream`` be a part of the conversion."""
        self._streams.add(stream)
        if self.pulled:
            stream.drain()

    def forget(self, stream: Stream) -> None:
        """Take note that ``stream`` has ended."""
        self._streams.discard(stream)


class running:  # noqa: N801 - used as a function is
    """Feed ``planned`` to ``stream``, slice by slice as it gets hungry, and ``stream`` to ``flow``.

    On leaving, what is still under way is dropped. No generator: an event loop that ends closes all
    of them at once, this one and the one that is in the middle of leaving it.
    """

    def __init__(
        self,
        flow: Engine,
        stream: Stream,
        planned: AsyncGenerator[Iterable[Planned], None],
        brake: Brake | None = None,
    ) -> None:
        self._flow = flow
        self._stream = stream
        self._planned = planned
        self._brake = brake or Brake()

    async def __aenter__(self) -> Engine:
        flow, stream = self._flow, self._stream
        flow.open(stream)
        self._brake.watch(stream)
        self._feeder = asyncio.get_running_loop().create_task(_feed(flow, stream, self._planned))
        return flow

    async def __aexit__(self, *_: object) -> None:
        self._brake.forget(self._stream)
        self._stream.cancel()
        self._feeder.cancel()
        try:
            await asyncio.wait([self._feeder])
        finally:  # also if it takes its time and the caller is cancelled once more
            self._flow.close(self._stream)


async def _feed(
    flow: Engine, stream: Stream, planned: AsyncGenerator[Iterable[Planned], None]
) -> None:
    try:
        # Whoever goes through a generator here closes it as well. What is left to the collector
        # of garbage instead ends at some other time, and crashes uvloop in debug mode now and
        # then (MagicStack/uvloop issues 611 and 730).
        async with aclosing(planned):
            async for piece in planned:
                stream.feed(piece)
                flow.poke()
                await stream.hungry()
                if stream.is_sated:  # it is to end, or has failed, or the flow has been closed
                    return
    except GeneratorExit:  # nobody runs this any more
        raise
    except BaseException as error:  # noqa: BLE001 - the jobs may raise what they like; see Stream.done
        stream.fail(error)
    else:
        stream.exhaust()


async def slices(
    jobs: Iterable[Job] | AsyncIterable[Job], checked: Callable[[Job], Planned] = lambda job: job
) -> AsyncGenerator[list[Planned], None]:
    """Cut a caller's jobs into slices: asynchronous ones come one by one, as they are there."""
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield [checked(job)]
        return
    iterator = map(checked, jobs)
    while piece := list(islice(iterator, _JOBS_SLICE)):
        yield piece
        await asyncio.sleep(0)


async def slices_on_thread(
    flow: Engine, planned: Iterator[Planned | None]
) -> AsyncGenerator[list[Planned], None]:
    """Cut a plan into slices, each made on a thread, since it lists folders.

    A slice ends where the plan takes a breath, so it may be empty.
    """
    while (piece := await flow.on_thread(_slice, planned)) is not None:
        yield piece


def _slice(planned: Iterator[Planned | None]) -> list[Planned] | None:
    """Take the next slice; None at the end."""
    piece: list[Planned] = []
    for each in planned:
        if each is None:
            return piece
        piece.append(each)
        if len(piece) == _PLAN_SLICE:
            return piece
    return piece or None


async def sifted(
    flow: Engine,
    pieces: AsyncGenerator[list[Planned], None],
    sift: Callable[[list[Planned]], list[Planned]],
) -> AsyncGenerator[list[Planned], None]:
    """Let ``sift`` look at all slices: on one thread, or on many where storage makes it wait."""
    async with aclosing(pieces):
        async for piece in pieces:
            looked_at, others = await flow.on_thread(_until_it_waits, sift, piece)
            parts = [others[at : at + _PART] for at in range(0, len(others), _PART)]
            yield [*looked_at, *chain.from_iterable(await flow.on_threads(sift, parts))]


def _until_it_waits(
    sift: Callable[[list[Planned]], list[Planned]], piece: list[Planned]
) -> tuple[list[Planned], list[Planned]]:
    """Sift a slice, but only the first of it if that shows that there is much to wait for."""
    first, others = piece[:_PROBE], piece[_PROBE:]
    began = perf_counter()
    sifted_first = sift(first)
    if perf_counter() - began > _WAITS_SECONDS * _PROBE:
        return sifted_first, others
    return sifted_first + sift(others), []


async def chained(
    first: list[Planned], others: AsyncGenerator[list[Planned], None]
) -> AsyncGenerator[list[Planned], None]:
    """Put back a slice that has been looked at."""
    async with aclosing(others):
        yield first
        async for each in others:
            yield each
