"""Commands that are forked from a process that has loaded the program, and find its fork server.

A command spends most of its time on imports, its own and those of the fork server, which have
nothing to do with most tests. What it does is the same otherwise. How it starts, how it ends
before its time, and what processes there are, is tested with commands as users start them.

Run as a script, this is that process: a line of JSON for each command comes in, its exit code
goes out.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from contextlib import suppress
from functools import cache
from multiprocessing import forkserver, set_forkserver_preload
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncrgb.imaging.chip
import asyncrgb.imaging.statistics
import asyncrgb.pipeline.converter  # noqa: F401 - loaded once for all that are forked
from asyncrgb import cli  # noqa: F401 - the same

Done = subprocess.CompletedProcess[str]


class Forks:
    """A process that is forked for each command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forked"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> Done:
        """Run the command; its output may be of any length."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("stdout", "stderr")]
            line = [str(cwd or Path.cwd()), *map(str, files), *map(str, arguments)]
            self._process.stdin.write(json.dumps([dict(os.environ), *line]) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            texts = [file.read_text(encoding="utf-8") for file in files]
        return Done(line[3:], code, *texts)

    def end(self) -> None:
        """End it."""
        self._process.communicate()


@cache
def forks() -> Forks:
    """Give the one of this module of tests, see ``end_forks``."""
    return Forks()


def end_forks() -> None:
    """End it, if there is one: other tests look at the processes below this one."""
    if forks.cache_info().currsize:
        forks().end()
        forks.cache_clear()


def _serve() -> None:
    set_forkserver_preload(["asyncrgb.pipeline.workers.worker", "asyncrgb.imaging.chip"])
    forkserver.ensure_running()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _be_command(*json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be_command(
    environment: dict[str, str], cwd: str, stdout: str, stderr: str, *arguments: str
) -> None:
    # Not our child, so that multiprocessing cannot ask whether it is running; it is.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign] # noqa: SLF001
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, name in ((0, os.devnull), (1, stdout), (2, stderr)):
        file = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
    sys.argv = ["asyncrgb", *arguments]
    code: object = 0
    try:
        runpy.run_module("asyncrgb", run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        code = leaving.code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve()
