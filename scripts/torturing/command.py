"""The command in a session of its own, and who of that session outlives it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMAND: Final = (sys.executable, "-m", "asyncrgb")
_ORPHAN_SECONDS: Final = 3
_PAUSE: Final = 0.005


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the command.

    Attributes:
        process: its main process, which leads the session.
        stdout: what it prints; a file, as a pipe has no end while an orphan holds it.
        stderr: the same.

    """

    process: subprocess.Popen[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]

    @property
    def ended(self) -> bool:
        """Whether the main process has ended."""
        return self.process.poll() is not None

    def finish(self, seconds: float) -> int | None:
        """Wait for the exit code; None: it does not come."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, seconds: float) -> None:
        """Let some time pass, less if it ends before."""
        self.finish(max(seconds, 0))

    def said(self) -> str:
        """Give what it has printed to stderr so far."""
        return _text(self.stderr)

    def counted(self, word: str) -> int | None:
        """Give a number of the summary; None: there is none."""
        found = re.search(rf"(\d+) {word}", _text(self.stdout))
        return int(found[1]) if found else None

    def catches_signals(self) -> bool:
        """Tell whether it has got as far as its own first lines."""
        with suppress(OSError), open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            found = re.search(r"^SigCgt:\s*(\w+)", file.read(), re.MULTILINE)
            return bool(found and int(found[1], 16) >> (signal.SIGTERM - 1) & 1)
        return False

    def workers(self) -> list[psutil.Process]:
        """Find the worker processes: the grandchildren by way of the fork server."""
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.process.pid)
            found = [(each, _parent(each)) for each in main.children(recursive=True)]
            return [each for each, parent in found if parent not in {None, main.pid}]
        return []

    def orphans(self) -> int:
        """Count the processes that are still there some time after the end."""
        until = time.monotonic() + _ORPHAN_SECONDS
        while (alive := _session(self.process.pid)) and time.monotonic() < until:
            time.sleep(_PAUSE)
        return len(alive)


@contextmanager
def started(*arguments: str | Path) -> Iterator[Run]:
    """Start the command; in the end nothing of its session is left, whatever happens."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, *map(str, arguments)], stdout=out, stderr=err, start_new_session=True
        ) as process,
    ):
        try:
            yield Run(process, out, err)
        finally:
            for pid in _session(process.pid):
                kill(pid)


def kill(pid: int) -> bool:
    """Kill a process; tell whether it was there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _session(leader: int) -> list[int]:
    """List the processes of a session, those left out that are dead and not collected."""
    return [pid for pid in psutil.pids() if _belongs(pid, leader) and _parent(pid) is not None]


def _belongs(pid: int, leader: int) -> bool:
    try:
        return os.getsid(pid) == leader
    except OSError:
        return False


def _parent(process: psutil.Process | int) -> int | None:
    """Give the parent of a process; None: it is dead."""
    try:
        its = psutil.Process(process) if isinstance(process, int) else process
        return None if its.status() == psutil.STATUS_ZOMBIE else int(its.ppid())
    except psutil.NoSuchProcess:
        return None


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
