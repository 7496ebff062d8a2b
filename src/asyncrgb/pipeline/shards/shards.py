"""Shard processes: started, given slices, heard, replaced when they die."""

from __future__ import annotations

import asyncio
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.shards import shard_process
from asyncrgb.pipeline.shards.shard_process import (
    Cancel,
    Drain,
    Ended,
    Happened,
    Logged,
    Setup,
    Stop,
    Told,
)
from asyncrgb.pipeline.shards.slices import SliceLostError
from asyncrgb.pipeline.workers import process
from asyncrgb.pipeline.workers.processes import NO_GUARD, safe_context, undecided

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.shards.shard_process import Order, Word
    from asyncrgb.pipeline.shards.slices import Slice, Tidings

    Take = Callable[[Tidings], None]

_DEPTH: Final = 2  # slices of a shard: while one ends, there is another
_SECONDS: Final = 0.25
_BYTES: Final = 64 * 2**20
_PATIENCE: Final = 5
_GRACE: Final = 1.0
_HOPELESS: Final = (
    "the shard processes died {} times in a row before any image was finished: something ends "
    "them, such as a lack of memory; try fewer (--shards), or none"
)
_numbers = count(1)
logger = logging.getLogger("asyncrgb")


class ProcessShards:
    """Shards that are processes of this machine; see ``Shards``.

    Args:
        options: how to render, where a job does not say otherwise.
        limits: of each of them.
        fsync: whether a picture that is said to be there is to survive a power cut.
        on_event: hears of what happens to their flows.

    """

    seconds = _SECONDS
    bytes = _BYTES

    def __init__(
        self,
        options: RenderOptions,
        limits: Sequence[Limits],
        *,
        fsync: bool,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.places = _DEPTH * len(limits)
        self._options = options
        self._limits = limits
        self._fsync = fsync
        self._on_event = on_event
        self._threads = ThreadPoolExecutor(2 * len(limits), thread_name_prefix="asyncrgb-shards")
        self._alive: set[_Process] = set()
        self._holders: dict[int, _Process] = {}
        self._in_vain = 0
        self._error: Exception | None = None
        self._closed = False
        self._news = asyncio.Event()
        self._starts: set[asyncio.Task[None]] = set()

    async def reach(self, source: str, folder: str | None) -> None:
        """Do nothing: they reach what this process does."""

    async def start(self) -> None:
        """Start them; as ``Shards`` says."""
        await asyncio.gather(*map(self._start, self._limits))

    async def carry_out(self, piece: Slice, take: Take) -> None:
        """Have the one with the least to do carry out a slice; as ``Shards`` says."""
        while not self._alive:
            if self._error is not None:
                raise self._error
            if self._closed:
                raise SliceLostError
            self._news.clear()
            await self._news.wait()
        holder = self._holders[piece.number] = min(self._alive, key=len)
        try:
            await holder.carry_out(piece, take)
        finally:
            del self._holders[piece.number]

    def drain(self, number: int) -> None:
        """Let no more jobs of a slice be begun."""
        if number in self._holders:
            self._holders[number].order(Drain(number))

    def cancel(self, number: int) -> None:
        """Let a slice be dropped."""
        if number in self._holders:
            self._holders[number].order(Cancel(number))
            self._holders[number].forget(number)

    async def close(self) -> None:
        """End them."""
        self._closed = True
        while self._starts:
            await asyncio.wait(self._starts)
        loop = asyncio.get_running_loop()
        ending = [loop.run_in_executor(self._threads, each.end) for each in self._alive]
        await asyncio.gather(*ending)
        for each in self._alive:
            each.lose(SliceLostError())
        self._alive.clear()
        self._news.set()
        self._threads.shutdown(wait=False)

    async def _start(self, limits: Limits) -> None:
        name = f"{process.NAME}-shard-{next(_numbers)}"
        level = logger.getEffectiveLevel()
        setup = Setup(name, self._options, limits, self._fsync, level)
        made = _Process(setup, self._hear, self._ended)
        await asyncio.get_running_loop().run_in_executor(self._threads, made.start)
        self._alive.add(made)
        made.listen()
        self._news.set()

    def _hear(self, word: Happened | Logged | Told) -> None:
        if isinstance(word, Logged):
            logger.log(word.level, "%s", word.text)
        elif isinstance(word, Told):
            self._in_vain = 0 if word.results.usual or word.results.others else self._in_vain
        elif self._on_event is not None:
            asyncio.get_running_loop().call_soon(self._on_event, word.event)

    def _ended(self, ended: _Process) -> None:
        """Take note that a process is at its end, and replace it if it was not told to be."""
        if self._closed:
            return
        self._alive.discard(ended)
        self._error = self._error or self._final(ended)
        ended.lose(self._error or SliceLostError())
        if self._error is None:
            logger.warning("a shard process died (exit code %s): another one starts", ended.code)
            task = asyncio.get_running_loop().create_task(self._start(ended.limits))
            self._starts.add(task)
            task.add_done_callback(self._started)
        self._news.set()

    def _final(self, ended: _Process) -> Exception | None:
        """Give the error for which no other process need be tried."""
        self._in_vain += 1
        if ended.error is not None:
            return ended.error
        if ended.code == process.UNGUARDED:
            return AsyncRgbError(NO_GUARD)
        return AsyncRgbError(_HOPELESS.format(self._in_vain)) if self._in_vain > _PATIENCE else None

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starts.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._error = error
            self._news.set()


class _Process:
    """One shard process, from outside.

    Args:
        setup: what it is to be.
        hear: is told what does not concern a slice alone; in the event loop.
        ended: is told that it is at its end.

    Attributes:
        limits: of its flow.
        code: its exit code, at its end.
        error: of which it has died, if it has told.

    """

    def __init__(
        self,
        setup: Setup,
        hear: Callable[[Happened | Logged | Told], None],
        ended: Callable[[_Process], None],
    ) -> None:
        self.limits = setup.limits
        self.code: int | None = None
        self.error: Exception | None = None
        self._hear = hear
        self._ended = ended
        self._slices: dict[int, tuple[Take, asyncio.Future[None]]] = {}
        context = safe_context()
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(
            target=shard_process.main, args=(self._theirs, setup), name=setup.name
        )
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="asyncrgb-shard")

    def __len__(self) -> int:
        """Count the slices that it has."""
        return len(self._slices)

    def start(self) -> None:
        """Start it; blocks."""
        with undecided():
            self._process.start()
        self._theirs.close()

    def listen(self) -> None:
        """Hear what it says, on a thread of its own."""
        loop = asyncio.get_running_loop()
        name = "asyncrgb-shard"
        self._listener = Thread(target=self._listen, args=[loop], name=name, daemon=True)
        self._listener.start()

    async def carry_out(self, piece: Slice, take: Take) -> None:
        """Have it carry out a slice."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slices[piece.number] = take, future
        self.order(piece)
        await future

    def order(self, order: Order) -> None:
        """Send it an order."""
        with suppress(RuntimeError):  # it is at its end
            self._writer.submit(self._send, order)

    def forget(self, number: int) -> None:
        """Hear no more of a slice."""
        _, future = self._slices.pop(number, (None, None))
        if future is not None and not future.done():
            future.set_result(None)

    def lose(self, error: Exception) -> None:
        """Let go of its slices."""
        slices, self._slices = self._slices, {}
        for _, future in slices.values():
            if not future.done():
                future.set_exception(error)

    def end(self) -> None:
        """End it, and wait until it is gone; blocks."""
        self.order(Stop())
        self._listener.join(shard_process.LAST_SECONDS + _GRACE)
        if self._listener.is_alive():
            self._process.kill()
            self._listener.join()

    def _send(self, order: Order) -> None:
        with suppress(OSError):  # its end is heard by who listens
            self._connection.send_bytes(pickle.dumps(order, pickle.HIGHEST_PROTOCOL))

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is over
            try:
                while True:
                    word = pickle.loads(self._connection.recv_bytes())  # noqa: S301 - ours
                    loop.call_soon_threadsafe(self._take, word)
            except (EOFError, OSError):
                self._process.join()
                self.code = self._process.exitcode
                self._writer.shutdown(wait=False)
                self._connection.close()
                loop.call_soon_threadsafe(self._ended, self)

    def _take(self, word: Word) -> None:
        if isinstance(word, Ended):
            self._take_end(word)
            return
        self._hear(word)
        if isinstance(word, Told) and word.number in self._slices:
            self._slices[word.number][0](word.results)

    def _take_end(self, word: Ended) -> None:
        if not word.number:
            self.error = word.error
            return
        _, future = self._slices.pop(word.number, (None, None))
        if future is not None and not future.done():
            future.set_result(None) if word.error is None else future.set_exception(word.error)
