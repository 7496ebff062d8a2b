"""One scene on its way: what it is, what its values are, and its parts drawn in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import DecodeError, LimitError
from asyncrgb.imaging.writing import joining
from asyncrgb.pipeline.events import SceneAdvanced
from asyncrgb.pipeline.folders.plan import worldfile_path
from asyncrgb.pipeline.outcomes import Converted, Measured
from asyncrgb.pipeline.task import PartTask
from asyncrgb.pipeline.workers.orders import Measure
from asyncrgb.pipeline.workers.parts import Errand, Lacks
from asyncrgb.pipeline.workers.timing import Timed
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from asyncrgb.exposure import Exposure
    from asyncrgb.imaging.parts import Part, Plan
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.memory.arena import Extent
    from asyncrgb.pipeline.outcomes import Outcome
    from asyncrgb.pipeline.scenes.scenes import Scenes
    from asyncrgb.pipeline.storage.storage import Sink, Source
    from asyncrgb.pipeline.stream import FileTask
    from asyncrgb.pipeline.workers.parts import Done, Step

    Take: TypeAlias = Callable[[PartTask, Done], Awaitable[None]]
    UnderWay: TypeAlias = deque[tuple[PartTask, asyncio.Future[Done]]]

_BEGINNING: Final = 2**16  # bytes of a file that are read before it is known what it is
_ROUNDS: Final = 256  # questions about a header; each answers for 64 KiB at least


class Scene:
    """One scene under way.

    Args:
        scenes: what it has in common with the others.
        task: the job.

    """

    _source: Source
    _plan: Plan

    def __init__(self, scenes: Scenes, task: FileTask) -> None:
        self._scenes = scenes
        self._task = task
        self._places = scenes.means.places
        action = task.action or scenes.options
        assert not isinstance(action, Errand)  # noqa: S101 - those are of parts
        self._every = isinstance(action, Measure) and action.every
        self._counts = isinstance(action, Measure)
        self._options = _options(action)
        self._header: tuple[tuple[int, bytes], ...] = ()
        self._taken = 0  # parts
        self._exposure: Exposure | None = None
        self._over = False

    async def convert(self) -> Outcome:
        """Do all that there is to do; gives the outcome.

        Raises:
            AsyncRgbError: as ``render`` does.
            OSError: it cannot be read, or written.

        """
        on_thread, job = self._scenes.on_thread, self._task.job
        began = perf_counter()
        self._source = await on_thread(self._places.of(job.source).open, job.source)
        if self._task.times is not None:
            self._task.times.begun = self._task.times.begun or began
        try:
            self._plan = await self._planned()
            self._header = self._plan.header
            if self._counts:
                return await self._measured()
            if self._plan.counted:
                await self._settle_stretch()
            return await self._drawn()
        finally:
            await on_thread(self._source.close)

    # What it is.

    async def _planned(self) -> Plan:
        lacks = Lacks(0, min(_BEGINNING, self._source.size))
        for _ in range(_ROUNDS):
            data = bytearray(lacks.size)
            await self._scenes.on_thread(self._source.read_into, memoryview(data), [lacks])
            self._header += ((lacks.start, bytes(data)),)
            found = await self._asked("plan")
            if not isinstance(found, Lacks):
                return found
            lacks = found
        raise DecodeError(
            f"its header lies in more than {_ROUNDS} places: write it anew, as with gdal_translate"
        )

    async def _asked(self, step: Step) -> Plan | Lacks:
        """Have an errand done that is about the header only."""
        task = self._part_task(step, await self._scenes.room.wait(1))
        try:
            found: Plan | Lacks = (await self._scenes.ask(task)).result
        finally:
            self._scenes.release(task)
        return found

    # What its values are.

    async def _measured(self) -> Measured:
        statistics = await self._statistics()
        if self._task.stream.absorb is not None:
            self._task.stream.absorb(statistics)
        return Measured(self._task.job.source)

    async def _settle_stretch(self) -> None:
        stretch = self._options.stretch
        assert isinstance(stretch, PercentileStretch)  # noqa: S101 - so says the plan
        statistics = await self._statistics()
        self._options = replace(self._options, stretch=statistics.stretch(stretch))

    async def _statistics(self) -> Statistics:
        from asyncrgb.imaging.statistics import Statistics  # noqa: PLC0415 - numpy, only for this

        total = Statistics()

        async def take(_: PartTask, done: Done) -> None:
            total.merge(done.result)

        await self._in_order("count", take)
        return total

    # Its picture.

    async def _drawn(self) -> Converted:
        job, on_thread, text = self._task.job, self._scenes.on_thread, self._plan.worldfile
        storage = self._places.of(job.destination)
        sink: Sink = await on_thread(storage.create, job.destination)
        try:
            await (self._draw_canvas(sink) if self._plan.canvas else self._join(sink))
            await on_thread(self._source.check)
            if text is not None:  # first: a picture that is there is complete
                await on_thread(storage.write, worldfile_path(job.destination), text.encode())
            await self._write(sink.commit)
        finally:
            await on_thread(sink.drop)
        return Converted(job.source, job.destination, self._exposure, text is not None)

    async def _join(self, sink: Sink) -> None:
        """Write the pieces of the file, as they come."""
        assert self._plan.join is not None  # noqa: S101 - there is no canvas
        joiner = joining.joiner(self._plan.join)

        async def take(task: PartTask, done: Done) -> None:
            piece, drawn = self._bytes_of(task, done), done.result
            self._exposure = drawn.exposure or self._exposure
            await self._write(sink.write, joiner.add(drawn.note, len(piece)), piece)

        await self._write(sink.write, joiner.begin())
        await self._in_order("draw", take)
        tail, patches = joiner.end()
        await self._write(sink.write, tail)
        for start, data in patches:
            await self._write(sink.patch, start, data)

    async def _draw_canvas(self, sink: Sink) -> None:
        """Collect the values of all parts, and have them drawn as one image."""
        async with self._scenes.canvas:
            self._check_canvas(self._plan.canvas)
            room = await self._scenes.end_room.wait(self._plan.canvas)
            canvas = self._part_task("finish", room, length=self._plan.canvas)
            try:
                await self._collect(canvas)
                done = await self._scenes.ask(canvas)
                self._exposure = done.result
                await self._write(sink.write, self._bytes_of(canvas, done))
            finally:
                self._scenes.release(canvas)

    def _check_canvas(self, size: int) -> None:
        if size > self._scenes.largest:
            raise LimitError(
                f"the values of the picture take {size} bytes, and there is room for "
                f"{self._scenes.largest}, half of the memory: raise Limits.memory (--memory), or "
                "make the picture smaller (--max-size); a whole PNG or TIFF takes no such room"
            )

    async def _collect(self, canvas: PartTask) -> None:
        assert canvas.extent is not None  # noqa: S101 - it has just been leased
        view = self._scenes.means.arena.view(canvas.extent, canvas.length)
        filled = 0

        async def take(task: PartTask, done: Done) -> None:
            nonlocal filled
            rows = self._bytes_of(task, done)
            view[filled : filled + len(rows)] = rows
            filled += len(rows)

        await self._in_order("draw", take)

    def _bytes_of(self, task: PartTask, done: Done) -> bytes | memoryview:
        if done.output is not None:
            return done.output
        assert task.extent is not None  # noqa: S101 - who takes it has yet to release it
        return self._scenes.means.arena.view(task.extent, done.length)

    async def _write(self, write: Callable[..., None], *args: object) -> None:
        began = perf_counter()
        await self._scenes.on_thread(write, *args)
        if (times := self._task.times) is not None:
            times.write += perf_counter() - began
            times.written_bytes += sum(len(x) for x in args if isinstance(x, (bytes, memoryview)))

    # Its parts.

    async def _in_order(self, step: Step, take: Take) -> None:
        """Have all parts seen to, some at once, and each taken in its turn.

        What is ready is taken before there is any waiting for room: it holds room itself.
        """
        under_way: UnderWay = deque()
        try:
            for part in self._plan.parts:
                extent, size = None, max(part.room, sum(size for _, size in part.ranges))
                while under_way and (
                    len(under_way) >= self._scenes.ahead
                    or (extent := self._scenes.room.lease(size)) is None
                ):
                    await self._take_first(under_way, take)
                extent = extent or await self._scenes.room.wait(size)
                task = self._part_task(step, extent, part)
                under_way.append((task, asyncio.ensure_future(self._scenes.ask(task))))
            while under_way:
                await self._take_first(under_way, take)
        finally:
            await self._abandon(under_way)

    async def _take_first(self, under_way: UnderWay, take: Take) -> None:
        task, asked = under_way.popleft()
        try:
            done = await asked
            await take(task, done)
        finally:
            self._scenes.release(task)
        self._take_note(task, done)

    def _take_note(self, task: PartTask, done: Done) -> None:
        if (times := self._task.times) is not None:
            times.read += task.reading
            times.read_bytes += task.length
            times.render += done.seconds
        self._taken += 1
        steps = len(self._plan.parts) * (1 + (self._plan.counted and not self._counts))
        self._scenes.tell(SceneAdvanced(self._task.job.source, self._taken / steps))

    async def _abandon(self, under_way: UnderWay) -> None:
        """Drop what nobody wants any more; what a worker is at ends before its room is given on."""
        self._over = self._over or bool(under_way)
        self._scenes.poke()
        for task, asked in under_way:
            with suppress(Exception):  # what went wrong first is known
                await asked
            self._scenes.release(task)

    def _part_task(
        self, step: Step, extent: Extent, part: Part | None = None, length: int | None = None
    ) -> PartTask:
        ranges = () if part is None else part.ranges
        size, room = self._source.size, self._scenes.largest
        judge = part is not None and part is self._plan.parts[len(self._plan.parts) // 2]
        errand = Errand(
            step, size, self._header, ranges, part, self._options, room, self._every, judge
        )
        fill = partial(self._source.read_into, ranges=ranges) if ranges else None
        return PartTask(errand, extent, length, fill, self._is_wanted)

    def _is_wanted(self) -> bool:
        return self._task.wanted and not self._over


def _options(action: RenderOptions | Measure | Timed) -> RenderOptions:
    if isinstance(action, Measure):
        return replace(action.options, stretch=None)  # which is to be found out
    return action.options if isinstance(action, Timed) else action
