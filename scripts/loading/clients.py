"""Clients that cost as little as can be: asyncio's streams and HTTP/1.1 as uvicorn speaks it.

A client library takes more time for a request than the service for its answer, so that it would
be what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP; 0 if the connection broke.
        seconds: from before the request to the end of the answer.
        wrong: it is not the right picture.

    """

    status: int
    seconds: float
    wrong: bool


class Clients:
    """Send chips and compare what comes back.

    Args:
        port: of the service, on the loopback.
        chips: pairs of a TIFF and its picture, sent in turn.
    """

    def __init__(self, port: int, chips: Sequence[tuple[bytes, bytes]]) -> None:
        self._port = port
        self._chips = itertools.cycle(chips)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, count: int, concurrent: int) -> list[Answer]:
        """Send ``count`` chips, ``concurrent`` at once, and give the answers."""
        numbers = iter(range(count))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one_by_one(numbers)) for _ in range(concurrent)]
        return [answer for task in tasks for answer in task.result()]

    async def close(self) -> None:
        """Close the connections; all are idle."""
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()

    async def _one_by_one(self, numbers: Iterator[int]) -> list[Answer]:
        return [await self._ask(*next(self._chips)) for _ in numbers]

    async def _ask(self, chip: bytes, picture: bytes) -> Answer:
        before = time.perf_counter()
        try:
            reader, writer = self._idle.pop() if self._idle else await self._connect()
            status, body = await _exchange(reader, writer, chip)
            self._idle.append((reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            status, body = 0, b""
        return Answer(status, time.perf_counter() - before, body != picture)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


@asynccontextmanager
async def clients(port: int, chips: Sequence[tuple[bytes, bytes]]) -> AsyncIterator[Clients]:
    """Make clients, and close their connections in the end."""
    made = Clients(port, chips)
    try:
        yield made
    finally:
        await made.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chip: bytes
) -> tuple[int, bytes]:
    head = f"POST /render HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(chip)}\r\n\r\n"
    writer.writelines((head.encode(), chip))
    await writer.drain()
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).lower().splitlines()
    lengths = [line for line in headers if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].partition(b":")[2]))
    return int(status.split()[1]), body
