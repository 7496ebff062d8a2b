"""How long rendering takes, measured where it is done; nothing of it where nobody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.worker import Rich


class Timed(NamedTuple):
    """What to do with an image that is to be rendered by the clock."""

    options: RenderOptions


class Clocked(NamedTuple):
    """What came of an image that was rendered by the clock, and how long that took."""

    seconds: float
    result: int | Rich | Exception


Picture: TypeAlias = "int | Rich | Clocked | Exception"
