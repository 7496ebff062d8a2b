"""How fast workers are, so that none is at a batch for long."""

from __future__ import annotations

from time import monotonic
from typing import Final

# Who waits for a worker waits for the end of its batch. A batch costs half a millisecond by
# itself: 30 chips in each instead of 60 are 10 % of the throughput, so batches are that short
# only while single images come in between.
_BATCH_SECONDS: Final = 0.05
_HURRIED_SECONDS: Final = 0.012
_HURRY: Final = 5.0  # seconds after such an image
_FIRST: Final = 1e-8  # seconds a byte: ten times what a plain chip takes
# Of a single image nothing is known. A worker that was held up once is not to get one at a time
# for ever.
_HOPE: Final = 0.9


class Pace:
    """The time that images take, by their bytes; as of late, for it changes with the images."""

    def __init__(self) -> None:
        self._seconds_a_byte = _FIRST
        self._hurried_until = 0.0

    @property
    def most_bytes(self) -> int:
        """Tell how many bytes of images a worker gets done in the time for a batch."""
        hurried = self._hurried_until and monotonic() < self._hurried_until
        return int((_HURRIED_SECONDS if hurried else _BATCH_SECONDS) / self._seconds_a_byte)

    def hurry(self) -> None:
        """Keep batches short for some time: a single image has come, and more may."""
        self._hurried_until = monotonic() + _HURRY

    def note(self, size: int, seconds: float) -> None:
        """Take note that ``size`` bytes of images took so long."""
        if size > 0 and seconds > 0:
            self._seconds_a_byte = (self._seconds_a_byte + seconds / size) / 2
        elif size == 0:
            hoped = self._seconds_a_byte * _HOPE
            self._seconds_a_byte = min(self._seconds_a_byte, max(hoped, _FIRST))
