"""The example of a service, as a process of its own."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_EXAMPLES: Final = Path(__file__).parents[1] / "examples"
_OPTIONS: Final = ("--factory", "service:create_app", "--port", "0", "--no-access-log")
_SECONDS: Final = 30  # to start, and to end


class Service(NamedTuple):
    """Where it is: its process, and its port on the loopback."""

    pid: int
    port: int


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    """Start the service; end it, and pass on what it said of errors.

    Raises:
        RuntimeError: it did not start, or ended with an error.

    """
    command = (sys.executable, "-m", "uvicorn", *_OPTIONS, "--app-dir", str(_EXAMPLES))
    process = await asyncio.create_subprocess_exec(*command, stderr=PIPE)
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    try:
        async with asyncio.timeout(_SECONDS):
            port = await _port(process.stderr)
        following = asyncio.create_task(_follow(process.stderr))
        yield Service(process.pid, port)
        process.terminate()
        async with asyncio.timeout(_SECONDS):
            await following
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code not in (0, -15):
        raise RuntimeError(f"the service ended with exit code {code}")


async def _port(log: asyncio.StreamReader) -> int:
    """Read what uvicorn says until it says where it listens."""
    said = b""
    async for line in log:
        said += line
        if found := re.search(rb"running on http://[\d.]+:(\d+)", line):
            return int(found[1])
    raise RuntimeError(f"the service has not started:\n{said.decode(errors='replace')}")


async def _follow(log: asyncio.StreamReader) -> None:
    async for line in log:
        if not line.startswith(b"INFO"):
            sys.stderr.write(line.decode(errors="replace"))
