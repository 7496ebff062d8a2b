"""Objects that are read in ranges, and written piece by piece."""

from __future__ import annotations

import errno
import tempfile
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import StoreError
from asyncrgb.pipeline.storage.objects.faults import CHANGED, TRUNCATED
from asyncrgb.pipeline.storage.objects.listing import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from obstore import ObjectMeta

    from asyncrgb.pipeline.storage.objects.location import Location
    from asyncrgb.pipeline.storage.objects.stores import Store
    from asyncrgb.pipeline.storage.ranges import Range

_NEAR: Final = 2**16  # bytes between ranges that are worth less than a request
_IN_MEMORY: Final = 2**20
_PIECE: Final = 8 * 2**20
_PIECES_AT_ONCE: Final = 4


class ObjectSource:
    """An object of which ranges are read.

    Args:
        store: where it is.
        location: its key.
        look: tells what there is to know of it.

    Raises:
        OSError: it cannot be found.

    """

    def __init__(self, store: Store, location: Location, look: Callable[[], ObjectMeta]) -> None:
        self._store = store
        self._location = location
        self._look = look
        self._meta = look()
        self.size = self._meta["size"]

    def read_into(self, view: memoryview, ranges: Sequence[Range]) -> None:
        """Read ranges; as ``Source`` says. Those that lie close together are one request."""
        if not ranges:
            return
        self._check_inside(ranges)
        starts, lengths = zip(*ranges, strict=True)
        with naming(self._location):
            found = self._store.get_ranges(
                self._location.key, starts=starts, lengths=lengths, coalesce=_NEAR
            )
        filled = 0
        for data, size in zip(found, lengths, strict=True):
            if len(data) != size:
                raise StoreError(errno.EIO, TRUNCATED, self._location.shown)
            view[filled : filled + size] = data
            filled += size

    def check(self) -> None:
        """See whether the object is another by now; as ``Source`` says."""
        if self._look() != self._meta:
            raise StoreError(errno.EBUSY, CHANGED, self._location.shown)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _check_inside(self, ranges: Sequence[Range]) -> None:
        if any(start + size > self.size for start, size in ranges):
            raise StoreError(errno.EIO, TRUNCATED, self._location.shown)


class ObjectSink:
    """An object that is written piece by piece.

    What has been uploaded cannot be written over, as some files need it at their end. So it is
    put together in a temporary file of this machine (in ``TMPDIR``), in memory if it is small,
    and uploaded when it is complete: in parts, of which a few are in memory at once.

    Args:
        store: where it goes to.
        location: its key.

    """

    def __init__(self, store: Store, location: Location) -> None:
        self._store = store
        self._location = location
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="asyncrgb-")  # noqa: SIM115 - closed by drop

    def write(self, *pieces: bytes | memoryview) -> None:
        """Write at the end; as ``Sink`` says."""
        for piece in pieces:
            self._file.write(piece)

    def patch(self, start: int, data: bytes) -> None:
        """Write over what is there; as ``Sink`` says."""
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(data)
        self._file.seek(end)

    def commit(self) -> None:
        """Upload it; as ``Sink`` says."""
        self._file.seek(0)
        with naming(self._location):
            self._store.put(
                self._location.key,
                self._file,
                chunk_size=_PIECE,
                max_concurrency=_PIECES_AT_ONCE,
            )

    def drop(self) -> None:
        """Remove the temporary file."""
        self._file.close()
