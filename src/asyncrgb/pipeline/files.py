"""Whole files between storage and the arena; blocking, so it runs on threads."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from asyncrgb.pipeline.arena import Arena, Extent

TEMPORARY_PREFIX: Final = ".asyncrgb-"
# A FIFO named .tif must not block the reader that opens it.
_READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)

# Containers that share a folder may share their process numbers too, hence the token.
_OWNER: Final = f"{os.getpid()}-{token_hex(4)}"

_numbers = count()


class Storage(Protocol):
    """Where sources come from and outputs go to; called on threads."""

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        """Read a file straight into a new extent of ``arena``; None if there is no room now.

        Returns:
            The extent, and the length of the file in it.

        Raises:
            OSError: the file cannot be opened or read, or is not a regular file.
            LimitError: it is larger than the arena.

        """

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write a file that is seen whole or not at all; make its folder if there is none.

        Raises:
            OSError: it could not be written; nothing is left of it.

        """


class LocalFiles:
    """The file systems of this machine."""

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        """Read one file; as ``Storage`` says."""
        fd = os.open(path, _READ_FLAGS | _BINARY)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            extent = arena.lease(status.st_size)
            if extent is None:
                return None
            try:
                return extent, _fill(fd, arena.view(extent, status.st_size))
            except BaseException:
                arena.give_back(extent)
                raise
        finally:
            os.close(fd)

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write one file atomically; as ``Storage`` says."""
        write_atomically(path, data)


def _fill(fd: int, view: memoryview) -> int:
    """Read until ``view`` is full or the file ends, which may be sooner than its size said."""
    filled = 0
    while filled < len(view):
        got = os.readv(fd, [view[filled:]])
        if not got:
            break
        filled += got
    return filled


def write_atomically(path: str, data: bytes | memoryview) -> None:
    """Write a file that is seen whole or not at all; makes its folder if there is none.

    Raises:
        OSError: it could not be written; nothing is left of it.

    """
    folder = path[: path.rfind(os.sep) + 1]
    temporary = f"{folder}{TEMPORARY_PREFIX}{_OWNER}-{next(_numbers)}"
    try:
        _write(_create(temporary, folder), data)
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename, error.filename2 = path, None  # the name that means something
        with suppress(OSError):  # what went wrong is known already
            os.unlink(temporary)
        raise


def _create(path: str, folder: str) -> int:
    try:
        return os.open(path, _WRITE_FLAGS | _BINARY, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        return os.open(path, _WRITE_FLAGS | _BINARY, 0o666)


def _write(fd: int, data: bytes | memoryview) -> None:
    try:
        written = os.write(fd, data)
        while written < len(data):
            written += os.write(fd, memoryview(data)[written:])
    finally:
        os.close(fd)
