"""Where room in the arena is waited for, by those who do not come by way of the readers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.memory.arena import Extent


class Room:
    """A line in which extents are waited for; first come, first served.

    Args:
        cramped: tells whether nothing may take room, since images under way need more of it.
        check: raises what has ended it all, if anything has.
        lease: of the arena; how extents are taken.

    Attributes:
        awaited: whether somebody waits, so that nothing should be read meanwhile.

    """

    def __init__(
        self,
        cramped: Callable[[], bool],
        check: Callable[[], None],
        lease: Callable[[int], Extent | None],
    ) -> None:
        self.awaited = False
        self._lease = lease
        self._cramped = cramped
        self._check = check
        self._door = asyncio.Lock()
        self._news = asyncio.Event()

    def lease(self, size: int) -> Extent | None:
        """Take an extent of ``size`` bytes; None if there is none now."""
        return None if self._cramped() else self._lease(size)

    async def wait(self, size: int) -> Extent:
        """Wait for an extent of ``size`` bytes.

        Raises:
            LimitError: there will be none, as the arena is smaller.
            AsyncRgbError: all has ended.

        """
        async with self._door:
            try:
                self._check()  # all may have ended while it stood in line
                while (extent := self.lease(size)) is None:
                    self.awaited = True
                    self._news.clear()
                    await self._news.wait()
                    self._check()  # between the news of room and this moment all may have ended
            finally:
                self.awaited = False
        return extent

    def tell(self) -> None:
        """Let who waits look once more."""
        self._news.set()
