"""Images whose picture needs more room than they have.

A worker that finds no room for a picture drops it and says how large it is. Its image then
moves to an extent that is large enough and is rendered once more. As long as an image waits
for such an extent nothing is read, so that room comes free, whatever else there is; and when
all that is left waits for room itself, each gives up the room it has for the one it needs.
Only a picture larger than the whole arena comes back through the pipe of the executor.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import LimitError

if TYPE_CHECKING:
    from asyncrgb.pipeline.memory.arena import Arena, Extent
    from asyncrgb.pipeline.task import Task

_OFTEN: Final = 4  # one in so many
_MOST: Final = 16.0
_MARGIN: Final = 1.125


class Enlarging:
    """The images that wait for more room.

    Where many pictures are larger than their images, as with images that are well compressed,
    images get more room from the start.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._waiting: deque[tuple[Task, int]] = deque()
        self._aside: dict[Task, bytes] = {}  # images that have given up their room

    def __len__(self) -> int:
        """Count the images."""
        return len(self._waiting)

    def put(self, needs: list[tuple[Task, int]], batch: int) -> None:
        """Let images wait for so many bytes each; of ``batch`` images rendered together."""
        self._waiting.extend(needs)
        if len(needs) * _OFTEN >= batch > 1:
            most = max(need / max(task.length, 1) for task, need in needs)
            self._arena.headroom = min(max(self._arena.headroom, most * _MARGIN), _MOST)

    def take(self) -> Task | None:
        """Give an image that nobody waits for any more, or that can be rendered again."""
        for place, (task, need) in enumerate(self._waiting):
            if not task.wanted or (place == 0 and self._moved(task, need)):
                del self._waiting[place]
                self._aside.pop(task, None)
                return task
        return None

    def _moved(self, task: Task, need: int) -> bool:
        """Move an image to where it has room enough; False if there is none yet."""
        try:
            extent = self._arena.lease_exactly(need)
            while extent is None and self._put_aside():
                extent = self._arena.lease_exactly(need)
        except LimitError:
            task.piped = True
            extent = self._arena.lease_exactly(task.length) if task.extent is None else task.extent
        if extent is None:
            return False
        if extent is not task.extent:
            self._move(task, extent)
        return True

    def _move(self, task: Task, extent: Extent) -> None:
        target = self._arena.view(extent, task.length)
        if task.extent is None:
            target[:] = self._aside[task]
        else:
            target[:] = self._arena.view(task.extent, task.length)
            self._arena.give_back(task.extent)
        task.extent = extent

    def _put_aside(self) -> bool:
        """Take the room of an image that waits itself, if all that is left is taken by such."""
        holders = {task: task.extent for task, _ in self._waiting if task.extent is not None}
        if not holders or sum(each.size for each in holders.values()) < self._arena.leased:
            return False
        task, extent = next(iter(holders.items()))
        self._aside[task] = bytes(self._arena.view(extent, task.length))
        self._arena.give_back(extent)
        task.extent = None
        return True
