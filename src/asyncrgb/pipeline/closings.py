"""Closings under way: whoever closes meanwhile waits for them too, and none is left half done.

An event loop that ends cancels all of its tasks, that of a closing as well: it goes on all the
same, and only then is cancelled. The loop waits for that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Closings:
    """What is being closed."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, close: Callable[[], Coroutine[None, None, None]]) -> None:
        """Begin to close something; ``close`` is called once more if it is cancelled."""
        task = asyncio.get_running_loop().create_task(_to_the_end(close))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def ended(self) -> None:
        """Wait until all has been closed that this event loop closes; cancelled, it goes on."""
        loop = asyncio.get_running_loop()
        ours = [task for task in self._under_way if task.get_loop() is loop]
        if ours:
            await asyncio.wait(ours)
        for task in ours:
            if not task.cancelled():
                task.result()


async def _to_the_end(close: Callable[[], Coroutine[None, None, None]]) -> None:
    cancelled = None
    while True:
        try:
            await close()
            break
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
