"""What workers note down of their batches, where it can be read when they are dead.

A worker that dies takes with it what it would have answered. So it says beforehand what it is
about to do, in a few words of the shared memory: three small stores for each image, measured
at a quarter of a microsecond. From that, the main process knows afterwards which image was being
rendered, which ones are finished, and which are as they were.
"""

from __future__ import annotations

from struct import Struct
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from asyncrgb.pipeline.memory.arena import Arena

# What is said of an image; a number above zero is the length of its picture, which is complete.
UNTOUCHED: Final = 0
UNDER_WAY: Final = -1  # being rendered; the image is whole
OVERWRITING: Final = -2  # the picture is being copied over it
OVERWRITTEN: Final = -3  # the picture is complete, but what else was to be said of it is lost
ENDED: Final = -4  # finished without a picture in its place; the image is whole

_WORD: Final = 8
_WORKER, _TAKEN, _BEGAN, _STATES = 0, 1, 2, 3  # places of the words
_HEAD: Final = Struct("qqq")  # those before the states


class Account(NamedTuple):
    """What was noted of a batch.

    Attributes:
        worker: the process that had it; 0 if none had taken it.
        began: when it began its last image, in nanoseconds of the monotonic clock.
        states: of each image.

    """

    worker: int
    began: int
    states: list[int]


class Notes:
    """The notes on one batch, as the worker writes them."""

    __slots__ = ("_words",)

    def __init__(self, memory: memoryview, start: int, images: int) -> None:
        self._words = memory[start : start + (_STATES + images) * _WORD].cast("q")

    def taken(self, worker: int) -> None:
        """Note which process has the batch, and since when."""
        self._words[_TAKEN] = monotonic_ns()
        self._words[_WORKER] = worker

    def begin(self, place: int) -> int:
        """Note that an image is about to be rendered, and when: in nanoseconds."""
        words = self._words
        began = words[_BEGAN] = monotonic_ns()
        words[_STATES + place] = UNDER_WAY
        return began

    def note(self, place: int, state: int) -> None:
        """Note how far an image is."""
        self._words[_STATES + place] = state

    def account(self) -> Account:
        """Read it all; nobody may be writing any more."""
        worker, _, began, *states = self._words
        return Account(worker, began, states)


class Journal:
    """Room for the notes on every batch that can be in flight, beyond the extents of an arena."""

    def __init__(self, arena: Arena, batches: int, images: int) -> None:
        self._arena = arena
        step = (_STATES + images) * _WORD
        self._free = [arena.beyond + number * step for number in range(batches)]

    @staticmethod
    def size(batches: int, images: int) -> int:
        """Tell how many bytes it takes."""
        return batches * (_STATES + images) * _WORD

    def open(self, images: int) -> int:
        """Take a place for the notes on a batch, empty."""
        start = self._free.pop()
        size = Journal.size(1, images)
        self._arena.memory[start : start + size] = bytes(size)
        return start

    def read(self, start: int, images: int) -> Account:
        """Read the notes at that place."""
        return Notes(self._arena.memory, start, images).account()

    def seconds(self, start: int) -> float:
        """Tell how long the images at that place took, the last one apart."""
        taken: int
        began: int
        _, taken, began = _HEAD.unpack_from(self._arena.memory, start)
        return max(0, began - taken) / 1e9

    def close(self, start: int) -> None:
        """Give a place back."""
        self._free.append(start)
