"""What lies in folders, however large: in order, and a few milliseconds at a time."""

from __future__ import annotations

import os
from collections.abc import Collection
from heapq import merge
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from asyncrgb.pipeline.outcomes import Failed
from asyncrgb.pipeline.storage.runs import RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asyncrgb.pipeline.outcomes import Stamp

SOURCE_SUFFIXES: Final = (".tif", ".tiff")
# One sort of the 200,000 names of a folder keeps every other thread waiting, the event loop's too.
_SORTED_AT_ONCE: Final = 4096
_BREATH_SECONDS: Final = 0.004


def is_source(name: str) -> bool:
    """Tell whether a file of that name is a TIFF, and no companion that macOS puts beside one."""
    return name.lower().endswith(SOURCE_SUFFIXES) and not name.startswith("._")


class Names(Collection[str]):
    """Names that come out in order, sorted in pieces."""

    def __init__(self) -> None:
        self._pieces: list[list[str]] = [[]]

    def add(self, name: str) -> None:
        """Take in one more."""
        self._pieces[-1].append(name)
        if len(self._pieces[-1]) == _SORTED_AT_ONCE:
            self._pieces[-1].sort()
            self._pieces.append([])

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __contains__(self, name: object) -> bool:
        return any(name in piece for piece in self._pieces)

    def __iter__(self) -> Iterator[str]:
        self._pieces[-1].sort()
        return merge(*self._pieces) if len(self._pieces) > 1 else iter(self._pieces[0])


class Listed(Protocol):
    """TIFFs that lie in one folder.

    Attributes:
        path: of the folder.
        names: of the TIFFs, in order.
        stamps: what else the listing tells of each, if it does.

    """

    path: str

    @property
    def names(self) -> Collection[str]:
        """Give the names."""

    @property
    def stamps(self) -> Mapping[str, Stamp] | None:
        """Give what is known."""


class Folder:
    """A folder: the names of its TIFFs, and of the folders in it."""

    stamps = None

    def __init__(self, path: str) -> None:
        self.path = path
        self.names = Names()
        self.below = Names()

    def read(self) -> Iterator[None]:
        """Find out what is in it; a step at a time.

        Raises:
            OSError: it cannot be listed.

        """
        breath = monotonic() + _BREATH_SECONDS
        with os.scandir(self.path) as entries:
            for entry in entries:
                self._take(entry)
                if monotonic() > breath:
                    yield
                    breath = monotonic() + _BREATH_SECONDS

    def _take(self, entry: os.DirEntry[str]) -> None:
        if _is_folder(entry):
            if entry.name != RUNS:  # comes and goes, where results lie beside their sources
                self.below.add(entry.name)
        elif is_source(entry.name):
            self.names.add(entry.name)


def walk(source: str, destination: str) -> Iterator[Folder | Failed | None]:
    """Go through ``source`` and all folders below it, but not through ``destination``.

    None comes every few milliseconds while a folder is listed, ``Failed`` for one that cannot be.

    Raises:
        OSError: ``source`` itself cannot be listed.

    """
    seen = {_identity(destination)} - {_identity(source), None}
    waiting = [source]
    while waiting:
        folder = Folder(waiting.pop())
        identity = _identity(folder.path)
        if identity is not None and identity in seen:  # a loop of links, or the destination
            continue
        seen.add(identity)
        try:
            yield from folder.read()
        except OSError as error:
            if folder.path == source:
                raise
            yield Failed(folder.path, error.with_traceback(None))
            continue
        below = [os.path.join(folder.path, name) for name in folder.below]
        waiting += reversed(below)
        yield folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: a source of that name will fail on its own
        return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
