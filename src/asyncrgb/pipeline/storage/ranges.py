"""Files of this machine that are read in ranges, and written piece by piece."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from asyncrgb.pipeline.storage import files

if TYPE_CHECKING:
    from collections.abc import Sequence

    Range = tuple[int, int]  # first byte, number of bytes


class LocalSource:
    """A file of this machine.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be opened, or is not a regular file.

    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, files.READ_FLAGS)
        self._status = os.fstat(self._fd)
        self.size = self._status.st_size
        if not stat.S_ISREG(self._status.st_mode):
            self.close()
            raise OSError(errno.EINVAL, "not a regular file", path)

    def read_into(self, view: memoryview, ranges: Sequence[Range]) -> None:
        """Read ranges; as ``Source`` says."""
        try:
            filled = 0
            for start, size in ranges:
                _read(self._fd, view[filled : filled + size], start)
                filled += size
        except OSError as error:
            error.filename = self._path
            raise

    def check(self) -> None:
        """See whether the file has been changed; as ``Source`` says."""
        there = os.stat(self._path)  # another file may have taken its place
        if files.changed(self._fd, self._status) or not os.path.samestat(there, self._status):
            raise OSError(errno.EBUSY, files.CHANGED, self._path)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _read(fd: int, view: memoryview, start: int) -> None:
    filled = 0
    while filled < len(view):
        got = os.preadv(fd, [view[filled:]], start + filled)
        if not got:
            raise OSError(errno.EBUSY, files.CHANGED)
        filled += got


class LocalSink:
    """A file of this machine, under a temporary name until it is complete; makes its folder.

    Args:
        path: of the file.
        fsync: whether it is to survive a power cut.

    Raises:
        OSError: it cannot be made.

    """

    def __init__(self, path: str, *, fsync: bool = False) -> None:
        self._path = path
        self._fsync = fsync
        self._fd, self._temporary = files.create_temporary(path, fsync=fsync)
        self._open = True

    def write(self, *pieces: bytes | memoryview) -> None:
        """Write at the end; as ``Sink`` says."""
        for piece in pieces:
            self._surely(piece)

    def patch(self, start: int, data: bytes) -> None:
        """Write over what is there; as ``Sink`` says."""
        try:
            os.pwrite(self._fd, data, start)
        except OSError as error:
            error.filename = self._path
            raise

    def commit(self) -> None:
        """Bring the file to the disk if that was asked, and rename it."""
        try:
            if self._fsync:
                os.fsync(self._fd)
            self._close()  # which may be the first to say that a disk far away is full
            files.put_in_place(self._temporary, self._path, fsync=self._fsync)
        except OSError as error:
            error.filename, error.filename2 = self._path, None
            raise
        self._temporary = ""

    def drop(self) -> None:
        """Remove what is not in its place."""
        with suppress(OSError):  # it is dropped anyway
            self._close()
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)

    def _surely(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            error.filename = self._path
            raise

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._fd)
