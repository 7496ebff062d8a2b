"""Scenes: images larger than their share of the arena, drawn part by part by all workers.

Only the byte ranges that a part needs are read, into an extent of its own; a worker makes it a
piece of the file; the pieces are written in order, as they come. This process never looks into
the bytes: what there is to be read is found out by a worker as well, which is given the
beginning of the file, and asks for more where it needs that.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.outcomes import Failed
from asyncrgb.pipeline.scenes.scene import Scene
from asyncrgb.pipeline.storage.files import bare
from asyncrgb.pipeline.task import PartTask
from asyncrgb.pipeline.workers.parts import Errand

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.means import Means
    from asyncrgb.pipeline.memory.room import Room
    from asyncrgb.pipeline.outcomes import Outcome
    from asyncrgb.pipeline.stream import FileTask
    from asyncrgb.pipeline.workers.parts import Done

_T = TypeVar("_T")
_P = ParamSpec("_P")

logger = logging.getLogger("asyncrgb")


class Scenes:
    """The scenes under way, some at once; the others wait for their turn.

    Args:
        means: where files are read from and to.
        workers: number of them.
        options: for jobs that have none of their own.
        room: where extents are waited for.
        end_room: where one at the end of the arena is waited for.
        send: lets a worker see to a part.
        poke: lets go whatever can go.
        tell: hears how far scenes are.
        end: takes a task that has an outcome.

    Attributes:
        ahead: parts of a scene that are read, drawn or wait to be written at once.
        canvas: to be held while there is a canvas: two could leave no room for parts.
        waiting: number of scenes whose turn has not come.

    """

    def __init__(  # noqa: PLR0913 - a stage knows its neighbours, once
        self,
        *,
        means: Means,
        workers: int,
        options: RenderOptions,
        room: Room,
        end_room: Room,
        send: Callable[[PartTask], None],
        poke: Callable[[], None],
        tell: Callable[[Event], None],
        end: Callable[[FileTask], None],
    ) -> None:
        self.means = means
        self.options = options
        self.room = room
        self.end_room = end_room
        self.poke = poke
        self.tell = tell
        self.ahead = workers + 2
        self.canvas = asyncio.Lock()
        self.waiting = 0
        self._send = send
        self._end = end
        self._turns = asyncio.Semaphore(max(2, workers))
        self._parts: set[PartTask] = set()
        self._idle = workers - 1  # when the first scene is looked at

    @property
    def largest(self) -> int:
        """Bytes that a part may take at most, and a canvas: beside it there is room for one."""
        return self.means.arena.capacity // 2

    def begin(self, task: FileTask) -> None:
        """Convert the scene of a task, when it is its turn."""
        self.waiting += 1
        self.means.background.spawn(self._convert(task))

    async def ask(self, task: PartTask) -> Done:
        """Have a worker do the errand of a task, once what it is about has been read.

        Raises:
            AsyncRgbError: as ``render`` does, or there are no workers any more.
            OSError: what it is about cannot be read.

        """
        self._parts.add(task)
        try:
            await self._fill(task)
            return await task.done
        finally:
            self._parts.discard(task)

    def again(self, task: PartTask) -> None:
        """Have the errand of a task done once more, after a worker has spoilt what it is about."""
        self.means.background.spawn(self._fill(task))

    def fail(self, error: BaseException) -> None:
        """End all scenes with an error."""
        for part in tuple(self._parts):
            part.settle(error)

    def release(self, task: PartTask) -> None:
        """Give back the extent of a task."""
        extent, task.extent = task.extent, None
        if extent is not None:
            self.means.arena.give_back(extent)
            self.poke()  # also a part that needs more room may have waited for just this

    async def on_thread(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run blocking work on a thread."""
        loop, threads = asyncio.get_running_loop(), self.means.threads.many
        return await loop.run_in_executor(threads, partial(function, *args, **kwargs))

    async def _warm(self) -> None:
        """Let a worker load what it will need, while another finds out what the first scene is."""
        extent = await self.room.wait(1)
        errand = Errand("warm", 0, (), (), None, self.options, 0)
        task = PartTask(errand, extent, None, None, lambda: True)
        try:
            await self.ask(task)
        except AsyncRgbError:  # there are no workers: who needs one hears of it
            logger.debug("no worker has been warmed up", exc_info=True)
        finally:
            self.release(task)

    async def _fill(self, task: PartTask) -> None:
        try:
            if task.fill is not None and task.extent is not None:
                began = perf_counter()
                view = self.means.arena.view(task.extent, task.length)
                await self.on_thread(task.fill, view)
                task.reading = perf_counter() - began
        except Exception as error:  # noqa: BLE001 - it comes out where the task is awaited
            task.settle(error)
        else:
            self._send(task)

    async def _convert(self, task: FileTask) -> None:
        async with self._turns:
            self.waiting -= 1
            if task.wanted:
                idle, self._idle = self._idle, 0
                warming = [asyncio.ensure_future(self._warm()) for _ in range(idle)]
                task.settle(await self._outcome(task))
                await asyncio.gather(*warming)  # when a call has ended, nothing is under way
        self._end(task)

    async def _outcome(self, task: FileTask) -> Outcome:
        try:
            return await Scene(self, task).convert()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a scene costs that scene
            return Failed(task.job.source, bare(error))
