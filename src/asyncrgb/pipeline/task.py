"""An image under way, with all that it picks up as it goes from stage to stage."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.arena import Extent
    from asyncrgb.pipeline.timing import Timed
    from asyncrgb.pipeline.worker import Measure


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

    """

    action: RenderOptions | Measure | Timed | None = None
    extent: Extent | None = None
    length = 0
    alone = False
    spared = False
    piped = False
    pressing = False

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
