"""Doubles for what the pipeline rests on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from asyncrgb.pipeline.arena import Arena, Extent
from asyncrgb.pipeline.worker import Answer, Rich, TooLarge


class FakeStorage:
    """Files in memory that take their time; a path that is not there is missing."""

    def __init__(
        self, files: dict[str, bytes], seconds: float = 0, write_seconds: float = 0
    ) -> None:
        self.files = files
        self.seconds = seconds
        self.write_seconds = write_seconds
        self.written: dict[str, bytes] = {}
        self.times_read: dict[str, int] = defaultdict(int)
        self.most_leased = 0
        self.at_once = 0
        self.most_at_once = 0

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.seconds:
            time.sleep(self.seconds)
        self.at_once -= 1
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        data = self.files[path]
        extent = arena.lease(len(data))
        if extent is None:
            return None
        self.times_read[path] += 1
        self.most_leased = max(self.most_leased, arena.leased)
        arena.view(extent, len(data))[:] = data
        return extent, len(data)

    def write(self, path: str, data: bytes | memoryview) -> None:
        if self.write_seconds:
            time.sleep(self.write_seconds)
        if "unwritable" in path:
            raise PermissionError(13, "Permission denied", path)
        self.written[path] = bytes(data)


class ThreadedExecutor(Executor):
    """Runs a function of the test instead of the renderer, on threads.

    ``render`` takes the bytes of an image and gives those of its picture, or raises.
    """

    def __init__(
        self, arena: Callable[[], Arena], render: Callable[[bytes], bytes], workers: int
    ) -> None:
        self._arena = arena
        self._render = render
        self._threads = ThreadPoolExecutor(workers)
        self.batches: list[int] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401, ARG002
        (order,) = args
        self.batches.append(len(order.pieces))
        return self._threads.submit(self._batch, order.pieces)

    def _batch(self, pieces: Any) -> list[Answer]:  # noqa: ANN401
        return [
            self._one(Extent(start, size), length, piped=piped)
            for start, size, length, _, piped in pieces
        ]

    def _one(self, extent: Extent, length: int, *, piped: bool) -> Answer:
        view = self._arena().view(extent)
        try:
            picture = self._render(bytes(view[:length]))
        except ValueError as error:
            return error
        if len(picture) > extent.size:
            return Rich(len(picture), picture, None, None) if piped else TooLarge(len(picture))
        view[: len(picture)] = picture
        return len(picture)
