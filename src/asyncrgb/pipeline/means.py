"""What the stages of a flow have in common."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncrgb.pipeline.background import Background
    from asyncrgb.pipeline.memory.arena import Arena
    from asyncrgb.pipeline.storage.places import Places

_A = TypeVar("_A")
_T = TypeVar("_T")
_P = ParamSpec("_P")


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


class OnThreads:
    """Has blocking work done on threads, as an ``Engine`` does."""

    places: Places
    _threads: Threads
    _broken: BaseException | None

    async def on_thread(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run blocking work on the thread for fast storage, or, with URLs about, on any.

        Raises:
            AsyncRgbError: the Converter has been closed.

        """
        work = partial(function, *args, **kwargs)
        threads = self._threads.many if self.places.far else self._threads.one
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        except RuntimeError:  # the threads have ended
            if self._broken is not None:
                raise self._broken from None
            raise

    async def on_threads(self, function: Callable[[_A], _T], items: Iterable[_A]) -> list[_T]:
        """Run blocking work on many threads at once: for storage that makes it wait."""
        loop, threads = asyncio.get_running_loop(), self._threads.many
        return await asyncio.gather(
            *(loop.run_in_executor(threads, function, each) for each in items)
        )


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
