"""A file of which only some ranges are here: those that somebody has read already.

What is not here is asked for by an exception, so that parsing needs no loop, no coroutine and no
thread: whoever reads files fetches the range and lets it be parsed again. A header takes two to
four rounds of that, because more is asked for than is needed at once.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from typing_extensions import Buffer

    Range = tuple[int, int]  # first byte, number of bytes

_BLOCK: Final = 2**16  # bytes; what is asked for begins and ends at multiples of it
_MOST: Final = 2**25  # bytes that are looked at to find out what a file holds
_GAP: Final = 2**12  # bytes that are rather read than left out


class Absent(Exception):  # noqa: N818 - it says what is, and is no error
    """A range of a file is needed that is not here.

    Attributes:
        start: its first byte.
        size: bytes.

    """

    def __init__(self, start: int, size: int) -> None:
        super().__init__(start, size)
        self.start = start
        self.size = size


class Sparse:
    """A file of which only some ranges are here.

    Args:
        size: of the whole file, in bytes.
        ranges: what is here: first byte, and bytes, in any order. They may overlap.

    Attributes:
        identity: what tells the file apart from others: its ranges that cannot change, which are
            those given as ``bytes``. None if there are none.

    """

    def __init__(self, size: int, ranges: Sequence[tuple[int, Buffer]]) -> None:
        self._size = size
        views = sorted(((start, memoryview(body).cast("B")) for start, body in ranges), key=_start)
        self._starts = [start for start, _ in views]
        self._views = [view for _, view in views]
        self._asked: Exception | None = None
        self._looked = 0
        self._touched: list[Range] = []
        lasting = tuple((start, body) for start, body in ranges if isinstance(body, bytes))
        self.identity: Hashable = (size, lasting) if lasting else None

    def __len__(self) -> int:
        """Give the size of the whole file."""
        return self._size

    def __getitem__(self, part: slice) -> memoryview:
        """See bytes of the file; fewer where it ends, as slices do.

        They are copied only where they lie in several ranges.

        Raises:
            Absent: they are not all here.

        """
        start, stop, _ = part.indices(self._size)
        view = self._found(start, stop)
        return view if view is not None else self._joined(start, stop)

    def _found(self, start: int, stop: int) -> memoryview | None:
        """Look for a range that holds all of it: mostly the last that begins before it."""
        for i in range(bisect_right(self._starts, start) - 1, -1, -1):
            first, view = self._starts[i], self._views[i]
            if stop <= first + len(view):
                return view[start - first : max(0, stop - first)]
        return memoryview(b"") if start >= stop else None

    def _joined(self, start: int, stop: int) -> memoryview:
        whole, at = bytearray(stop - start), start
        for first, view in zip(self._starts, self._views, strict=True):
            end = min(stop, first + len(view))
            if first <= at < end:
                whole[at - start : end - start] = view[at - first : end - first]
                at = end
        if at < stop:
            self._asked = self._asked or _absent(at, stop, self._size)
            raise self._asked
        return memoryview(whole)

    def look(self, start: int, size: int) -> bytes:
        """Copy bytes that say what the file holds; ``header`` gives them all.

        Raises:
            Absent: they are not all here.
            LimitError: they are more than is looked at.

        """
        size = max(0, min(size, self._size - start))
        self._looked += size
        if self._looked > _MOST:
            self._asked = self._asked or LimitError(
                f"its header has more than {_MOST} bytes: write it anew, with larger strips or "
                "tiles, or with less metadata"
            )
            raise self._asked
        self._touched.append((start, size))
        return bytes(self[start : start + size])

    @contextmanager
    def complete(self) -> Iterator[None]:
        """Raise what was absent, whatever those made of it to whom that was said."""
        self._asked = None
        try:
            yield
        except Exception:
            if self._asked is not None:
                raise self._asked from None
            raise
        if self._asked is not None:
            raise self._asked

    def header(self) -> tuple[tuple[int, bytes], ...]:
        """Give all that was looked at, each piece with its first byte."""
        pieces = []
        for start, size in self._spanned(merged(self._touched, 0)):
            pieces.append((start, bytes(self[start : start + size])))
        return tuple(pieces)

    def _spanned(self, ranges: Sequence[Range]) -> list[Range]:
        """Join ranges over short gaps that are here."""
        spanned: list[Range] = []
        for start, size in ranges:
            first, before = spanned[-1] if spanned else (0, -_GAP - 1)
            near = start - first - before <= _GAP
            if near and self._found(first, start + size) is not None:
                spanned[-1] = first, start + size - first
            else:
                spanned.append((start, size))
        return spanned

    def opened(self) -> io.RawIOBase:
        """Open it as a file, for others to look at what it holds."""
        return _File(self)


def _start(piece: tuple[int, memoryview]) -> int:
    return piece[0]


def _absent(start: int, stop: int, size: int) -> Absent:
    first = start // _BLOCK * _BLOCK
    return Absent(first, min(size, -(-stop // _BLOCK) * _BLOCK) - first)


def merged(ranges: Sequence[Range], gap: int = _GAP) -> tuple[Range, ...]:
    """Join ranges (first byte, bytes) that overlap, or have at most ``gap`` bytes between them.

    Returns:
        Ranges in ascending order; empty ones are left out.

    """
    joined: list[Range] = []
    for start, size in sorted(ranges):
        if joined and start <= sum(joined[-1]) + gap:
            first, before = joined[-1]
            joined[-1] = first, max(before, start + size - first) if size else before
        elif size:
            joined.append((start, size))
    return tuple(joined)


class _File(io.RawIOBase):
    """What tifffile takes for an open file."""

    def __init__(self, sparse: Sparse) -> None:
        self._sparse = sparse
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._sparse)}[whence]
        if start + offset < 0:
            raise ValueError(f"seek to {start + offset}")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        size = len(self._sparse) if size is None or size < 0 else size
        found = self._sparse.look(self._at, size)
        self._at += len(found)
        return found

    def readinto(self, target: Buffer, /) -> int:
        view = memoryview(target).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)
