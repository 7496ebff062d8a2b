"""How a run ends before its time: Ctrl-C, SIGTERM, a terminal that is closed.

One signal is enough. No more work is begun, what is under way is finished and counted; after
two seconds, or at another signal, it is dropped. Before anything is under way, there is only to
leave. Only the command does this; the signals of a host application are its own.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import sleep
from typing import TYPE_CHECKING, Final, Protocol

import click

from asyncrgb.fork_server import leave
from asyncrgb.signals import SIGNALS

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

_DRAIN_SECONDS: Final = 2.0
_LAST_SECONDS: Final = 0.4  # of workers, from when they are to drop what they do
_OVER: Final = 0  # instead of a signal
_SHARD: Final = "-shard-"  # in the names of processes that have workers of their own
_KILLS: Final = 8  # some may be starting; then clearing up is given up too
# `timeout` sends its signal to its child, and to the group that the child is in: that is one.
_SAME_SECONDS: Final = 0.05


class Work(Protocol):
    """What can be stopped; called in the event loop."""

    def drain(self) -> object:
        """Begin nothing more, and come to an end."""

    def cancel(self) -> object:
        """Come to an end at once."""


class Voice(Protocol):
    """Whoever talks to the user; called on any thread."""

    def say(self, text: str) -> object:
        """Tell something meanwhile."""

    def conclude(self, *, interrupted: bool) -> object:
        """Tell how far the run has come."""


class Stopper:
    """Takes the signals that end a run.

    Attributes:
        number: the signal that has come first; 0: none.

    """

    def __init__(self) -> None:
        self.number = 0
        self._arrived: SimpleQueue[int] = SimpleQueue()
        self._installed = False
        self._begun = False
        self._loop: AbstractEventLoop | None = None
        self._work: Work | None = None
        self._unsaid = Lock()

    @staticmethod
    def of_command() -> Stopper | None:
        """Give that of the command; a host application that calls a command has its own way."""
        return click.get_current_context().find_object(Stopper)

    @staticmethod
    def has_signal() -> bool:
        """Tell whether a signal has come: what is there may be a part only."""
        stopper = Stopper.of_command()
        return stopper is not None and stopper.number > 0

    def install(self) -> None:
        """Take the signals from now on."""
        self._installed = True
        self._settle(self._take)

    @contextmanager
    def guarding(self, work: Work, loop: AbstractEventLoop, voice: Voice) -> Iterator[None]:
        """Let signals stop ``work``, which is under way; afterwards they are only noted."""
        self._loop, self._work = loop, work
        Thread(target=self._watch, args=[voice], daemon=True).start()
        self._begun = True
        try:
            yield
        finally:
            self._work = None
            if not self.number:
                self._arrived.put(_OVER)

    def may_conclude(self) -> bool:
        """Claim the last word, which is had once."""
        return self._unsaid.acquire(blocking=False)

    def exit_code(self, code: int) -> int:
        """Replace ``code`` by that of the signal, as shells have it, if one has come."""
        return 128 + self.number if self.number else code

    def retire(self) -> None:
        """Take no notice any more: it is over, and the interpreter is to end in peace."""
        if self._installed:
            self._settle(signal.SIG_IGN)

    def _settle(self, handler: Callable[[int, object], None] | signal.Handlers) -> None:
        with suppress(ValueError):  # not the main thread, which alone gets signals
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    signal.signal(number, handler)

    def _take(self, number: int, _: object) -> None:
        """Note a signal. That may interrupt anything, even itself: a SimpleQueue can bear it."""
        self.number = self.number or number
        self._arrived.put(number)
        if not self._begun:
            leave(self.exit_code(1))

    def _watch(self, voice: Voice) -> None:
        """Wait for a signal, and see to it that the run ends; on a thread of its own."""
        if self._arrived.get() == _OVER:
            return
        self._tell("drain")
        voice.say("stopping: what is under way is finished; again, and it is dropped")
        sleep(_SAME_SECONDS)
        with suppress(Empty):
            while True:
                self._arrived.get_nowait()
        with suppress(Empty):
            self._arrived.get(timeout=_DRAIN_SECONDS)
        self._tell("cancel")
        for _ in range(_KILLS):
            sleep(_LAST_SECONDS)
            _kill_workers()  # a library gives them more time than who has pressed Ctrl-C
        self._give_up(voice)

    def _tell(self, action: str) -> None:
        work, loop = self._work, self._loop
        if work is not None and loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it is over
                loop.call_soon_threadsafe(getattr(work, action))

    def _give_up(self, voice: Voice) -> None:
        """Leave without clearing up: something in it hangs."""
        _kill_workers(shards=True)
        if self.may_conclude():
            with suppress(OSError):
                voice.conclude(interrupted=True)
        leave(self.exit_code(1))


def _kill_workers(*, shards: bool = False) -> None:
    """Kill all who render; shards, which end their own workers, only if they do not go either."""
    from multiprocessing import active_children  # noqa: PLC0415 - needed only here

    for child in active_children():
        if shards or _SHARD not in child.name:
            child.kill()
