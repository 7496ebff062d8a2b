"""Worker processes that can be ended for sure.

``ProcessPoolExecutor`` feeds them, and notices when one dies. But it ends them by asking, or
by SIGTERM, and then waits for as long as it takes: for ever, if one is stopped. If one dies in
the middle of an answer, it waits for the rest of that; some versions, if it dies in the middle
of an order, for room for the rest. And if the fork server has been killed, it takes workers for
dead that are not. So somebody watches over it: what does not go in time is killed, and each
worker holds one end of a pipe, which is at its end when the last one is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import wait
from threading import Event, Lock, Thread, Timer
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, cast

from asyncrgb.errors import AsyncRgbError
from asyncrgb.fork_server import exit_of
from asyncrgb.pipeline.workers import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext, ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

GRACE: Final = 2.0  # seconds
_KILLED: Final = 5.0  # what has been killed is gone as soon as the system gets round to it
_LOOK: Final = 1.0
_ZOMBIE: Final = 0.5  # a process that has closed its pipes is dead in no time

NO_GUARD: Final = """\
this script converts wherever it is imported, and worker processes import it as they start. \
Put what it runs under a guard:

    if __name__ == "__main__":
        asyncio.run(main())  # or asyncrgb.run(...), or whatever it runs
"""

NO_FILE = """\
worker processes import the script that starts them, and {path} is no file: save the script as \
one, or render in threads (executor=ThreadPoolExecutor())\
"""

_numbers = count(1)
_lifelines: set[Connection] = set()


def _let_go() -> None:
    """Close what a process that the host has forked would hold on to: it is no worker."""
    for each in _lifelines:
        each.close()
    _lifelines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class Processes:
    """A number of worker processes that live and die together.

    They start by forkserver where there is one, else by spawn: a fork of a process with
    threads can deadlock.

    Args:
        count: of processes.
        memory: bytes that each may allocate; None for any number.
        arena: bytes of shared memory that each maps besides.
        nice: how far they stand back behind other processes.

    """

    def __init__(self, count: int, memory: int | None, arena: int, nice: int) -> None:
        context = safe_context()
        self._count = count
        self._forked = context.get_start_method() == "forkserver"
        self._alive, self._lifeline = context.Pipe(duplex=False)
        _lifelines.add(self._lifeline)
        most = None if memory is None else memory + arena
        self.executor = ProcessPoolExecutor(
            count,
            cast("BaseContext", _Naming(context)),
            initializer=process.start,
            initargs=(self._lifeline, most, nice),
        )
        self._ending = Lock()
        self._exits: dict[int, int] | None = None
        self._stopping = Event()
        self._watch = Thread(target=self._look_out, name="asyncrgb-watch", daemon=True)

    def start(self) -> None:
        """Start them, and wait for the first.

        Raises:
            AsyncRgbError: they import a script that converts as it is imported, or that is none.
            BrokenExecutor: they die as they start.
            OSError, EOFError: they cannot be started.

        """
        _check_script()
        try:
            with undecided():
                first, *_ = [self.executor.submit(_ready) for _ in range(self._count)]
            self._watch.start()
            first.result()
        except (BrokenExecutor, OSError, EOFError) as error:
            if self._unguarded(error):
                raise AsyncRgbError(NO_GUARD) from None
            raise

    def stop(self, grace: float) -> dict[int, int]:
        """End them, and wait until they are gone; kill them after ``grace`` seconds.

        Returns:
            The exit code of each process that told one; -N where signal N ended it. Asked again,
            it says the same.

        """
        with self._ending:
            if self._exits is None:
                self._exits = self._stop(grace)
        return self._exits

    def _unguarded(self, error: Exception) -> bool:
        """Tell whether they died of a script that converts as it is imported."""
        if process.UNGUARDED in self.stop(GRACE).values():
            return True
        if isinstance(error, BrokenExecutor) or not self._forked:
            return False
        return _exit_of_fork_server() == process.UNGUARDED  # some import the script there

    def _stop(self, grace: float) -> dict[int, int]:
        self._stopping.set()
        processes = self._processes()
        reaper = Timer(grace, self._kill, [processes])
        reaper.start()
        self.executor.shutdown(wait=True, cancel_futures=True)
        reaper.cancel()
        _lifelines.discard(self._lifeline)
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
        """End both pipes on this side, in case one is in the middle of an order or an answer.

        Who waits for its rest, or for room for it, would do so for ever. Orders are large where
        images go with them; from Python 3.11.5 on the executor sees to that pipe itself.
        """
        orders = getattr(self.executor, "_call_queue", None)
        answers = getattr(self.executor, "_result_queue", None)
        for end in (getattr(orders, "_reader", None), getattr(answers, "_writer", None)):
            if end is not None:
                with suppress(OSError):  # it is closed
                    _end(end)


def _end(end: Connection) -> None:
    """End a pipe on this side, and leave what stands for it to its owner to close.

    The executor may be closing it at this very moment. Closed by both, it would fail there, or
    take the descriptor of something else along.
    """
    if os.name == "nt":
        end.close()
        return
    with open(os.devnull, "r+b", buffering=0) as nothing:
        os.dup2(nothing.fileno(), end.fileno(), inheritable=False)


def safe_context() -> ForkServerContext | SpawnContext:
    """Give the way to start processes from a process with threads."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


@contextmanager
def undecided() -> Iterator[None]:
    """Leave it open how the host starts its processes, if it was: to start one decides that."""
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        yield
    finally:
        usual = multiprocessing.get_all_start_methods()[0]
        if not before and multiprocessing.get_start_method(allow_none=True) == usual:
            multiprocessing.set_start_method(None, force=True)


class _Naming:
    """A context of multiprocessing whose processes are named as ours.

    Args:
        context: that makes them.

    """

    def __init__(self, context: BaseContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the context has
        return getattr(self._context, name)

    def Process(self, **given: Any) -> BaseProcess:  # noqa: ANN401, N802 - its name there
        """Make a process."""
        made: BaseProcess = self._context.Process(name=f"{process.NAME}-{next(_numbers)}", **given)  # type: ignore[attr-defined] # known to each kind of context
        return made


def _exit_of_fork_server() -> int | None:
    """Tell how the fork server ended, if it has."""
    from multiprocessing import forkserver  # noqa: PLC0415 - not on every system

    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    end = monotonic() + _ZOMBIE
    while pid is not None and monotonic() < end:
        if (code := exit_of(pid, wait=False)) is not None:
            return code
        sleep(0.01)
    return None


def _ready() -> None:
    """Do nothing: a worker that has answered has started."""


def _check_script() -> None:
    """See whether workers can import the main module, as multiprocessing has them do.

    What Python reads from standard input is the file <stdin>, which there is none of; what is
    typed has no file, and then nothing is imported (multiprocessing.spawn, get_preparation_data).
    """
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path is not None and getattr(main, "__spec__", None) is None and not os.path.exists(path):
        raise AsyncRgbError(NO_FILE.format(path=path))
