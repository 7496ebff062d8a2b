"""Work that nobody awaits piece by piece, whose errors are not lost all the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")


class Background:
    """Work that nobody awaits piece by piece, whose errors are not lost all the same."""

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._under_way: set[asyncio.Future[Any]] = set()

    def __len__(self) -> int:
        """Count what is under way."""
        return len(self._under_way)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def follow(self, work: asyncio.Future[_T], then: Callable[[asyncio.Future[_T]], None]) -> None:
        """Call ``then`` when ``work`` is done: without the turn of the loop that a task takes."""

        def go_on(work: asyncio.Future[_T]) -> None:
            self._under_way.discard(work)
            try:
                then(work)
            except Exception as error:  # noqa: BLE001 - for whom it is meant
                self._on_error(error)

        self._under_way.add(work)
        work.add_done_callback(go_on)

    async def rest(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way, but no longer than so many seconds."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while self._under_way and (end is None or loop.time() < end):
            await asyncio.wait(self._under_way, timeout=end and end - loop.time())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)
