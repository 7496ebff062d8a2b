"""Doubles for what the pipeline rests on."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from asyncrgb import SerialExecutor
from asyncrgb.pipeline.memory.arena import Arena, Extent
from asyncrgb.pipeline.storage.storage import LocalFiles
from asyncrgb.pipeline.workers.orders import Answer, Order, Rich, TooLarge


class FakeStorage(LocalFiles):
    """Files in memory that take their time; a path that is not there is missing."""

    def __init__(
        self, files: dict[str, bytes], seconds: float = 0, write_seconds: float = 0
    ) -> None:
        super().__init__()
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


class Posting(Executor):
    """Runs calls in the thread that submits them, but on copies, as other processes would."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401, ARG002
        (order,) = args
        self.orders.append(order)
        return SerialExecutor().submit(self.run, fn, pickle.loads(pickle.dumps(order)))  # noqa: S301 - our own

    def run(self, fn: Any, order: Order) -> Any:  # noqa: ANN401
        return fn(order)


class Elsewhere(Posting):
    """Workers for whom the name of the arena is that of something else, or who differ in that."""

    def __init__(self, *names: str | None) -> None:
        super().__init__()
        self._names = names

    def run(self, fn: Any, order: Order) -> Any:  # noqa: ANN401
        name = self._names[len(self.orders) % len(self._names)]
        answers = fn(order._replace(arena=name or order.arena))
        return pickle.loads(pickle.dumps(answers))  # noqa: S301 - our own


class Forgetful(Posting):
    """Workers that die after their work, before they have said so, and others repeat it.

    Of the first order, and of all that are for more than one image.
    """

    def run(self, fn: Any, order: Order) -> Any:  # noqa: ANN401
        if len(self.orders) == 1 or len(order.pieces) > 1:
            fn(order)
        return fn(order)


class Remembering(Posting):
    """Takes equal calls for one, as executors do that take functions for pure."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, Any] = {}

    def run(self, fn: Any, order: Order) -> Any:  # noqa: ANN401
        call = pickle.dumps(order)
        if call not in self._known:
            self._known[call] = fn(order)
        return self._known[call]


class Dropping(Executor):
    """Cancels whatever it is given, as when it is shut down by somebody else."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401, ARG002
        future: Future[Any] = Future()
        future.cancel()
        return future


class Container(Executor):
    """One worker that sees no process but itself: a subprocess in a name space of its own."""

    COMMAND = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    _LOOP = """
import pickle, sys
while True:
    fn, args = pickle.load(sys.stdin.buffer)
    pickle.dump(fn(*args), sys.stdout.buffer)
    sys.stdout.buffer.flush()
"""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        command = (*self.COMMAND, sys.executable, "-c", self._LOOP)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401, ARG002
        return self._thread.submit(self._call, fn, args)

    def _call(self, *call: Any) -> Any:  # noqa: ANN401
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(call, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)  # noqa: S301 - our own

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002
        self._thread.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._process.kill()
        self._process.communicate()
