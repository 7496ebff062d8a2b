"""Which runs are at work in a folder, and the temporary files that dead ones have left there.

A run that is killed cannot tidy up. So each holds a lock on a small file in the folder, which
the system takes away from the dead, however they died: whoever finds a run's file without its
lock knows that the temporary files of that run are nobody's any more.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import platform
import re
from itertools import islice
from time import sleep
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.pipeline.storage.files import TEMPORARY_PREFIX, Owner, make_folder

try:
    import fcntl
except ImportError:  # Windows: nobody can tell who lives
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS: Final = ".asyncrgb-runs"
_TEMPORARY: Final = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(\d+-[0-9a-f]+)-\d+")
_FLAGS: Final = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_ATTEMPTS: Final = 200
_PAUSE: Final = 0.002
_BREATH: Final = 256  # entries of a folder
_MANY: Final = 64  # files to hold open
# A lock says less about other machines: some network file systems keep locks to themselves.
# But no temporary file is at work for a day.
_LONG: Final = 24 * 3600


class Run:
    """A run in a folder, known to all others there while it lives."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, RUNS, Owner.name)
        self._fd: int | None = None

    def enter(self, *, fsync: bool = False) -> None:
        """Make the folder, and let others know of this run, where the system can do that.

        Raises:
            OSError: the folder cannot be made or written.

        """
        make_folder(self._folder, fsync=fsync)
        try:
            for _ in range(_ATTEMPTS if fcntl is not None else 0):
                if self._announced():
                    return
                sleep(_PAUSE)  # others tidy up there at this moment
        except OSError as error:
            foreign = isinstance(error, PermissionError) and os.access(self._folder, os.W_OK)
            if not foreign and error.errno not in _NO_LOCKS:
                error.filename = self._folder
                raise

    def leave(self) -> None:
        """Take back what ``enter`` has said; safe to call whatever has happened."""
        if self._fd is None:
            return
        with contextlib.suppress(OSError):  # another conversion of this process goes on
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_if_same(self._fd, self._path)
        os.close(self._fd)
        self._fd = None
        with contextlib.suppress(OSError):  # there are other runs
            os.rmdir(os.path.dirname(self._path))

    def sweep(self) -> Iterator[None]:
        """Remove what dead runs have left in the folder; a step at a time, as it may be large."""
        if self._fd is None:
            return
        now = os.fstat(self._fd).st_mtime
        with contextlib.ExitStack() as opened:
            dead = list(islice(_dead(self._folder, now, opened), _MANY))
            latest = {os.path.basename(each.path): each.latest for each in dead}
            if any(each is not None for each in latest.values()):
                yield from _remove_temporaries(self._folder, latest)
            for each in dead:
                _remove_if_same(each.fd, each.path)

    def _announced(self) -> bool:
        """Make the file of this run and lock it; False if others are just removing it."""
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            fd = os.open(self._path, _FLAGS | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as other conversions here do
            if _is_same(fd, self._path):
                os.write(fd, _machine())  # from now on there may be temporary files
                self._fd = fd
        except BlockingIOError:
            pass
        except OSError:
            if not os.fstat(fd).st_size:  # else it is there for another conversion too
                _remove_if_same(fd, self._path)
            raise
        finally:
            if self._fd is None:
                os.close(fd)
        return self._fd is not None


class _Dead(NamedTuple):
    """The file of a run that has ended without tidying up, locked by us.

    Attributes:
        fd: it, open.
        path: its name.
        latest: temporary files of that run that are not younger may be removed; None: it did
            not get as far as to write any.

    """

    fd: int
    path: str
    latest: float | None


def _dead(folder: str, now: float, opened: contextlib.ExitStack) -> Iterator[_Dead]:
    for name in _names(os.path.join(folder, RUNS)):
        path = os.path.join(folder, RUNS, name)
        with contextlib.suppress(OSError):  # it lives, or is being removed, or is not ours
            fd = os.open(path, _FLAGS)
            opened.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            machine = os.read(fd, 100)
            far = machine not in (b"", _machine())
            if _is_same(fd, path) and not (far and os.fstat(fd).st_mtime > now - _LONG):
                yield _Dead(fd, path, (now - _LONG if far else math.inf) if machine else None)


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name != Owner.name]
    except OSError:
        return []


def _remove_temporaries(folder: str, latest: dict[str, float | None]) -> Iterator[None]:
    """Go through all folders, links not followed, and remove what the dead have left there."""
    waiting = [folder]
    while waiting:
        yield
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for number, entry in enumerate(entries):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif found := _TEMPORARY.fullmatch(entry.name):
                    _remove(entry, latest.get(found[1]))
                if number % _BREATH == 0:
                    yield


def _remove(entry: os.DirEntry[str], latest: float | None) -> None:
    with contextlib.suppress(OSError):
        if latest is not None and entry.stat(follow_symlinks=False).st_mtime <= latest:
            os.unlink(entry.path)


def _remove_if_same(fd: int, path: str) -> None:
    with contextlib.suppress(OSError):
        if _is_same(fd, path):
            os.unlink(path)


def _is_same(fd: int, path: str) -> bool:
    """Tell whether a file that was opened still has its name."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


def _machine() -> bytes:
    """Name this machine as it runs now: after it was started anew it is another."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:  # the same in all containers
            return file.read()
    except OSError:
        return platform.node().encode() or b"?"
