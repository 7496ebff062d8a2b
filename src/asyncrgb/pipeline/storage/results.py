"""A folder of results as a whole: who is at work in it, with which options, and how old it is."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from asyncrgb.pipeline.storage.files import make_folder, write_atomically
from asyncrgb.pipeline.storage.runs import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD: Final = ".asyncrgb.json"


class Results(Protocol):
    """A folder of results; called on threads."""

    def enter(self) -> None:
        """Make the folder, and let other runs know of this one, where there is need of that.

        Raises:
            OSError: the folder cannot be made or written.

        """

    def sweep(self) -> Iterator[None]:
        """Remove what runs have left there that were killed; a step at a time."""

    def leave(self) -> None:
        """Take back what ``enter`` has said; safe to call whatever has happened."""

    def record(self) -> str | None:
        """Read the record of the options that were used last; None: there is none."""

    def moment(self) -> int | None:
        """Tell since when the record is there, in nanoseconds since 1970; None: it is not."""

    def occupied(self) -> bool:
        """Tell whether there is anything that is no trace of a run: others' pictures, perhaps."""

    def keep(self, text: str) -> int:
        """Write the record anew; gives the moment.

        Raises:
            OSError: it cannot be written.

        """

    def forget(self) -> None:
        """Remove the record, if that can be done."""

    def modified(self, path: str) -> int | None:
        """Tell when a result was written, in nanoseconds since 1970; None: there is none.

        Raises:
            OSError: that cannot be found out.

        """


class LocalResults:
    """A folder of results on this machine.

    Args:
        folder: its path.
        fsync: whether what is written is to survive a power cut.

    """

    def __init__(self, folder: str, *, fsync: bool = False) -> None:
        self._folder = folder
        self._record = os.path.join(folder, RECORD)
        self._fsync = fsync
        self._run = Run(folder)

    def enter(self) -> None:
        """Make the folder and announce this run; as ``Results`` says."""
        self._run.enter(fsync=self._fsync)

    def sweep(self) -> Iterator[None]:
        """Remove temporary files of the dead; as ``Results`` says."""
        return self._run.sweep()

    def leave(self) -> None:
        """Take this run back; as ``Results`` says."""
        self._run.leave()

    def record(self) -> str | None:
        """Read the record; as ``Results`` says."""
        try:
            with open(self._record, encoding="utf-8") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            return None

    def moment(self) -> int | None:
        """Tell how old the record is; as ``Results`` says."""
        try:
            return os.stat(self._record).st_mtime_ns
        except OSError:
            return None

    def occupied(self) -> bool:
        """Look at the names; as ``Results`` says."""
        try:
            with os.scandir(self._folder) as entries:
                return any(not entry.name.startswith(".asyncrgb") for entry in entries)
        except FileNotFoundError:
            return False

    def keep(self, text: str) -> int:
        """Write the record; as ``Results`` says.

        Where results are to survive a power cut, it has to do so before them: newer than the
        record of other options, they would pass for their results.
        """
        make_folder(self._folder, fsync=self._fsync)
        write_atomically(self._record, text.encode(), fsync=self._fsync)
        return os.stat(self._record).st_mtime_ns

    def forget(self) -> None:
        """Remove the record; as ``Results`` says."""
        with suppress(OSError):
            os.unlink(self._record)

    def modified(self, path: str) -> int | None:
        """Look at one result; as ``Results`` says."""
        status = os.stat(path)
        return status.st_mtime_ns if stat.S_ISREG(status.st_mode) else None
