"""A dealer: what a Flow is to conversions, for several of them that share the work.

Jobs come from the streams as with a Flow, and outcomes go back to them; planning, order, progress,
limits on errors are where they are without shards. In between, slices of jobs are dealt to
whichever shard has a place free. A slice is as large as takes a fraction of a second, so that all
shards end at about the same time; towards the end of the jobs slices become smaller. If a shard
dies, what is left of its slices is dealt again, in smaller slices, and if that happens again, one
at a time: until all is done, or the image is found of which shards die.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.background import Background
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.means import OnThreads, Threads
from asyncrgb.pipeline.meters.figures import insight_between, together
from asyncrgb.pipeline.outcomes import Counters
from asyncrgb.pipeline.shards.slices import SliceLostError
from asyncrgb.pipeline.shards.slicing import Dealt, Size, file_size, fitting, some_of
from asyncrgb.pipeline.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.meters.figures import Figures
    from asyncrgb.pipeline.meters.insight import Insight
    from asyncrgb.pipeline.shards.slices import Passage, Shards, Tidings
    from asyncrgb.pipeline.storage.storage import Files
    from asyncrgb.pipeline.stream import Stream


_ENOUGH: Final = 2048  # jobs in line for each place


class Dealer(OnThreads):
    """Deals the jobs of streams to shards; an ``Engine``.

    Args:
        options: how to render.
        limits: of a flow of this process, for images from memory.
        shards: who carries out slices.
        storage: of all that are no URLs.

    """

    def __init__(
        self, options: RenderOptions, limits: Limits, shards: Shards, storage: Files
    ) -> None:
        self.options = options
        self.places = Places(storage)
        self.meter = CommonMeter()
        self._limits = limits
        self._shards = shards
        self._threads = Threads(limits.reads)
        self._background = Background(self._fail)
        self._streams: deque[Stream] = deque()
        self._again: deque[Dealt] = deque()
        self._under_way: dict[int, Dealt] = {}
        self._size = Size(shards.seconds)
        self._cutting = asyncio.Lock()
        self._news = asyncio.Event()
        self._begun = False
        self._broken: BaseException | None = None
        self._flow: Flow | None = None

    def open(self, stream: Stream) -> None:
        """Take jobs from ``stream`` too, in turn with the others."""
        stream.enough = max(stream.enough, _ENOUGH * self._shards.places)
        self._streams.append(stream)
        stream.when_drained(partial(self._drain, stream))
        if self._broken is not None:
            stream.fail(self._broken)

    def close(self, stream: Stream) -> None:
        """Take no more jobs from ``stream``, and drop those under way."""
        self._streams.remove(stream)
        for dealt in self._of(stream):
            self._shards.cancel(dealt.number)

    def poke(self) -> None:
        """Set going whatever can go; to be called when a stream has got jobs."""
        self._news.set()
        wanted = any(each.pending for each in self._streams)
        if wanted and not self._begun and self._broken is None:
            self._begun = True
            self._background.spawn(self._start())

    async def reach(self, source: str, folder: str | None) -> None:
        """Make sure that the shards reach what they are to read, and the folder of the results.

        Raises:
            OptionsError: some do not.

        """
        await self._shards.reach(source, folder)

    async def render(self, data: memoryview, options: RenderOptions | None) -> bytes:
        """Render an image from memory, in a flow of this process."""
        if self._broken is not None:
            raise self._broken
        self._flow = self._flow or Flow(self.options, self._limits)
        return await self._flow.render(data, options)

    def counters(self) -> Counters:
        """Count what is where; what is being done in shards counts as being written."""
        left = sum(len(each.left) for each in self._under_way.values())
        return Counters(reading=0, ready=0, rendering=0, writing=left, leased=0)

    async def aclose(self) -> None:
        """Drop what is under way, end the shards."""
        self._fail(AsyncRgbError("the Converter has been closed"))
        await self._shards.close()
        if self._flow is not None:
            await self._flow.aclose()
        await self._background.rest()
        self._threads.stop()

    async def _start(self) -> None:
        await self._shards.start()
        for _ in range(self._shards.places):
            self._background.spawn(self._serve())

    async def _serve(self) -> None:
        """Fill one place, slice after slice."""
        first = True
        while (dealt := await self._next()) is not None:
            began = monotonic()
            self._under_way[dealt.number] = dealt
            try:
                await self._shards.carry_out(dealt.slice(), partial(self._take, dealt))
            except SliceLostError:
                self._deal_again(dealt)
            else:
                dealt.withdraw()
                self._size.learn(len(dealt), monotonic() - began, first=first)
            finally:
                del self._under_way[dealt.number]
                self._news.set()
            first = False

    async def _next(self) -> Dealt | None:
        """Wait for a slice; None: it is over."""
        while self._broken is None:
            async with self._cutting:
                if (dealt := await self._cut()) is not None:
                    return dealt
                self._news.clear()
            await self._news.wait()
        return None

    async def _cut(self) -> Dealt | None:
        if any(each.suspect for each in self._under_way.values()):
            return None
        if self._again:
            alone = self._again[0].suspect and self._under_way
            return None if alone else self._again.popleft()
        claimable = (each for each in self._streams if each.pending and not each.paused)
        stream = next(claimable, None)
        if stream is None:
            return None
        sizes = await self.on_threads(file_size, some_of(stream))
        most = min(self._size.count, fitting(sizes, self._shards.bytes))
        if stream.is_exhausted:
            most = min(most, self._size.at_the_end(stream.pending, self._shards.places))
        tasks = stream.take(most)  # by now some may have been dropped
        stream.claimed()
        self._streams.rotate(-1)
        return Dealt(stream, tasks) if tasks else None

    def _take(self, dealt: Dealt, results: Tidings) -> None:
        if results.gone is not None:
            self.meter.take(results.gone)
        dealt.take(results)

    def _deal_again(self, dealt: Dealt) -> None:
        if dealt.stream.is_sated or self._broken is not None:
            dealt.withdraw()
        else:
            self._again.extend(dealt.again())
            self._news.set()

    def _drain(self, stream: Stream) -> None:
        for dealt in self._of(stream):
            self._shards.drain(dealt.number)
        for dealt in [each for each in self._again if each.stream is stream]:
            self._again.remove(dealt)
            dealt.withdraw()

    def _of(self, stream: Stream) -> list[Dealt]:
        return [each for each in self._under_way.values() if each.stream is stream]

    def _fail(self, error: BaseException) -> None:
        self._broken = self._broken or error
        for stream in self._streams:
            stream.fail(error)
        self._news.set()


def _moment(figures: Figures) -> float:
    return figures.moment


class CommonMeter:
    """The meters of all shards, as far as they have told."""

    def __init__(self) -> None:
        self._first: dict[str, Figures] = {}
        self._last: dict[str, Figures] = {}

    def take(self, passage: Passage) -> None:
        """Take what the meter of a shard shows; slices at once tell of it in any order."""
        shard, before, now = passage
        self._first[shard] = min(before, self._first.get(shard, before), key=_moment)
        self._last[shard] = max(now, self._last.get(shard, now), key=_moment)

    def begin(self) -> Callable[[], Insight]:
        """Measure from now on; what this gives sums up."""
        return partial(self._insight, dict(self._last), monotonic(), thread_time())

    def _insight(self, before: Mapping[str, Figures], moment: float, loop: float) -> Insight:
        insights = [
            insight_between(before.get(shard, self._first[shard]), now)
            for shard, now in self._last.items()
        ]
        return together(insights, monotonic() - moment, thread_time() - loop)
