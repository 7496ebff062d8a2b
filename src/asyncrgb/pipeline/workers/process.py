"""A worker process of our own: how it starts, what bounds it, and when it ends by itself."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from threading import Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

# How a worker is named, and how it leaves if it finds itself converting instead of starting.
NAME: Final = "asyncrgb-worker"
UNGUARDED: Final = 86

# What a worker maps besides images: libraries that are imported when they are needed, stacks,
# the heaps of threads. Address space, of which most is never touched.
_ALLOWANCE: Final = 512 * 2**20

_kept: list[Connection] = []


def start(lifeline: Connection, memory: int | None, nice: int) -> None:
    """Prepare a worker process.

    Args:
        lifeline: kept open for as long as the process lives, which is how its end is seen even
            where who should tell, the fork server, has been killed.
        memory: bytes that it may allocate; None for any number.
        nice: how far it stands back behind other processes.

    """
    _kept.append(lifeline)
    settle_signals()
    if hasattr(os, "nice"):
        # Who feeds the workers goes first, or they wait for it in the end: on busy processors
        # a step brought the use of two of them from 1.64 to 1.79.
        os.nice(nice)
    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its findings become errors
    logging.getLogger("tifffile").propagate = False
    Thread(target=_end_with_parent, daemon=True).start()
    import asyncrgb.imaging.chip  # noqa: F401, PLC0415 - numpy, before there is a limit

    if memory is not None:
        _limit(memory)


def leave_if_starting() -> None:
    """End this process if it is a worker of ours that has not started yet.

    As it starts, it imports the script that it is for, or the fork server does so for it; a script
    that does not ask whether it is the main program converts its images there once more. Left
    by SystemExit, the event loop would have its say, and the fork server give another exit code.
    """
    current = multiprocessing.current_process()
    importing = getattr(current, "_inheriting", False)
    # Others' workers are not ours to end; a main process that imports the script is a fork server.
    if importing and current.name.startswith((NAME, "MainProcess")):
        os._exit(UNGUARDED)


def settle_signals(ignored: Sequence[str] = ("SIGINT",)) -> None:
    """Ignore what reaches the main process too, such as Ctrl-C, and die of what is meant to kill.

    A signal that the main process ignores would be ignored by its workers too. What is ignored is
    so before any that has been held back gets through.
    """
    for name in ("SIGTERM", "SIGALRM", *ignored):
        if hasattr(signal, name):
            action = signal.SIG_IGN if name in ignored else signal.SIG_DFL
            signal.signal(getattr(signal, name), action)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM, signal.SIGTERM})


def _end_with_parent() -> None:
    """Leave when the main process dies, killed or not: nothing else would end an idle worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit(memory: int) -> None:
    """Let what is allocated beyond ``memory`` fail, where the system can see to that.

    An image that decodes to more is an error then; without a limit the system would kill a
    process that it chooses.
    """
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - not on every system

        most = _mapped() + _ALLOWANCE + memory
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if most <= sys.maxsize and (soft == resource.RLIM_INFINITY or most < soft):
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _mapped() -> int:
    """Tell how much address space this process has."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
