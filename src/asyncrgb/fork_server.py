"""The parent of the workers: it loads what they need, once for all of them.

To load it takes a third of a second, in which the command loads the rest. Not for the library to
do: a process has only one fork server, and its host may want it otherwise.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from asyncrgb.signals import KILL, held_back

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Never

_FOR_WORKERS: Final = ("asyncrgb.pipeline.workers.worker", "asyncrgb.imaging.chip")

_pid: int | None = None
_socket = ""


def start_fork_server(modules: Sequence[str] = _FOR_WORKERS) -> None:
    """Start it, where there is one and it does not run yet, and let it load ``modules``.

    One that was there before is that of a host, which calls a command: it is left as it is.

    Ctrl-C and the like reach every process of a terminal. They are ours alone: to the fork
    server they stay held back for good, and its workers do as they are told when they start.
    """
    global _pid, _socket  # noqa: PLW0603 - as the server, there is one in a process
    import multiprocessing  # noqa: PLC0415 - 20 ms that --help does not need

    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415 - not on Windows

    server = getattr(forkserver, "_forkserver", None)  # as far as this Python tells
    if getattr(server, "_forkserver_pid", None) is not None:
        return
    multiprocessing.set_forkserver_preload(list(modules))
    with held_back():
        resource_tracker.ensure_running()  # which lets some signals through when it is done
    with held_back():  # until it is known whom to end
        forkserver.ensure_running()
        _pid = getattr(server, "_forkserver_pid", None)
        _socket = getattr(server, "_forkserver_address", None) or ""


def end_fork_server() -> None:
    """End it, if it was started here: it is not to outlive us, whenever we leave."""
    global _pid
    pid, _pid = _pid, None
    if pid is not None:
        with suppress(OSError):  # it is gone already
            os.kill(pid, KILL)
            exit_of(pid, wait=True)


def exit_of(pid: int, *, wait: bool) -> int | None:
    """Tell how a fork server ended.

    Multiprocessing can ask once more: it starts no other where somebody else has had the answer.

    Args:
        pid: of it.
        wait: until it has ended.

    Returns:
        Its exit code, or the signal that killed it; None: it has not ended, or nobody can tell.

    """
    if not hasattr(os, "waitid"):  # on macOS, until Python 3.13
        return None
    with suppress(ChildProcessError):  # somebody else has waited for it
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG))
        return None if ended is None else ended.si_status
    return None


def leave(code: int) -> Never:
    """End this process at once, wherever it is, and leave nothing of the fork server."""
    end_fork_server()
    with suppress(OSError, ValueError):  # there is none; or it has a name without a file
        os.unlink(_socket)
        os.rmdir(os.path.dirname(_socket))  # made for it, and removed by who leaves in peace
    os._exit(code)
