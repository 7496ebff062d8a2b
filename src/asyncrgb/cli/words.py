"""Errors and names in words: what is wrong with what, in one line, for any terminal."""

from __future__ import annotations

import errno
from typing import Final

from asyncrgb.errors import AsyncRgbError, StoreError
from asyncrgb.urls import redacted

_ROOM: Final = "free some space and run the same command again, it goes on from here"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_REMEDIES: Final = {
    errno.EACCES: "check its permissions, or name another folder",
    errno.EPERM: "check its permissions, or name another folder",
    errno.EROFS: "name a folder that can be written to",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "check the path",
    errno.EMFILE: "give smaller --reads and --writes, or raise the limit with ulimit -n",
    errno.ENOMEM: "give a smaller --memory",
    errno.ENOENT: "check the path",
    errno.EEXIST: "name another",
    errno.ENAMETOOLONG: "shorten the name",
    errno.EINVAL: "leave it out",
    errno.EIO: "check the disk, or copy the file again",
} | dict.fromkeys(_FULL, _ROOM)


class StdoutError(OSError):
    """What is printed does not come through: the reader has gone, or a disk is full."""


def to_stdout(error: OSError) -> StdoutError:
    """Name what could not be written, which an error of a stream does not."""
    return StdoutError(error.errno, error.strerror, "stdout")


def is_unread(error: BaseException) -> bool:
    """Tell whether the reader of stdout has gone, as ``head`` does: it has had enough."""
    return isinstance(error, StdoutError) and error.errno == errno.EPIPE


def explain(error: BaseException) -> str:
    """Say what is wrong with what, and what to do about it, in one line."""
    if isinstance(error, OSError) and error.strerror is not None:
        name = shown(str(error.filename)) + ": " if error.filename is not None else ""
        told = isinstance(error, StoreError)  # its text says what to do
        remedy = None if told else _REMEDIES.get(error.errno or 0)
        return f"{name}{error.strerror}" + (f": {remedy}" if remedy else "")
    if isinstance(error, AsyncRgbError):
        return shown(str(error))
    if isinstance(error, MemoryError):
        return "there is not enough memory: give a smaller --memory, or fewer --workers"
    remedy = ": set TMPDIR to a folder with a shorter path" if _is_of_socket(error) else ""
    return shown(f"{type(error).__name__}: {error}{remedy}")


def _is_of_socket(error: BaseException) -> bool:
    """Tell whether the temporary folder's path leaves no room for the name of a socket."""
    return isinstance(error, OSError) and "AF_UNIX path too long" in str(error)


def is_full(error: BaseException) -> bool:
    """Tell whether there is no room left on some disk."""
    return isinstance(error, OSError) and error.errno in _FULL


def shown(text: str) -> str:
    """Make any text fit for one line of any terminal: file names may hold anything."""
    readable = utf8(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in readable)


def utf8(text: str) -> str:
    """Escape what is not UTF-8 in a name of a file, and hide what gives access in a URL."""
    escaped = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return redacted(escaped)
