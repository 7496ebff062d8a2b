"""One command and all its processes: seconds, processor time, memory.

Processor time is the kernel's own count. A forkserver and its workers are left behind by
the process that started them, so this one adopts them (Linux), waits for them, and is
charged with their time.

Memory is the proportional set size of all processes, sampled: shared memory counts once.
Sampling costs time, so a run is either sampled or timed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SAMPLE_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 5
_PR_SET_CHILD_SUBREAPER: Final = 36
_SCRIPTS: Final = Path(__file__).parents[1]


class RunError(Exception):
    """A run failed or took too long."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run took.

    Attributes:
        seconds: from before its start to its end.
        cpu_seconds: of all its processes, user and system.
        peak_bytes: largest sum of proportional set sizes; 0 if it was not sampled.

    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: Sequence[str], *, sampled: bool, timeout: float) -> Usage:
    """Run ``command`` as a process group of its own and wait for all of it.

    Raises:
        RunError: it ended with an error, or did not end within ``timeout`` seconds.

    """
    with tempfile.TemporaryFile() as errors:
        before, start = _children_cpu(), time.perf_counter()
        with _started(command, errors, timeout) as process:
            peak = _peak(process) if sampled else 0
            process.wait()
            seconds = time.perf_counter() - start
        if process.returncode:
            raise RunError(_explained(process.returncode, seconds, timeout, errors))
    return Usage(seconds, _children_cpu() - before, peak)


@contextmanager
def _started(
    command: Sequence[str], errors: IO[bytes], timeout: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``command``; in the end none of its processes is left, whatever happens."""
    process = subprocess.Popen(  # noqa: S603 - our own commands
        command,
        cwd=_SCRIPTS,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )
    alarm = threading.Timer(timeout, _end, [process])  # Popen.wait(timeout) is 50 ms late
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        _end(process)
        _reap(process.pid)


def _environment() -> dict[str, str]:
    """Let modules be cached, as they are on any user's machine."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have a process that still runs end as by Ctrl-C, so that it can clean up; then by force."""
    if process.poll() is not None:
        return
    _signal(process.pid, signal.SIGINT)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process.pid, signal.SIGKILL)
        process.wait()


def _reap(group: int) -> None:
    """Wait for the adopted processes: a forkserver ends soon after its owner."""
    deadline = time.monotonic() + _GRACE_SECONDS
    with suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-group, os.WNOHANG)
            if pid == 0 and time.monotonic() > deadline:
                _signal(group, signal.SIGKILL)
            if pid == 0:
                time.sleep(0.005)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _peak(process: subprocess.Popen[bytes]) -> int:
    peak = 0
    while process.poll() is None:
        peak = max(peak, tree_bytes(process.pid))
        time.sleep(_SAMPLE_SECONDS)
    return peak


def tree_bytes(pid: int) -> int:
    """Add up the memory of a process and its descendants, what is shared divided by its users."""
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


def _explained(code: int, seconds: float, timeout: float, errors: IO[bytes]) -> str:
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    reason = f"no end after {timeout:.0f} s" if seconds > timeout else f"exit code {code}"
    return "\n".join((reason, *said[-5:]))
