"""The command in a process of its own, as several modules of tests run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.cli.forked import Done, forks

COMMAND = [sys.executable, "-m", "asyncrgb"]


def asyncrgb_command(*arguments: str | Path, cwd: Path | None = None) -> Done:
    """Run the command to its end, as fast as can be."""
    return forks().run(*arguments, cwd=cwd)


def fresh_command(*arguments: str | Path, cwd: Path | None = None) -> Done:
    """Run the command to its end, as users start it."""
    line = [*COMMAND, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, cwd=cwd, check=False, timeout=60)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.002)


def pictures(folder: Path) -> int:
    return len(list(folder.glob("*.png"))) if folder.is_dir() else 0


def catches_signals(pid: int) -> bool:
    """Tell whether the command has got as far as its own first lines."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = int(re.findall(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@contextmanager
def running(*arguments: str | Path, **options: Any) -> Iterator[Run]:  # noqa: ANN401 - Popen's
    """Run the command in a session of its own."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    ) as process:
        yield Run(process)
        if process.poll() is None:
            process.kill()


class Run:
    """A command under way, and what it has left when it is over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.stdout = self.stderr = ""
        self.seconds = 0.0
        self.family: list[psutil.Process] = []

    def send(self, number: int, *, group: bool = False) -> None:
        self.note_family()
        if self.process.poll() is None:
            (os.killpg if group else os.kill)(self.process.pid, number)

    def note_family(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.family += psutil.Process(self.process.pid).children(recursive=True)

    def finish(self, timeout: float = 20) -> int:
        began = time.monotonic()
        self.stdout, self.stderr = self.process.communicate(timeout=timeout)
        self.seconds = time.monotonic() - began
        return self.process.returncode

    def counted(self, word: str = "converted") -> int | None:
        """Give what the summary says, None if there is none."""
        found = re.search(rf"(\d+) {word}", self.stdout)
        return int(found[1]) if found else None

    def orphans(self, seconds: float = 3) -> list[psutil.Process]:
        """Give what outlives the command; what is dead and not collected does not."""
        until = time.monotonic() + seconds
        while (alive := [each for each in self.family if _lives(each)]) and (
            time.monotonic() < until
        ):
            time.sleep(0.02)
        return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
