"""An image under way, with all that it picks up as it goes from stage to stage."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.memory.arena import Extent
    from asyncrgb.pipeline.workers.orders import Action
    from asyncrgb.pipeline.workers.parts import Done, Errand


class Task(ABC):
    """What the workers need to know of an image.

    What most of them never change has its first value in the class: a task is made for every
    image, and one with 15 attributes took 5 % of the event loop's time.

    Attributes:
        action: how to render it, or that it is to be measured; None: as the Converter says.
        extent: its place in the arena.
        length: bytes of its TIFF, and of its PNG once it is rendered, in ``extent``.
        alone: to be rendered in a batch of its own, as it may have killed a worker.
        spared: a worker was ended with it alone, but as if for another's sake.
        piped: its picture may be too large for the arena, and come through a pipe.
        pressing: somebody waits for this one image.
        bulky: it is a part of a scene, as large as many images.

    """

    action: Action | None = None
    extent: Extent | None = None
    length = 0
    alone = False
    spared = False
    piped = False
    pressing = False
    bulky = False

    @property
    @abstractmethod
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""


class Upload(Task):
    """An image that comes from memory and goes back there.

    Attributes:
        data: its TIFF.
        picture: its PNG, or the error.

    """

    pressing = True

    def __init__(self, data: memoryview, options: RenderOptions | None) -> None:
        self.action = options
        self.data = data
        self.picture: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @property
    def wanted(self) -> bool:
        """Whether the picture is still waited for."""
        return not self.picture.done()

    def settle(self, result: bytes | BaseException) -> None:
        """Hand the picture or the error to whoever waits."""
        if self.picture.done():
            return
        if isinstance(result, bytes):
            self.picture.set_result(result)
        else:
            self.picture.set_exception(result)


class PartTask(Task):
    """A part of a scene, or all that is known of it.

    Args:
        errand: what is to be done with it.
        extent: its place in the arena.
        length: bytes that it is about, at the start of ``extent``; None: those that ``fill`` reads.
        fill: reads them into a view, on a thread; None: they are there.
        is_wanted: tells whether the scene is still wanted.

    Attributes:
        done: what the worker says, or the error.
        reading: seconds that ``fill`` took.

    """

    bulky = True

    def __init__(
        self,
        errand: Errand,
        extent: Extent,
        length: int | None,
        fill: Callable[[memoryview], None] | None,
        is_wanted: Callable[[], bool],
    ) -> None:
        self.action = errand
        self.extent = extent
        self.length = sum(size for _, size in errand.ranges) if length is None else length
        self.fill = fill
        self.reading = 0.0
        self.done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._is_wanted = is_wanted

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return not self.done.done() and self._is_wanted()

    def settle(self, result: Done | BaseException) -> None:
        """Hand over what the worker says."""
        if self.done.done():
            return
        if isinstance(result, BaseException):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)
