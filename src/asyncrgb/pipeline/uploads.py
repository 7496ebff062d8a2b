"""Single images from memory, for which somebody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.pipeline.task import Upload
from asyncrgb.pipeline.workers.orders import Rich

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.memory.arena import Arena
    from asyncrgb.pipeline.memory.room import Room
    from asyncrgb.pipeline.workers.orders import Rendered


class Uploads:
    """Images that come from memory and go back there, past all that waits for a worker.

    Args:
        arena: where they are while they are rendered.
        room: where they wait for a place in it.
        put: lets one be rendered before all others.
        poke: sets going what can go.

    """

    def __init__(
        self, arena: Arena, room: Room, put: Callable[[Upload], None], poke: Callable[[], None]
    ) -> None:
        self._arena = arena
        self._room = room
        self._put = put
        self._poke = poke
        self._waiting: set[Upload] = set()

    def __len__(self) -> int:
        """Count those that have not been answered."""
        return len(self._waiting)

    async def render(self, data: memoryview, options: RenderOptions | None) -> bytes:
        """Render an image.

        Raises:
            AsyncRgbError: as ``asyncrgb.render`` does, or the image is larger than the arena.

        """
        upload = Upload(data, options)
        upload.extent = await self._room.wait(len(data))
        self._waiting.add(upload)
        self.send(upload)
        self._poke()
        try:
            return await upload.picture
        finally:
            self._waiting.discard(upload)

    def send(self, upload: Upload) -> None:
        """Fill its place with an image, and let it be rendered."""
        assert upload.extent is not None  # noqa: S101 - it has been leased
        upload.length = len(upload.data)
        self._arena.view(upload.extent, upload.length)[:] = upload.data
        self._put(upload)

    def hand_over(self, upload: Upload, result: Rendered) -> None:
        """Give what came of an image to whoever waits for it."""
        assert upload.extent is not None  # noqa: S101 - what was rendered has a place
        if isinstance(result, Exception):
            upload.settle(result)
        elif isinstance(result, Rich) and result.output is not None:
            upload.settle(result.output)
        elif isinstance(result, (Rich, int)):
            length = result.length if isinstance(result, Rich) else result
            upload.settle(bytes(self._arena.view(upload.extent, length)))

    def fail(self, error: BaseException) -> None:
        """Let all who wait have an error."""
        for upload in self._waiting:
            upload.settle(error)
