"""The signals that end a run, and how they are kept from processes that they are not for."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
SIGNALS: Final = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Keep signals waiting, in this thread and in the processes that it starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
