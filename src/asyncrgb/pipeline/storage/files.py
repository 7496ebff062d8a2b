"""Files of this machine: read whole, written so that they are seen whole or not at all.

Blocking, so it runs on threads.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import count
from secrets import token_hex
from typing import Final

TEMPORARY_PREFIX: Final = ".asyncrgb-"
_BINARY: Final = getattr(os, "O_BINARY", 0)
_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
# A FIFO named .tif must not block the reader that opens it, nor a terminal take the program over.
READ_FLAGS: Final = (
    os.O_RDONLY | _BINARY | _CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
)
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _CLOEXEC

CHANGED: Final = "it was changed while it was read: convert it again once it is complete"
_QUICK: Final = 2**20  # bytes that are read at once; each question to the system costs time

_numbers = count()


class Owner:
    """The name under which this process leaves files behind, of its own even after a fork."""

    name: str

    @classmethod
    def renew(cls) -> None:
        """Take a new name; containers that share a folder may share process numbers too."""
        cls.name = f"{os.getpid()}-{token_hex(4)}"


Owner.renew()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Owner.renew)


def write_atomically(path: str, data: bytes | memoryview, *, fsync: bool = False) -> None:
    """Write a file that is seen whole or not at all; makes its folder if there is none.

    Args:
        path: of the file.
        data: all that is to be in it.
        fsync: whether it is to survive a power cut: first its bytes have to be on the disk,
            then its name.

    Raises:
        OSError: it could not be written; nothing is left of it.

    """
    fd, temporary = create_temporary(path, fsync=fsync)
    try:
        _write(fd, data, fsync=fsync)
        put_in_place(temporary, path, fsync=fsync)
    except BaseException as error:
        with suppress(OSError):  # what went wrong is known already
            os.unlink(temporary)
        name(error, path)
        raise


def create_temporary(path: str, *, fsync: bool = False) -> tuple[int, str]:
    """Make an empty file beside ``path``, to be put in its place; give its descriptor and name.

    Raises:
        OSError: it cannot be made.

    """
    folder = folder_of(path)
    temporary = f"{folder}{TEMPORARY_PREFIX}{Owner.name}-{next(_numbers)}"
    try:
        return _create(temporary, folder, fsync=fsync), temporary
    except OSError as error:
        name(error, path)
        raise


def put_in_place(temporary: str, path: str, *, fsync: bool) -> None:
    """Give a file that is complete its name; durably, if that is asked.

    Raises:
        OSError: it cannot be renamed.

    """
    os.replace(temporary, path)
    if fsync:
        _sync_folder(folder_of(path))


def make_folder(folder: str, *, fsync: bool = False) -> None:
    """Make a folder and those above it, where there are none.

    Raises:
        OSError: it cannot be made.

    """
    above = _missing(folder) if fsync else []
    os.makedirs(folder or os.curdir, exist_ok=True)
    for each in above:
        _sync_folder(os.path.dirname(each))


def _missing(folder: str) -> list[str]:
    """List the folders that have to be made for ``folder`` to be there, the deepest first."""
    missing, at = [], folder.rstrip(os.sep)
    while at and not os.path.isdir(at):
        missing.append(at)
        at = os.path.dirname(at)
    return missing


def folder_of(path: str) -> str:
    """Give the folder of a file, with the separator at its end."""
    return path[: path.rfind(os.sep) + 1]


def name(error: BaseException, path: str) -> None:
    """Let an error of the system name the file that somebody knows."""
    if isinstance(error, OSError):
        error.filename, error.filename2 = path, None


def bare(error: Exception) -> Exception:
    """Free a kept error of what it drags along: the frames of all who had to do with it."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def fill(fd: int, view: memoryview, status: os.stat_result) -> None:
    """Read a file that is as ``status`` says into a view with room for it.

    An extent mostly has some room to spare, so a file that has grown shows that without a
    question, and one that has shrunk ends too soon.

    Raises:
        OSError: it cannot be read, or it is another by now.

    """
    size, filled = status.st_size, 0
    while filled < size:
        got = os.readv(fd, [view[filled:]])
        if not got:
            break
        filled += got
    doubtful = filled >= _QUICK or filled == len(view)
    if filled != size or (doubtful and changed(fd, status)):
        raise OSError(errno.EBUSY, CHANGED)


def changed(fd: int, before: os.stat_result) -> bool:
    """Tell whether an open file is not as it was ``before``."""
    now = os.fstat(fd)
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


def _create(path: str, folder: str, *, fsync: bool) -> int:
    try:
        return os.open(path, _WRITE_FLAGS, 0o666)
    except FileNotFoundError:
        pass  # outside of this, so that what else goes wrong stands for itself
    make_folder(folder, fsync=fsync)
    return os.open(path, _WRITE_FLAGS, 0o666)


def _write(fd: int, data: bytes | memoryview, *, fsync: bool) -> None:
    try:
        written = os.write(fd, data)
        while written < len(data):
            written += os.write(fd, memoryview(data)[written:])
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)  # which may be the first to say that a disk far away is full


def _sync_folder(folder: str) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "nt":  # there, folders cannot be opened, and names are not lost
        return
    fd = os.open(folder or os.curdir, os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
