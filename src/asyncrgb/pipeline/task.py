"""An image under way, with all that it picks up as it goes from stage to stage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.arena import Extent
    from asyncrgb.pipeline.outcomes import Job, Outcome
    from asyncrgb.pipeline.stream import Stream


class Task:
    """What the workers need to know of an image.

    Attributes:
        options: how to render it; None: as the Converter says.
        extent: its place in the arena.
        length: bytes of its TIFF, and of its PNG once it is rendered, in ``extent``.
        alone: to be rendered in a batch of its own, as it may have killed a worker.

    """

    __slots__ = ("alone", "extent", "length", "options")

    def __init__(self, options: RenderOptions | None) -> None:
        self.options = options
        self.extent: Extent | None = None
        self.length = 0
        self.alone = False

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        raise NotImplementedError


class FileTask(Task):
    """A job of a stream: from a file to a file.

    Attributes:
        index: its place in the input of its stream.
        output: the PNG where it does not fit ``extent``.
        outcome: set as soon as there is nothing more to do.

    """

    __slots__ = ("index", "job", "outcome", "output", "stream")

    def __init__(self, stream: Stream, index: int, job: Job) -> None:
        super().__init__(job.options)
        self.stream = stream
        self.index = index
        self.job = job
        self.output: bytes | None = None
        self.outcome: Outcome | None = None

    @property
    def wanted(self) -> bool:
        """Whether its stream goes on."""
        return not self.stream.cancelled


class Upload(Task):
    """An image that comes from memory and goes back there.

    Attributes:
        data: its TIFF.
        picture: its PNG, or the error.

    """

    __slots__ = ("data", "picture")

    def __init__(self, data: memoryview, options: RenderOptions | None) -> None:
        super().__init__(options)
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
