"""Where the results of trials go: folders that nobody sees, gone in the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from typing import Final

_KEPT_BYTES: Final = 2**30


class Results:
    """A hidden folder with one folder for each trial.

    They are kept till the end, as some file systems (ext4) are slow at making files right after
    others have been removed; but no more than a gigabyte of them.

    Args:
        parent: where it is made; made too if there is none. None: the system's temporary folder.

    """

    def __init__(self, parent: str | None) -> None:
        self._parent = parent
        self._path = ""
        self._made: list[str] = []
        self._kept: list[tuple[str, int]] = []
        self._count = 0

    def make(self) -> str:
        """Make the folder, and give its path.

        Raises:
            OSError: it cannot be made.

        """
        if self._parent is not None:
            self._made = _missing(self._parent)
            os.makedirs(self._parent, exist_ok=True)
        self._path = tempfile.mkdtemp(prefix=".asyncrgb-tune-", dir=self._parent)
        return self._path

    def next(self) -> str:
        """Name the folder of the next trial."""
        self._count += 1
        return os.path.join(self._path, str(self._count))

    def keep(self, folder: str, size: int) -> None:
        """Take note of the results of a trial, and remove the oldest if there are too many."""
        self._kept.append((folder, size))
        while len(self._kept) > 1 and sum(size for _, size in self._kept) > _KEPT_BYTES:
            shutil.rmtree(self._kept.pop(0)[0], ignore_errors=True)

    def remove(self) -> None:
        """Remove all that has been made; safe to call again, and if nothing has been."""
        if self._path:
            shutil.rmtree(self._path, ignore_errors=True)
        for folder in self._made:
            with suppress(OSError):  # somebody else has put something there
                os.rmdir(folder)


def _missing(folder: str) -> list[str]:
    """List the folders that have to be made for ``folder`` to be there, the deepest first."""
    missing, at = [], os.path.abspath(folder)
    while not os.path.isdir(at) and at != os.path.dirname(at):
        missing.append(at)
        at = os.path.dirname(at)
    return missing
