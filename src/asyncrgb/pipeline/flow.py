"""How a chip travels: reading, rendering, writing, and out as an outcome.

Jobs are claimed one at a time by read hops, wait for a worker, are rendered in natural
batches, wait for a write hop, and end as an outcome of their stream. Two semaphores bound
it all: the bytes of the arena (nothing is read without an extent), and the batches in
flight, one more than there are workers, so that none of them waits for the event loop. Single
images from memory go past all that, with as many batches of their own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import AsyncRgbError
from asyncrgb.imaging.reading.refusals import OversizedError
from asyncrgb.pipeline.background import Background
from asyncrgb.pipeline.crews.strength import Demand
from asyncrgb.pipeline.events import Herald, MemoryReduced
from asyncrgb.pipeline.means import Means, OnThreads, Threads
from asyncrgb.pipeline.memory.arena import Arena
from asyncrgb.pipeline.memory.room import Room
from asyncrgb.pipeline.meters.meter import Meter
from asyncrgb.pipeline.outcomes import Counters, Failed, Measured
from asyncrgb.pipeline.reading import Reading
from asyncrgb.pipeline.rendering import Rendering, most_batches
from asyncrgb.pipeline.scenes.scenes import Scenes
from asyncrgb.pipeline.storage.places import Places
from asyncrgb.pipeline.stream import FileTask
from asyncrgb.pipeline.task import PartTask, Upload
from asyncrgb.pipeline.uploads import Uploads
from asyncrgb.pipeline.workers.journal import Journal
from asyncrgb.pipeline.workers.orders import Counted, Rich
from asyncrgb.pipeline.workers.parts import Done
from asyncrgb.pipeline.workers.pool import Pool
from asyncrgb.pipeline.workers.staff import Staff
from asyncrgb.pipeline.workers.timing import Clocked
from asyncrgb.pipeline.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.storage.storage import Files
    from asyncrgb.pipeline.stream import Stream
    from asyncrgb.pipeline.task import Task
    from asyncrgb.pipeline.workers.orders import Rendered


_GRACE: Final = 2.0
_LINE: Final = 64  # scenes that wait for their turn, while readers look for others to go on with


class Flow(OnThreads):
    """The three stages, joined, with all they need. Lives in one event loop.

    Blocking work runs on threads of its own: the loop's default executor is left to the
    host application.
    """

    def __init__(
        self,
        options: RenderOptions,
        limits: Limits,
        executor: Executor | None = None,
        storage: Files | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.options = options
        pool = Pool(executor, limits)
        # A batch for each worker, and one that waits for the next that is free, or is being read or
        # written; slow storage needs an extent for each reader and writer, and as many again.
        most = max((pool.size + 1) * limits.batch, 2 * (limits.reads + limits.writes))
        notes = most_batches(pool.size), limits.batch
        self._arena = Arena(limits.memory, most, Journal.size(*notes))
        self._journal = Journal(self._arena, *notes)
        # One starts the workers, one ends them.
        self._threads = Threads(limits.reads + limits.writes + 2)
        self._herald = Herald(on_event)
        self._capacity = self._arena.capacity
        self._arena.share = limits.share
        self._staff = Staff(pool, self._threads, self._herald.tell)
        self._background = Background(self._fail)
        self._streams: set[Stream] = set()
        self._broken: BaseException | None = None
        self.places = Places(storage)
        self._join(Means(self._arena, self.places, self._threads, self._background), limits)
        self._begun = False

    def _join(self, means: Means, limits: Limits) -> None:
        """Make the stages, each with what comes after it."""
        self._reading = Reading(
            means=means,
            limit=limits.reads,
            appetite=self._appetite,
            deliver=self._after_reading,
        )
        self._rendering = Rendering(
            means=means,
            staff=self._staff,
            journal=self._journal,
            limits=limits,
            options=self.options,
            deliver=self._after_rendering,
            drop=self._end,
            repeat=self._repeat,
        )
        self._writing = Writing(
            means=means,
            limit=limits.writes,
            plenty=limits.batch,
            deliver=self._after_writing,
        )
        self.meter = Meter(
            limits, self._arena, self._reading.crew, self._rendering.work, self._writing
        )
        room = partial(Room, lambda: self._rendering.cramped, self._check)
        room_of_uploads = room(partial(self._arena.lease, pressing=True))
        room_of_parts = room(partial(self._arena.lease_exactly, pressing=True))
        room_of_canvas = room(self._arena.lease_last)
        self._rooms = room_of_uploads, room_of_parts, room_of_canvas
        self._uploads = Uploads(
            self._arena, room_of_uploads, self._rendering.put_pressing, self.poke
        )
        self._scenes = Scenes(
            means=means,
            workers=self._staff.size,
            options=self.options,
            room=room_of_parts,
            end_room=room_of_canvas,
            send=self._send_part,
            poke=self.poke,
            tell=self._herald.tell,
            end=self._end_scene,
        )

    def open(self, stream: Stream) -> None:
        """Take jobs from ``stream`` too, in turn with the others."""
        self._streams.add(stream)
        self._reading.open(stream)
        if self._broken is not None:
            stream.fail(self._broken)

    def close(self, stream: Stream) -> None:
        """Take no more jobs from ``stream``."""
        self._streams.remove(stream)
        self._reading.close(stream)
        self._drop_unwanted()

    def poke(self) -> None:
        """Set going whatever can go; to be called when a stream has got jobs."""
        # Called once in a dozen images, and each time from cold caches, where a call that does
        # nothing takes a microsecond: what is mostly in vain is not called.
        for room in self._rooms:
            if room.awaited:
                room.tell()
        if self._arena.capacity < self._capacity:
            self._tell_of_memory()
        if not self._begun:
            self._begin()
        self.meter.look()
        self._rendering.dispatch()
        self._writing.crew.poke()
        self._reading.crew.poke()

    async def reach(self, source: str, folder: str | None) -> None:
        """Do nothing: what this process cannot reach is found out by reading it."""

    async def render(self, data: memoryview, options: RenderOptions | None) -> bytes:
        """Render an image from memory, before everything that waits for a worker.

        Raises:
            AsyncRgbError: as ``asyncrgb.render`` does, or the image is larger than the arena.

        """
        self._check()
        return await self._uploads.render(data, options)

    async def aclose(self) -> None:
        """Drop what is under way, end the workers, free the memory."""
        self._fail(AsyncRgbError("the Converter has been closed"))
        self._staff.retire()
        await self._background.rest(_GRACE)
        await self._staff.close(at_once=len(self._background) > 0)
        await self._background.rest()
        self._threads.stop()
        self._arena.close()

    def counters(self) -> Counters:
        """Count what is where."""
        return Counters(
            reading=len(self._reading.crew),
            ready=self._rendering.ready + self._reading.held,
            rendering=self._rendering.under_way,
            writing=self._writing.waiting + len(self._writing.crew),
            leased=self._arena.leased,
        )

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _tell_of_memory(self) -> None:
        """Tell that the arena has turned out smaller: readers find out, on their threads."""
        available = self._arena.capacity
        self._herald.tell(MemoryReduced(available, self._capacity))
        self._capacity = available

    def _appetite(self) -> Demand:
        if self._scenes.waiting >= _LINE or any(each.awaited for each in self._rooms):
            return Demand.STOP
        return Demand.LESS if self._writing.behind else self._rendering.appetite

    def _begin(self) -> None:
        """Start the workers once there is something to do: often everything is up to date."""
        if self._broken is not None:
            return
        if self._uploads or any(each.pending for each in self._streams):
            self._begun = True
            self._background.spawn(self._start())

    async def _start(self) -> None:
        await self._staff.start()
        self.poke()

    def _after_reading(self, tasks: list[FileTask]) -> None:
        for task in tasks:
            if task.outcome is not None or not task.wanted:
                self._end(task)
            elif task.extent is None:
                self._scenes.begin(task)
        self._rendering.put([task for task in tasks if task.extent is not None])
        self.poke()

    def _after_rendering(self, tasks: list[Task], results: list[Rendered]) -> None:
        for task, result in zip(tasks, results, strict=True):
            if isinstance(task, FileTask):
                if type(result) is int:
                    task.length = result
                    self._writing.put(task)
                else:
                    self._write(task, result)
            elif isinstance(task, Upload):
                self._uploads.hand_over(task, result)
                self._end(task)
            elif isinstance(task, PartTask):
                assert isinstance(result, (Done, Exception))  # noqa: S101 - of an errand
                task.settle(result)
        self.poke()

    def _write(self, task: FileTask, result: Rendered) -> None:
        assert not isinstance(result, Done)  # noqa: S101 - no file is an errand
        if isinstance(result, (Rich, Clocked)):
            self.meter.sample(result)
            result = task.unpack(result)
        if isinstance(result, OversizedError):
            self._release(task)
            self._scenes.begin(task)
            return
        if isinstance(result, Exception):
            task.settle(Failed(task.job.source, result))
            self._end(task)
            return
        if isinstance(result, Counted):
            self._counted(task, result)
            return
        task.length = result
        self._writing.put(task)

    def _counted(self, task: FileTask, result: Counted) -> None:
        if result.statistics is not None and task.stream.absorb is not None:
            task.stream.absorb(result.statistics)
        task.settle(Measured(task.job.source))
        self._end(task)

    def _send_part(self, task: PartTask) -> None:
        self._rendering.put_part(task)
        self.poke()

    def _end_scene(self, task: FileTask) -> None:
        self._end(task)
        self.poke()

    def _after_writing(self, tasks: list[FileTask]) -> None:
        for task in tasks:
            self._end(task)
        self.poke()

    def _repeat(self, task: Task) -> None:
        if isinstance(task, Upload):
            self._uploads.send(task)
        elif isinstance(task, PartTask):
            self._scenes.again(task)
        elif isinstance(task, FileTask):
            self._release(task)
            self._reading.again(task)
        self.poke()

    def _end(self, task: Task) -> None:
        if task.extent is not None:
            self._release(task)
        if isinstance(task, FileTask) and task.outcome is not None:
            task.stream.end(task.index, task.outcome)
        elif isinstance(task, PartTask):
            task.settle(AsyncRgbError("nobody waits for the scene any more"))

    def _release(self, task: Task) -> None:
        if task.extent is not None:
            self._arena.give_back(task.extent)
            task.extent = None

    def _drop_unwanted(self) -> None:
        """Break off requests to stores for streams that have ended."""
        for crew in (self._reading.crew, self._writing.crew):
            crew.drop(lambda task: not task.wanted)

    def _fail(self, error: BaseException) -> None:
        self._broken = error
        for stream in self._streams:
            stream.fail(error)
        self._uploads.fail(error)
        self._scenes.fail(error)
        self._drop_unwanted()
        self.poke()  # what nobody waits for any more gives its room back
