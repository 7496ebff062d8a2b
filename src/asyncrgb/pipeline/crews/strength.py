"""How many readers, or writers: found by trying, and kept where it is right.

While the next stage starves there are twice as many in each round, which is as long as it takes
for a change to show; once there have been too many, an eighth more. Where there are too many an
eighth goes now and then, or a quarter of far too many: workers take much at once, so what lies
ready comes and goes in waves, and a moment tells nothing. So the number does not swing.
"""

from __future__ import annotations

from enum import Enum
from time import monotonic
from typing import Final

_ROUND_SECONDS: Final = 0.016
_PART: Final = 8
_STARVED: Final = 1 / 4  # of the time of a round
_WAVES_SECONDS: Final = 0.1
_FED: Final = 1 / 6  # of that time
_STUFFED: Final = 1 / 2
_HURRY_ROUNDS: Final = 4
# What takes less may have been in memory.
_QUICK_SECONDS: Final = 0.0007
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 6.4


class Demand(Enum):
    """What the next stage wants of a crew."""

    STOP = "stop"  # others need the room
    NONE = "none"  # there is nothing to do, or no room for it
    LESS = "less"
    SAME = "same"
    MORE = "more"

    @property
    def calls(self) -> bool:
        """Whether those who are at work should go on."""
        return self is Demand.SAME or self is Demand.MORE


class Watch:
    """How often the next stage starved, and was full, in some time."""

    def __init__(self) -> None:
        self.begin(0.0)

    def begin(self, seconds: float) -> None:
        """Begin to count; for so many seconds."""
        self._until = monotonic() + seconds
        self._notes = self._starved = self._fed = 0

    def note(self, demand: Demand) -> bool:
        """Count one moment; tell if the time is over."""
        self._notes += 1
        self._starved += demand is Demand.MORE
        self._fed += demand is Demand.LESS
        return monotonic() >= self._until

    @property
    def starved(self) -> float:
        """Share of the time, 0 to 1."""
        return self._starved / max(1, self._notes)

    @property
    def fed(self) -> float:
        """Share of the time, 0 to 1."""
        return self._fed / max(1, self._notes)


class Strength:
    """Finds the number of members that a crew needs while its hops wait.

    Args:
        limit: most members.

    Attributes:
        size: members that are wanted now.

    """

    def __init__(self, limit: int) -> None:
        self.size = 1
        self._limit = limit
        self._eager = True
        self._rough = True  # nobody has been near the right number yet
        self._starved_rounds = 0
        self._round, self._waves = Watch(), Watch()

    def restart(self, size: int) -> None:
        """Begin anew, from ``size`` members, and in a hurry."""
        self.size, self._eager, self._rough = min(size, self._limit), True, True
        self._starved_rounds = 0
        self._round.begin(_ROUND_SECONDS)
        self._waves.begin(_WAVES_SECONDS)

    def note(self, demand: Demand, latency: float) -> None:
        """Take note of what is wanted at this moment, and change the size if it is time to.

        Args:
            demand: of the next stage.
            latency: seconds that one thing takes, about.

        """
        round_over, waves_over = self._round.note(demand), self._waves.note(demand)
        if round_over:
            self._see_if_more()
            self._round.begin(max(latency, _ROUND_SECONDS))
        if waves_over:
            self._see_if_fewer()
            self._waves.begin(max(_HURRY_ROUNDS * latency, _WAVES_SECONDS))

    def _see_if_more(self) -> None:
        if self._round.starved <= _STARVED or self._round.fed:
            self._starved_rounds = 0
            return
        self._starved_rounds += 1
        self._eager |= self._starved_rounds > _HURRY_ROUNDS
        self._rough = self._eager
        more = self.size if self._eager else -(-self.size // _PART)
        self.size = min(self._limit, self.size + more)

    def _see_if_fewer(self) -> None:
        if self._waves.fed > _FED and not self._waves.starved:
            self._eager = False
            part = _PART // 2 if self._rough and self._waves.fed > _STUFFED else _PART
            self.size = max(1, self.size - -(-self.size // part))


class Trials:
    """When a crew that works in shifts should try whether a single member would do.

    Attributes:
        due: whether to try now.

    """

    def __init__(self) -> None:
        self.due = False
        self._pause = _SHORTEST_PAUSE
        self._next = 0.0

    def consider(self, quickest: float) -> None:
        """Say that the quickest thing of late took so many seconds."""
        if quickest < _QUICK_SECONDS and monotonic() > self._next:
            self.due = True

    def end(self, *, succeeded: bool) -> None:
        """Take note of how a trial went: the more have failed, the longer until the next."""
        self.due = False
        self._pause = _SHORTEST_PAUSE if succeeded else min(2 * self._pause, _LONGEST_PAUSE)
        self._next = monotonic() + self._pause
