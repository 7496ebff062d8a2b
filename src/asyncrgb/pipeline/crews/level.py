"""Numbers that change now and then, and what they were on the whole."""

from __future__ import annotations

from time import monotonic
from typing import Final

_TOP: Final = 0.9


class Level:
    """A level over time: how high at most, on average, and for how long at the top.

    Args:
        limit: the height that it cannot pass; it counts as being at the top from nine tenths on.

    Attributes:
        height: now.
        most: the highest since the beginning.

    """

    __slots__ = ("_area", "_at_top", "_since", "_top", "height", "most")

    def __init__(self, limit: int) -> None:
        self._top = max(1, _TOP * limit)
        self.height = self.most = 0
        self._area = self._at_top = 0.0
        self._since = monotonic()

    def set(self, height: int) -> None:
        """Let it be so high from now on."""
        if height != self.height:
            self._settle()
            self.height = height
            self.most = max(self.most, height)

    def area(self) -> float:
        """Give the sum of height times seconds until now."""
        self._settle()
        return self._area

    def at_top(self) -> float:
        """Give the seconds at the top until now."""
        self._settle()
        return self._at_top

    def _settle(self) -> None:
        now = monotonic()
        passed, self._since = now - self._since, now
        self._area += self.height * passed
        if self.height >= self._top:
            self._at_top += passed


class Work:
    """What workers do, batch by batch.

    Args:
        workers: number of them.

    Attributes:
        workers: number of them.
        busy: how many have a batch, over time, as the event loop sees it.
        seconds: that they have spent on images, all together, as they see it.
        images: number of these.
        began: when the first batch was sent; None: there was none.

    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.busy = Level(workers)
        self.seconds = 0.0
        self.images = 0
        self.began: float | None = None

    def sent(self, batches: int) -> None:
        """Take note that there are so many batches under way; a further one has been sent."""
        self.began = self.began or monotonic()
        self.busy.set(min(batches, self.workers))

    def ended(self, batches: int) -> None:
        """Take note that there are so many batches under way; one has ended."""
        self.busy.set(min(batches, self.workers))

    def done(self, images: int, seconds: float) -> None:
        """Take note that a batch is done, all images of which but one took so many seconds."""
        each = seconds / (images - 1) if images > 1 else self.seconds / max(1, self.images)
        self.seconds += seconds + each
        self.images += images
