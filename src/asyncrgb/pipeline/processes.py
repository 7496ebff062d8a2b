"""Worker processes that can be ended for sure.

``ProcessPoolExecutor`` feeds them, and notices when one dies. But it ends them by asking, or
by SIGTERM, and then waits for as long as it takes: for ever, if one is stopped. If one dies in
the middle of an answer, it waits for the rest of that. And if the fork server has been killed,
it takes workers for dead that are not. So somebody watches over it: what does not go in time is
killed, and each worker holds one end of a pipe, which is at its end when the last one is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.connection import wait
from threading import Event, Lock, Thread, Timer
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline import process

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

GRACE: Final = 2.0  # seconds
_KILLED: Final = 5.0  # what has been killed is gone as soon as the system gets round to it
_LOOK: Final = 1.0


class Processes:
    """A number of worker processes that live and die together.

    They start by forkserver where there is one, else by spawn: a fork of a process with
    threads can deadlock.

    Args:
        count: of processes.
        memory: bytes that each may allocate; None for any number.
        arena: bytes of shared memory that each maps besides.

    """

    def __init__(self, count: int, memory: int | None, arena: int) -> None:
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        self._count = count
        self._alive, self._lifeline = context.Pipe(duplex=False)
        most = None if memory is None else memory + arena
        self.executor = ProcessPoolExecutor(
            count, context, initializer=process.start, initargs=(self._lifeline, most)
        )
        self._stopping = Event()
        self._hanging_up = Lock()
        self._watch = Thread(target=self._look_out, name="asyncrgb-watch", daemon=True)

    def start(self) -> None:
        """Start them, and wait for the first.

        Raises:
            BrokenExecutor: they die as they start.
            OSError, EOFError: they cannot be started.

        """
        first, *_ = [self.executor.submit(_ready) for _ in range(self._count)]
        self._watch.start()
        first.result()

    def stop(self, grace: float) -> dict[int, int]:
        """End them, and wait until they are gone; kill them after ``grace`` seconds.

        Returns:
            The exit code of each process that told one; -N where signal N ended it.

        """
        self._stopping.set()
        processes = self._processes()
        reaper = Timer(grace, self._kill, [processes])
        reaper.start()
        self.executor.shutdown(wait=True, cancel_futures=True)
        reaper.cancel()
        self._lifeline.close()
        if not self._alive.poll(GRACE):  # never written to, so this is its end; or is not
            self._kill(processes)
            self._alive.poll(_KILLED)
        if self._watch.is_alive():
            self._watch.join()
        self._alive.close()
        codes = {each.pid: each.exitcode for each in processes}
        return {pid: code for pid, code in codes.items() if pid is not None and code is not None}

    def _look_out(self) -> None:
        """Kill them all if one has died and nothing comes of it; runs on a thread."""
        while not self._stopping.is_set():
            if wait([self._alive, *(each.sentinel for each in self._processes())], _LOOK):
                break
        if not self._stopping.wait(GRACE):
            self._kill(self._processes())

    def _processes(self) -> list[BaseProcess]:
        """List the processes, as far as this Python lets its executors be asked."""
        return list((getattr(self.executor, "_processes", None) or {}).values())

    def _kill(self, processes: list[BaseProcess]) -> None:
        for each in processes:
            with suppress(OSError):  # it is gone
                if each.pid is not None:
                    os.kill(each.pid, signal.SIGKILL)
        self._hang_up()

    def _hang_up(self) -> None:
        """End the pipe of the answers, in case it ends in the middle of one.

        Who waits for the rest would do so for ever: the pipe stays open on this side.
        """
        answers = getattr(self.executor, "_result_queue", None)
        writer = getattr(answers, "_writer", None)
        if writer is not None:
            with suppress(OSError), self._hanging_up:  # closed twice at once, it fails once
                writer.close()


def _ready() -> None:
    """Do nothing: a worker that has answered has started."""
