"""Options that do harm to the worker that reads them; imported by workers, so kept light."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
import sys
import time
from contextlib import suppress
from typing import Any

from asyncrgb import Limits, RenderOptions


class Faulty(RenderOptions):
    """Options that become the result of ``harm`` wherever they are unpickled."""

    harm: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.harm[0], self.harm[1:]


class FaultyLimits(Limits):
    """Limits that kill who unpickles them: no image has been begun then."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (5,)


def faulty(harm: Any, *args: Any) -> RenderOptions:  # noqa: ANN401
    options = Faulty()
    object.__setattr__(options, "harm", (harm, *args))
    return options


def leave() -> None:
    os._exit(9)


def segfault() -> None:
    ctypes.string_at(0)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stuck() -> None:
    """Stay in C for ever, the interpreter lock held."""
    re.match(r"(a+)+$", "a" * 64 + "b")


def deaf() -> None:
    """Ignore SIGTERM, and never come back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


def leaving() -> None:
    sys.exit(3)


def die_once(mark: str) -> RenderOptions:
    """Die if nobody has died of this before."""
    with suppress(FileExistsError):
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    return RenderOptions()


def stop_once(mark: str) -> RenderOptions:
    """Say which process it is, and wait for a signal."""
    with suppress(FileExistsError), open(mark, "x") as file:
        file.write(str(os.getpid()))
        file.close()
        time.sleep(1000)
    return RenderOptions()


def half_an_answer(mark: str) -> RenderOptions:
    """Die in the middle of an answer, once."""
    with suppress(FileExistsError):
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        frame = sys._getframe()  # noqa: SLF001
        while "result_queue" not in frame.f_locals:
            assert frame.f_back is not None
            frame = frame.f_back
        queue = frame.f_locals["result_queue"]
        os.write(queue._writer.fileno(), struct.pack("!i", 10**6) + b"the rest is missing")  # noqa: SLF001
        os._exit(9)
    return RenderOptions()
