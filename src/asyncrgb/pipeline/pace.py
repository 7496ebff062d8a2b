"""How fast workers are, so that none is at a batch for long."""

from __future__ import annotations

from typing import Final

# Who waits for a worker waits for the end of its batch. Long enough for the cost of a batch,
# half a millisecond, to be small.
_BATCH_SECONDS: Final = 0.012
_FIRST: Final = 1e-8  # seconds a byte: ten times what a plain chip takes
# Of a single image nothing is known. A worker that was held up once is not to get one at a time
# for ever.
_HOPE: Final = 0.9


class Pace:
    """The time that images take, by their bytes; as of late, for it changes with the images."""

    def __init__(self) -> None:
        self._seconds_a_byte = _FIRST

    @property
    def most_bytes(self) -> int:
        """Tell how many bytes of images a worker gets done in the time for a batch."""
        return int(_BATCH_SECONDS / self._seconds_a_byte)

    def note(self, size: int, seconds: float) -> None:
        """Take note that ``size`` bytes of images took so long."""
        if size > 0 and seconds > 0:
            self._seconds_a_byte = (self._seconds_a_byte + seconds / size) / 2
        elif size == 0:
            hoped = self._seconds_a_byte * _HOPE
            self._seconds_a_byte = min(self._seconds_a_byte, max(hoped, _FIRST))
