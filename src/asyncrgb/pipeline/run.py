"""One stream's way through the flow: fed from its jobs, taken out again whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from asyncrgb.pipeline.flow import Flow
    from asyncrgb.pipeline.outcomes import Job
    from asyncrgb.pipeline.plan import Planned
    from asyncrgb.pipeline.stream import Stream

_PLAN_SLICE: Final = 256
_JOBS_SLICE: Final = 16


@asynccontextmanager
async def running(
    flow: Flow, stream: Stream, planned: AsyncIterator[Iterable[Planned]]
) -> AsyncIterator[Flow]:
    """Feed ``planned`` to ``stream``, slice by slice as it gets hungry, and ``stream`` to ``flow``.

    On leaving, what is still under way is dropped.
    """
    flow.open(stream)
    feeder = asyncio.get_running_loop().create_task(_feed(flow, stream, planned))
    try:
        yield flow
    finally:
        stream.cancel()
        feeder.cancel()
        await asyncio.wait([feeder])
        flow.close(stream)


async def _feed(flow: Flow, stream: Stream, planned: AsyncIterator[Iterable[Planned]]) -> None:
    try:
        async for piece in planned:
            stream.feed(piece)
            flow.poke()
            await stream.hungry()
            if stream.is_done:  # it has failed, or the flow has been closed
                return
    except Exception as error:  # noqa: BLE001 - it comes out where the stream is awaited
        stream.fail(error)
    else:
        stream.exhaust()


async def slices(jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncIterator[list[Job]]:
    """Cut a caller's jobs into slices: asynchronous ones come one by one, as they are there."""
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield [job]
        return
    iterator = iter(jobs)
    while piece := list(islice(iterator, _JOBS_SLICE)):
        yield piece
        await asyncio.sleep(0)


async def slices_on_thread(flow: Flow, planned: Iterator[Planned]) -> AsyncIterator[list[Planned]]:
    """Cut a plan into slices, each made on a thread, since it lists folders."""
    while piece := await flow.on_thread(_slice, planned):
        yield piece


def _slice(planned: Iterator[Planned]) -> list[Planned]:
    return list(islice(planned, _PLAN_SLICE))
