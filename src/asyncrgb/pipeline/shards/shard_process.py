"""What runs inside a shard process: slices in, what becomes of them out.

It ends when it is told to, or when whoever has started it is gone, however that ended. Signals
that reach all processes of a terminal are for that one.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import pickle
from contextlib import contextmanager, suppress
from threading import Lock, Thread, Timer
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from asyncrgb.errors import AsyncRgbError
from asyncrgb.fork_server import start_fork_server
from asyncrgb.garbage import collect_rarely
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.loops import loop_factory
from asyncrgb.pipeline.run import Brake
from asyncrgb.pipeline.shards.shard import Shard
from asyncrgb.pipeline.shards.slices import Slice
from asyncrgb.pipeline.storage.storage import LocalFiles
from asyncrgb.pipeline.workers import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.shards.slices import Tidings

_WORKERS_SECONDS: Final = 0.4  # of workers, from when they are to drop what they do
LAST_SECONDS: Final = 3.0  # of a shard itself
_NOT_OURS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Setup(NamedTuple):
    """What a shard process is to be.

    Attributes:
        name: no other shard of a run has it.
        options: how to render, where a job does not say otherwise.
        limits: how much of the machine to use.
        fsync: whether a picture that is said to be there is to survive a power cut.
        level: of the log.

    """

    name: str
    options: RenderOptions
    limits: Limits
    fsync: bool
    level: int


class Drain(NamedTuple):
    """Let no more jobs of a slice be begun."""

    number: int


class Cancel(NamedTuple):
    """Drop a slice."""

    number: int


class Stop(NamedTuple):
    """Drop everything, and end."""


class Told(NamedTuple):
    """Something has become of jobs of a slice."""

    number: int
    results: Tidings


class Ended(NamedTuple):
    """A slice has ended; 0: the shard has. An error says that it could not be carried out."""

    number: int
    error: Exception | None


class Happened(NamedTuple):
    """Something has happened to the flow."""

    event: Event


class Logged(NamedTuple):
    """A line for the log."""

    level: int
    text: str


Order: TypeAlias = Slice | Drain | Cancel | Stop
Word: TypeAlias = Told | Ended | Happened | Logged


def main(connection: Connection, setup: Setup) -> None:
    """Be a shard; the target of a process."""
    process.settle_signals(_NOT_OURS)
    collect_rarely()
    voice = _Voice(connection)
    log = logging.getLogger("asyncrgb")
    log.addHandler(_Handler(voice))
    log.setLevel(setup.level)
    log.propagate = False
    try:
        # A fork server's children cannot use it themselves: each shard has one of its own, but if
        # whoever started this process has gone with its folder.
        start_fork_server()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_Service(connection, voice, setup).run())
    except Exception as error:  # noqa: BLE001 - it is the run's, which raises it
        voice.say(Ended(0, error))


@contextmanager
def _hurried() -> Iterator[None]:
    """Come to an end in time: whoever waits for this process would kill it, and leave its locks."""
    timers = [Timer(_WORKERS_SECONDS, _kill_workers), Timer(LAST_SECONDS, os._exit, [1])]
    for timer in timers:
        timer.daemon = True
        timer.start()
    yield
    for timer in timers:
        timer.cancel()


def _kill_workers() -> None:
    for child in multiprocessing.active_children():
        child.kill()


class _Voice:
    """Says words to whoever has started this process, from any thread, if that still lives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._talking = Lock()

    def say(self, word: Word) -> None:
        data = pickle.dumps(word, pickle.HIGHEST_PROTOCOL)
        with self._talking, suppress(OSError):
            self._connection.send_bytes(data)


class _Handler(logging.Handler):
    def __init__(self, voice: _Voice) -> None:
        super().__init__()
        self._voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        self._voice.say(Logged(record.levelno, record.getMessage()))


class _Service:
    """Carries out the slices that come in."""

    def __init__(self, connection: Connection, voice: _Voice, setup: Setup) -> None:
        self._connection = connection
        self._voice = voice
        self._setup = setup
        self._under_way: dict[int, tuple[asyncio.Task[None], Brake]] = {}
        self._over = asyncio.Event()

    async def run(self) -> None:
        setup, say = self._setup, self._voice.say
        flow = Flow(
            setup.options,
            setup.limits,
            storage=LocalFiles(fsync=setup.fsync),
            on_event=lambda event: say(Happened(event)),
        )
        self._shard = Shard(setup.name, flow)
        listen = (asyncio.get_running_loop().call_soon_threadsafe,)
        Thread(target=self._listen, args=listen, daemon=True).start()
        try:
            await self._over.wait()
        finally:
            with _hurried():
                for task, _ in self._under_way.values():
                    task.cancel()
                await flow.aclose()

    def _listen(self, call: Callable[..., object]) -> None:
        """Take orders until there is nobody any more who gives any; on a thread."""
        with suppress(RuntimeError):  # the loop is over
            try:
                while True:
                    call(self._take, pickle.loads(self._connection.recv_bytes()))  # noqa: S301 - ours
            except (EOFError, OSError):
                call(self._over.set)

    def _take(self, order: Order) -> None:
        if isinstance(order, Slice):
            brake = Brake()
            task = asyncio.get_running_loop().create_task(self._carry_out(order, brake))
            self._under_way[order.number] = task, brake
            return
        if isinstance(order, Stop):
            self._over.set()
            return
        task_and_brake = self._under_way.get(order.number)
        if task_and_brake is None:
            return
        task, brake = task_and_brake
        if isinstance(order, Drain):
            brake.pull()
        else:
            task.cancel()

    async def _carry_out(self, piece: Slice, brake: Brake) -> None:
        def tell(results: Tidings) -> None:
            self._voice.say(Told(piece.number, results))

        error: Exception | None = None
        try:
            await self._shard.carry_out(piece, tell, brake)
        except Exception as problem:  # noqa: BLE001 - it is the run's, which raises it
            error = _portable(problem)
        finally:
            del self._under_way[piece.number]
        self._voice.say(Ended(piece.number, error))


def _portable(error: Exception) -> Exception:
    """Give an error that can travel."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - ours
    except Exception:  # noqa: BLE001 - whatever it is made of
        return AsyncRgbError(f"{type(error).__name__}: {error}")
    return error.with_traceback(None)
