"""What a run goes on with, where its time went, and what held it up: for who tunes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from asyncrgb.cli.written import write_text
from asyncrgb.machine import granted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncrgb import Insight
    from asyncrgb.cli.running import Setting
    from asyncrgb.limits import Limits

_MIB: Final = 2**20


def means(setting: Setting) -> Iterator[str]:
    """Say what the run may use, and from what that follows; aligned lines."""
    limits, ours = setting.limits, granted()
    quota = "no CPU quota" if ours.quota is None else f"a CPU quota of {ours.quota}"
    rows = (
        ("workers", f"{limits.worker_count}", _workers(limits, ours.affinity, quota)),
        ("reads", f"{limits.reads}", "at most: they follow demand"),
        ("writes", f"{limits.writes}", "at most: they follow demand"),
        ("memory", _mib(limits.memory), f"for images, of {_mib(ours.memory)} for this process"),
        ("worker memory", *_worker_memory(setting, ours.memory)),
        ("batch", f"{limits.batch}", "images at most, or what takes 50 ms"),
    )
    for name, value, reason in rows:
        yield f"{name:<13} {value:>9}  {reason}"


def _workers(limits: Limits, affinity: int, quota: str) -> str:
    why = "one for each processor" if limits.workers is None else "as given"
    return f"{why}: {affinity} by affinity, {quota}"


def _worker_memory(setting: Setting, memory: int) -> tuple[str, str]:
    given = setting.limits.worker_memory
    if setting.executor != "process" or given == 0:
        return "any", "not limited"
    if given is not None:
        return _mib(given), "as given, for each worker"
    return _mib(memory // setting.limits.worker_count), "for each worker: its share of that"


def _mib(size: int) -> str:
    return f"{size // _MIB} MiB"


class InsightFile:
    """A JSON file about a whole run.

    Args:
        path: of the file, which is replaced.

    Raises:
        OSError: it cannot be written.

    """

    def __init__(self, path: str) -> None:
        self._path = path
        write_text(path, None)

    def write(self, insight: Insight) -> None:
        """Write it; raises OSError if that fails."""
        write_text(self._path, json.dumps(insight.to_dict(), indent=2) + "\n")
