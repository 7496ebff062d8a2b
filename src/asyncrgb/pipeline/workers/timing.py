"""How long rendering takes, measured where it is done, and when it is time to look closer."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.workers.orders import Rich


_SHORTEST_PAUSE: Final = 0.05  # seconds
_LONGEST_PAUSE: Final = 1.0
_GROWTH: Final = 1.1


class Timed(NamedTuple):
    """What to do with an image that is to be rendered by the clock."""

    options: RenderOptions


class Clocked(NamedTuple):
    """What came of an image that was rendered by the clock, and how long that took."""

    seconds: float
    result: int | Rich | Exception


Picture: TypeAlias = "int | Rich | Clocked | Exception"


class Looks:
    """When it is time to look at how a picture comes out, which takes longer than to render it.

    Often at first, as a run may be short, and after each look less often.
    """

    def __init__(self) -> None:
        self._pause = _SHORTEST_PAUSE
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return monotonic() >= self._next

    def note(self) -> None:
        """Take note that there has been one."""
        self._next = monotonic() + self._pause
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
