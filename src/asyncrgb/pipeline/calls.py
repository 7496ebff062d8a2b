"""The calls of a Converter under way: told to end early, and waited for before it closes."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.run import Brake

if TYPE_CHECKING:
    from collections.abc import Iterator


class Calls:
    """The calls under way, each known by its brake."""

    def __init__(self) -> None:
        self._brakes: set[Brake] = set()
        self._waiting = 0  # closings that wait for the calls to end
        self._one_ended = asyncio.Event()

    def __len__(self) -> int:
        """Count the calls under way."""
        return len(self._brakes)

    @contextmanager
    def call(self) -> Iterator[Brake]:
        """Be a call under way; gives its brake.

        Raises:
            AsyncRgbError: the Converter is being closed.

        """
        if self._waiting:
            raise AsyncRgbError(
                "this Converter is being closed: call it before aclose(wait=True), or when that "
                "has ended, which starts it again"
            )
        brake = Brake()
        self._brakes.add(brake)
        try:
            yield brake
        finally:
            self.end(brake)

    def end(self, brake: Brake) -> None:
        """Take note that a call needs the Converter no more; said twice, it is the same."""
        self._brakes.discard(brake)
        self._one_ended.set()

    def drain(self) -> None:
        """Let no call begin new work."""
        for brake in tuple(self._brakes):
            brake.pull()

    async def finish(self) -> None:
        """Drain all calls, and wait until they have ended; meanwhile no other may begin."""
        if not self._waiting:
            self._one_ended = (
                asyncio.Event()
            )  # of this event loop, to which the first wait binds it
        self._waiting += 1
        try:
            self.drain()
            while self._brakes:
                self._one_ended.clear()
                await self._one_ended.wait()
        finally:
            self._waiting -= 1
