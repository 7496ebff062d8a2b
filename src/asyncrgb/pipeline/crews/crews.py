"""Two crews as one: that on threads, for files, and that of tasks, for objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.pipeline.crews.crew import Crew
    from asyncrgb.pipeline.crews.task_crew import TaskCrew

_T = TypeVar("_T")


class Crews(Generic[_T]):
    """What others want to know of both crews, and of one that has never been needed.

    Args:
        threads: the crew for files.
        tasks: the crew for objects.

    """

    def __init__(self, threads: Crew[_T], tasks: TaskCrew[_T]) -> None:
        self._threads = threads
        self._tasks = tasks

    def __len__(self) -> int:
        """Count the members at work."""
        return len(self._threads) + len(self._tasks)

    @property
    def done(self) -> int:
        """Number of things that have been done, and that nobody has heard of yet."""
        return self._threads.done + self._tasks.done

    @property
    def seconds(self) -> float:
        """Seconds that all members together have been at work."""
        return self._threads.seconds + self._tasks.seconds

    @property
    def waits(self) -> bool:
        """Whether there is any waiting for storage."""
        return self._threads.waits or self._tasks.waits

    @property
    def area(self) -> float:
        """Members times seconds until now."""
        return self._threads.level.area() + self._tasks.level.area()

    @property
    def at_top(self) -> float:
        """Seconds at the limit until now."""
        return self._threads.level.at_top() + self._tasks.level.at_top()

    @property
    def most(self) -> int:
        """Most members at once since the beginning."""
        return max(self._threads.level.most, self._tasks.level.most)

    def poke(self) -> None:
        """Put members to work if there is demand and too few are."""
        self._threads.poke()
        self._tasks.poke()

    def drop(self, unwanted: Callable[[_T], bool]) -> None:
        """Break off what waits in the event loop and is not wanted any more."""
        self._tasks.drop(unwanted)
