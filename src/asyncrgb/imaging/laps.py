"""How long the parts of rendering one image take."""

from __future__ import annotations

from typing import NamedTuple


class Laps(NamedTuple):
    """Seconds that rendering one image took: to decode it, to stretch it, to encode it."""

    decode: float
    stretch: float
    encode: float

    @classmethod
    def between(cls, began: float, decoded: float, stretched: float, encoded: float) -> Laps:
        """Make them of the moments at which the parts began and ended, in seconds."""
        return cls(decoded - began, stretched - decoded, encoded - stretched)
