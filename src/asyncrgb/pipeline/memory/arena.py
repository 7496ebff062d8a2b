"""The shared memory that images travel in, and the budget of the whole pipeline.

Nothing is read without an extent, so the arena's capacity bounds what is in flight. An
extent belongs to one image from the moment it is read until its output is written: a
reader fills it, a worker renders it in place, a writer empties it, no copy between.

Written by hand for speed: ``multiprocessing`` offers shared memory, but no allocator that
threads can lease from and no reservation, without which memory that a container does not
have is found out by SIGBUS.
"""

from __future__ import annotations

import logging
import mmap
import os
import sys
from bisect import bisect_left
from threading import Lock
from typing import Final, NamedTuple
from weakref import finalize

from asyncrgb.errors import LimitError
from asyncrgb.pipeline.memory.shared import Memory, announce, create_memory, withdraw

_PAGE: Final = mmap.PAGESIZE
_RESERVE_STEP: Final = 4 * 2**20

logger = logging.getLogger("asyncrgb")


class Extent(NamedTuple):
    """``size`` bytes of the arena from ``start``; whole pages."""

    start: int
    size: int


class Arena:
    """Extents of shared memory, leased first fit and given back; safe to use from any thread.

    The lowest free place is taken first, and that of an image of the same size before it, so that
    a run touches no more memory than it needs at once, however long it is. Memory is reserved
    before its first use; where the system cannot give all of ``capacity``, the arena goes on with
    what there is.

    Args:
        capacity: most bytes leased at once; whole pages of them are used.
        most: most extents leased at once: small images need no more of them than keep
            everybody busy, and touching more memory than that only costs cache.
        extra: bytes beyond these that are never leased: room for notes.

    Attributes:
        capacity: bytes that can be leased at once.
        beyond: where the bytes begin that are never leased.
        headroom: how many times its size an image gets, 1 or more, if it does not need all
            of the arena: its picture may be larger than itself.
        share: bytes of the largest image that may be read whole; larger ones are scenes.
        leased: bytes leased now.
        returns: how often an extent has been given back; a change says that there may be room.

    """

    def __init__(self, capacity: int, most: int = sys.maxsize, extra: int = 0) -> None:
        self.capacity = self.beyond = capacity // _PAGE * _PAGE
        self._most = most
        self._count = 0
        self._memory = create_memory(self.capacity + extra)
        if extra:
            self._memory.reserve(self.beyond, extra)
        announce(self._memory)
        self._end = finalize(self, _end, self._memory, os.getpid())  # also if nobody closes it
        self._reserved = 0
        self._free = [Extent(0, self.capacity)]
        self._spares: list[Extent] = []  # of one size, given back and not merged
        self._spare_size = 0
        self._lock = Lock()
        self.headroom = 1.0
        self.share = self.capacity
        self.leased = 0
        self.returns = 0

    @property
    def name(self) -> str:
        """What a worker attaches by."""
        return self._memory.name

    @property
    def memory(self) -> memoryview:
        """All of it, as a worker sees it."""
        return self._memory.view

    @property
    def full(self) -> bool:
        """Whether there is no room for anything at all."""
        return self._count >= self._most or not (self._free or self._spares)

    @property
    def vacant(self) -> int:
        """Number of extents that may still be leased, if there are the bytes."""
        return self._most - self._count

    def lease(self, size: int, *, pressing: bool = False) -> Extent | None:
        """Take an extent for an image of ``size`` bytes; None if there is no room now.

        Args:
            size: of the image.
            pressing: whether it may be one more than the most, if only there are the bytes.

        Raises:
            LimitError: there would be no room in the empty arena either.

        """
        if self.headroom > 1:
            size = max(size, min(int(size * self.headroom), self.capacity))
        return self.lease_exactly(size, pressing=pressing)

    def lease_exactly(self, size: int, *, pressing: bool = False) -> Extent | None:
        """Take an extent of ``size`` bytes, rounded up to pages; as ``lease``, without headroom."""
        wanted = -(-size // _PAGE) * _PAGE or _PAGE
        with self._lock:
            if self._count >= self._most and not pressing:
                self._check(wanted)
                return None
            if wanted == self._spare_size and self._spares:
                extent = self._spares.pop()
            else:
                self._merge_spares(wanted)
                place = self._find(wanted)
                if place is None:
                    return None
                start, free = self._free[place]
                rest = [Extent(start + wanted, free - wanted)]
                self._free[place : place + 1] = rest[: free > wanted]
                extent = Extent(start, wanted)
            self._count += 1
            self.leased += wanted
        return extent

    def lease_last(self, size: int) -> Extent | None:
        """Take an extent for long at the very end; None unless there is room just there.

        What others take and give back meanwhile stays in one piece.

        Raises:
            LimitError: there would be no room in the empty arena either.

        """
        wanted = -(-size // _PAGE) * _PAGE or _PAGE
        with self._lock:
            self._check(wanted)
            self._merge_spares(self._spare_size)
            start, free = self._free[-1] if self._free else Extent(0, 0)
            end = self.capacity // _PAGE * _PAGE
            if start + free < end or free < wanted or not self._reserve(end):
                return None
            self._count += 1
            self._free[-1:] = [Extent(start, free - wanted)][: free > wanted]
            self.leased += wanted
        return Extent(end - wanted, wanted)

    def give_back(self, extent: Extent) -> None:
        """Free an extent."""
        size = extent.size
        with self._lock:
            self._count -= 1
            self.leased -= size
            self.returns += 1
            if size == self._spare_size:
                self._spares.append(extent)
            else:
                self._merge(extent)

    def view(self, extent: Extent, length: int | None = None) -> memoryview:
        """See the bytes of an extent, the first ``length`` of them if given."""
        start, size = extent
        return self._memory.view[start : start + (size if length is None else length)]

    def close(self) -> None:
        """Unmap and free the memory; no extent may be in use."""
        self._end()

    def _merge_spares(self, size: int) -> None:
        """Join what was set aside to what is free; from now on, set that ``size`` aside.

        Most folders hold images of one size. To merge each with its free neighbours, and to cut
        it off again for the next, took a tenth of what readers and writers do in Python.
        """
        for extent in self._spares:
            self._merge(extent)
        self._spares.clear()
        self._spare_size = size

    def _merge(self, extent: Extent) -> None:
        """Join an extent to what is free, and to its neighbours there."""
        start, size = extent
        place = bisect_left(self._free, extent)
        if place < len(self._free) and start + size == self._free[place].start:
            size += self._free.pop(place).size
        if place and sum(self._free[place - 1]) == start:
            place -= 1
            start, size = self._free[place].start, size + self._free.pop(place).size
        self._free.insert(place, Extent(start, size))

    def _check(self, wanted: int) -> None:
        if wanted > self.capacity:
            raise LimitError(
                f"the image needs {wanted} bytes, the memory limit leaves {self.capacity}: "
                "raise Limits.memory (--memory)"
            )

    def _find(self, wanted: int) -> int | None:
        self._check(wanted)
        for place, (start, size) in enumerate(self._free):
            if size >= wanted:
                return place if self._reserve(start + wanted) else self._find(wanted)
        return None

    def _reserve(self, end: int) -> bool:
        """Reserve all bytes before ``end``; on failure shrink to what could be had, and say so."""
        if end <= self._reserved:
            return True
        step = min(max(end - self._reserved, _RESERVE_STEP), self.capacity - self._reserved)
        try:
            self._memory.reserve(self._reserved, step)
        except OSError as error:
            self._shrink(error)
            return False
        self._reserved += step
        return True

    def _shrink(self, error: OSError) -> None:
        logger.warning(
            "only %d of %d bytes of shared memory can be had (%s): going on with these",
            self._reserved,
            self.capacity,
            error.strerror,
        )
        self.capacity = self._reserved
        kept = (Extent(start, min(size, self._reserved - start)) for start, size in self._free)
        self._free = [extent for extent in kept if extent.size > 0]


def _end(memory: Memory, owner: int) -> None:
    """Give memory back, but not in a process that was forked meanwhile: it is not its own."""
    if os.getpid() == owner:
        withdraw(memory)
        memory.close()
