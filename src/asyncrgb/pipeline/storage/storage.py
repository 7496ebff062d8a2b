"""Where sources come from and outputs go to: files of this machine, or objects in a store.

One protocol for both, called on threads. How whole images are moved is what differs: files are
read and written on threads (``Files``), objects in the event loop (``Objects``).
"""

from __future__ import annotations

import errno
import os
import stat
from threading import Lock
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from asyncrgb.imaging.reading.refusals import OversizedError
from asyncrgb.pipeline.storage import files
from asyncrgb.pipeline.storage.authorship import is_foreign
from asyncrgb.pipeline.storage.listing import walk
from asyncrgb.pipeline.storage.ranges import LocalSink, LocalSource
from asyncrgb.pipeline.storage.results import LocalResults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb.pipeline.memory.arena import Arena, Extent
    from asyncrgb.pipeline.outcomes import Failed
    from asyncrgb.pipeline.storage.listing import Listed
    from asyncrgb.pipeline.storage.ranges import Range
    from asyncrgb.pipeline.storage.results import Results

Kind: TypeAlias = Literal["folder", "file", "other"]


class Source(Protocol):
    """A file of which ranges are read; called on threads, on several at once."""

    size: int

    def read_into(self, view: memoryview, ranges: Sequence[Range]) -> None:
        """Read ranges into a view, one after the other.

        Raises:
            OSError: one cannot be read, or the file ends before it.

        """

    def check(self) -> None:
        """See whether the file is as it was when it was opened.

        Raises:
            OSError: it has been changed.

        """

    def close(self) -> None:
        """Let go of the file."""


class Sink(Protocol):
    """A file that is written piece by piece, and seen whole or not at all; called on threads."""

    def write(self, *pieces: bytes | memoryview) -> None:
        """Write at the end."""

    def patch(self, start: int, data: bytes) -> None:
        """Write over what is there."""

    def commit(self) -> None:
        """Let the file be seen under its name."""

    def drop(self) -> None:
        """Leave nothing of it; after ``commit`` it does nothing."""


class Storage(Protocol):
    """Where sources come from and outputs go to; called on threads.

    All methods raise OSError where something cannot be found out or done.
    """

    def kind(self, path: str) -> Kind | None:
        """Tell what is there; None: nothing."""

    def modified(self, path: str) -> int:
        """Tell when a file was last changed, in nanoseconds since 1970."""

    def walk(self, source: str, destination: str) -> Iterator[Listed | Failed | None]:
        """Go through all folders at and below ``source``, but not through ``destination``.

        None comes now and then while that takes time, ``Failed`` for a folder that cannot be
        listed.
        """

    def same(self, one: str, other: str) -> bool:
        """Tell whether two names are those of one file that is there."""

    def holds(self, folder: str, path: str) -> bool:
        """Tell whether ``path`` is ``folder``, or lies above it, so that it holds the folder."""

    def writable(self, path: str) -> bool:
        """Tell whether anything can be written there at all."""

    def foreign(self, path: str) -> bool:
        """Tell whether a picture lies there that asyncrgb has not made."""

    def results(self, folder: str) -> Results:
        """Give what is to be known of a folder of results."""

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write a file that is seen whole or not at all; make its folder if there is none.

        Raises:
            OSError: it could not be written; nothing is left of it.

        """

    def open(self, path: str) -> Source:
        """Open a file of which ranges are read.

        Raises:
            OSError: it cannot be opened, or is not a regular file.

        """

    def create(self, path: str) -> Sink:
        """Begin a file that is written piece by piece; make its folder if there is none.

        Raises:
            OSError: it cannot be made.

        """


class Files(Storage, Protocol):
    """Storage whose files are read whole on threads."""

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        """Read a file straight into a new extent of ``arena``; None if there is no room now.

        Returns:
            The extent, and the length of the file in it.

        Raises:
            OSError: the file cannot be opened or read, is not a regular file, or was changed
                while it was read.
            OversizedError: it is too large to be read whole.

        """


class Objects(Storage, Protocol):
    """Storage whose objects are read and written whole in the event loop."""

    async def fetch_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        """Read an object into a new extent of ``arena``; as ``Files.read_into``."""

    async def put(self, path: str, data: bytes | memoryview) -> None:
        """Write an object that is seen whole or not at all; as ``write``."""


class LocalFiles:
    """The file systems of this machine.

    Args:
        fsync: whether what has been written is to survive a power cut.

    """

    def __init__(self, *, fsync: bool = False) -> None:
        self._fsync = fsync
        self._durable: set[str] = set()
        self._making = Lock()

    def kind(self, path: str) -> Kind | None:
        """Tell what is there; as ``Storage`` says."""
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(mode):
            return "folder"
        return "file" if stat.S_ISREG(mode) else "other"

    def modified(self, path: str) -> int:
        """Tell when a file was last changed; as ``Storage`` says."""
        return os.stat(path).st_mtime_ns

    def walk(self, source: str, destination: str) -> Iterator[Listed | Failed | None]:
        """Go through folders; as ``Storage`` says."""
        return walk(source, destination)

    def same(self, one: str, other: str) -> bool:
        """Compare two names; as ``Storage`` says."""
        return os.path.exists(other) and os.path.samefile(one, other)

    def holds(self, folder: str, path: str) -> bool:
        """Look where a folder lies; as ``Storage`` says."""
        inner, outer = os.path.realpath(folder), os.path.realpath(path)
        return os.path.commonpath([inner, outer]) == outer

    def writable(self, path: str) -> bool:  # noqa: ARG002 - the file system finds out
        """Tell whether anything can be written there; as ``Storage`` says."""
        return True

    def foreign(self, path: str) -> bool:
        """Tell whose picture lies there; as ``Storage`` says."""
        return is_foreign(path)

    def results(self, folder: str) -> Results:
        """Give what is to be known of a folder; as ``Storage`` says."""
        return LocalResults(folder, fsync=self._fsync)

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        """Read one file; as ``Storage`` says."""
        fd = os.open(path, files.READ_FLAGS)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            if status.st_size > arena.share:
                raise OversizedError
            extent = arena.lease(status.st_size)
            if extent is None:
                return None
            try:
                files.fill(fd, arena.view(extent), status)
            except BaseException as error:
                arena.give_back(extent)
                files.name(error, path)
                raise
            return extent, status.st_size
        finally:
            os.close(fd)

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write one file atomically; as ``Storage`` says."""
        if self._fsync:
            self._make_durable(files.folder_of(path))
        files.write_atomically(path, data, fsync=self._fsync)

    def open(self, path: str) -> Source:
        """Open a file to read ranges of it; as ``Storage`` says."""
        return LocalSource(path)

    def create(self, path: str) -> Sink:
        """Begin a file; as ``Storage`` says."""
        if self._fsync:
            self._make_durable(files.folder_of(path))
        return LocalSink(path, fsync=self._fsync)

    def _make_durable(self, folder: str) -> None:
        """Make a folder that survives a power cut before anything is put into it."""
        if folder in self._durable:
            return
        with self._making:  # who finds a folder there must not overtake who has just made it
            files.make_folder(folder, fsync=True)
            self._durable.add(folder)
