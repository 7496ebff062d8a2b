"""What happens to a Converter itself, for who runs a service: a hook and a log hear of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("asyncrgb")


@dataclass(frozen=True, slots=True)
class WorkersStarted:
    """The worker processes are at work, for the first time or after the Converter was closed.

    Attributes:
        workers: number of them.
        seconds: until the first of them answered.

    """

    workers: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.workers} worker processes at work after {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class WorkersReplaced:
    """A worker process died, so that all of them were replaced; what was lost is done again.

    Attributes:
        exits: how those before ended, exit code by process number; -N: signal N ended it.
        workers: number of new ones.
        seconds: from when the death was noticed until the first new one answered.

    """

    exits: Mapping[int, int]
    workers: int
    seconds: float

    def __str__(self) -> str:
        codes = ", ".join(f"{pid}: {code}" for pid, code in self.exits.items())
        return (
            f"a worker process died (exit codes {codes or 'unknown'}): {self.workers} new ones "
            f"at work after {self.seconds:.2f} s"
        )


@dataclass(frozen=True, slots=True)
class WorkersFailed:
    """There are no workers any more: they cannot be started, or die again and again.

    Every call under way, and every further one, ends with ``error``, until the Converter has been
    closed; used after that, it tries again.

    Attributes:
        error: what the calls raise.

    """

    error: Exception

    def __str__(self) -> str:
        return f"there are no worker processes any more: {self.error}"


@dataclass(frozen=True, slots=True)
class MemoryReduced:
    """The system does not give all of ``Limits.memory``: the work goes on with less.

    Attributes:
        available: bytes of shared memory that there are.
        wanted: bytes that there should be.

    """

    available: int
    wanted: int

    def __str__(self) -> str:
        return f"{self.available} of {self.wanted} bytes of shared memory can be had"


@dataclass(frozen=True, slots=True)
class SceneAdvanced:
    """Another part has been done of a scene, an image that is converted part by part.

    Attributes:
        source: path of the TIFF.
        share: of all that there is to do for it, 0 to 1, that has been done by now.

    """

    source: str
    share: float

    def __str__(self) -> str:
        return f"{self.source}: {self.share:.0%} done"


Event: TypeAlias = WorkersStarted | WorkersReplaced | WorkersFailed | MemoryReduced | SceneAdvanced

_LEVELS: Final[dict[type[Event], int]] = {
    WorkersStarted: logging.INFO,
    WorkersReplaced: logging.WARNING,
    WorkersFailed: logging.INFO,  # every call raises it
    # of MemoryReduced the arena has told, which knows why
}


class Herald:
    """Tells the log and a hook of events.

    The hook is called by the event loop itself, after what is going on: it may use the Converter,
    and what it raises goes where the loop sends the errors of all callbacks, and harms no image.

    Args:
        hook: called with each event; None: nobody asks.

    """

    def __init__(self, hook: Callable[[Event], None] | None) -> None:
        self._hook = hook

    def tell(self, event: Event) -> None:
        """Tell of an event; to be called in the event loop."""
        level = _LEVELS.get(type(event))
        if level is not None:
            logger.log(level, "%s", event)
        if self._hook is not None:
            asyncio.get_running_loop().call_soon(self._hook, event)
