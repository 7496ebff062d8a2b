"""What the stages of a flow have in common."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncrgb.pipeline.arena import Arena
    from asyncrgb.pipeline.background import Background
    from asyncrgb.pipeline.places import Places


class Threads:
    """The threads for blocking work, apart from the default executor of the event loop.

    Attributes:
        one: a single thread, for storage that does not make it wait.
        many: for work that waits.

    """

    def __init__(self, most: int) -> None:
        self.one = ThreadPoolExecutor(1, thread_name_prefix="asyncrgb")
        self.many = ThreadPoolExecutor(most, thread_name_prefix="asyncrgb")

    def stop(self) -> None:
        """Let the threads end once they are idle."""
        self.one.shutdown(wait=False)
        self.many.shutdown(wait=False)


@dataclass(frozen=True, slots=True)
class Means:
    """The means of the stages.

    Attributes:
        arena: where images are while they are under way.
        places: where they come from and go to.
        threads: where blocking work runs.
        background: where tasks run that nobody awaits.

    """

    arena: Arena
    places: Places
    threads: Threads
    background: Background
