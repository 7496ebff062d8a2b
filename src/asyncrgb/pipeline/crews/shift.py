"""Many members of a crew at work, each on its thread for as long as there is work.

What they have done they lay down, for the event loop to collect from all of them at once: a
hop for each file would cost the loop more than the file does.
"""

from __future__ import annotations

from collections import deque
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

_SECONDS: Final = 0.25  # then others have their turn on the threads
_LINGER_SECONDS: Final = 0.02  # to come back costs more than to stay


class Shift(Generic[_T]):
    """What the members of a crew have in common while they work in shifts.

    Args:
        step: handles one thing; None if there is nothing to do.
        things: counts what more there is to do for others; below 0: even for those at work.

    Attributes:
        lingering: members that have nothing to do just now.
        leaving: members that are to leave.
        seconds: spent on steps so far by all members together.
        latency: seconds that a step takes, as of late; 0: nobody knows.

    """

    def __init__(self, step: Callable[[], _T | None], things: Callable[[], int]) -> None:
        self.lingering = 0
        self.leaving = 0
        self.seconds = 0.0
        self.latency = 0.0
        self._step = step
        self._things = things
        self._handled: deque[tuple[_T, float]] = deque()
        self._calls = 0  # that nobody has answered
        # No SimpleQueue: who asks one of several for something in vain may wait for ever, whatever
        # the timeout (seen with 3.11.7, about once in 100,000 files).
        self._bell = Condition()

    @property
    def done(self) -> int:
        """Number of things that have been done and not been collected."""
        return len(self._handled)

    def work(self) -> bool:
        """Take steps; runs on a thread. False: there is nothing to do, or it is to leave."""
        began = monotonic()
        until = began + _SECONDS
        while began < until:
            thing = self._step() if self._things() >= 0 else None
            if thing is None:
                if not self._linger():
                    return False
                began = monotonic()
                continue
            now = monotonic()
            self._handled.append((thing, now - began))
            if self.leaving and self._may_leave():
                return False
            began = now
        return True

    def ring(self, most: int) -> int:
        """Call members that have nothing to do, so many at most; give their number."""
        with self._bell:
            called = max(0, min(most, self.lingering - self._calls))
            self._calls += called
            self._bell.notify(called)
        return called

    def collect(self) -> tuple[list[_T], float]:
        """Take what has been done; and the seconds that the quickest step took, if any did."""
        things, quickest, total = [], float("inf"), 0.0
        while self._handled:
            thing, seconds = self._handled.popleft()
            things.append(thing)
            total += seconds
            quickest = min(quickest, seconds)
        if things:
            mean = total / len(things)
            self.latency = (self.latency + mean) / 2 if self.latency else mean
            self.seconds += total
        return things, quickest

    def _linger(self) -> bool:
        """Wait for a call; False if there is none."""
        if self.leaving and self._may_leave():
            return False
        with self._bell:
            self.lingering += 1
            called = self._bell.wait_for(lambda: self._calls, _LINGER_SECONDS) > 0
            self.lingering -= 1
            self._calls -= called
        return called

    def _may_leave(self) -> bool:
        with self._bell:
            if self.leaving <= 0:
                return False
            self.leaving -= 1
            return True
