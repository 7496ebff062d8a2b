"""A prefix of results as a whole: its record, and how old what lies there is."""

from __future__ import annotations

from contextlib import suppress
from errno import ENOENT
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.storage.objects.listing import naming, nanoseconds, pages
from asyncrgb.pipeline.storage.objects.location import located
from asyncrgb.pipeline.storage.results import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncrgb.pipeline.storage.objects.location import Location
    from asyncrgb.pipeline.storage.objects.stores import Store

# Stores tell times in whole seconds.
_TICK: Final = 1.0
_SECOND: Final = 10**9


class ObjectResults:
    """The results below a prefix.

    Objects are there whole or not at all, so runs leave nothing behind, and need not know of each
    other. All that is there is listed once, when the first result is asked for.

    Args:
        store: where it is.
        location: the prefix.

    """

    def __init__(self, store: Store, location: Location) -> None:
        self._store = store
        self._location = location
        key = f"{location.key}/{RECORD}" if location.key else RECORD
        self._record = location._replace(key=key)
        self._stamps: dict[str, int] | None = None
        self._unlisted: OSError | None = None
        self._listing = Lock()

    def enter(self) -> None:
        """Do nothing: there are no folders to make."""

    def sweep(self) -> Iterator[None]:
        """Do nothing: nothing is left behind."""
        return iter(())

    def leave(self) -> None:
        """Do nothing."""

    def record(self) -> str | None:
        """Read the record; as ``Results`` says."""
        try:
            with naming(self._record):
                return bytes(self._store.get(self._record.key).bytes()).decode()
        except UnicodeDecodeError:
            return None
        except OSError as error:
            if _is_absent(error):
                return None
            raise

    def moment(self) -> int | None:
        """Tell how old the record is; as ``Results`` says."""
        try:
            with naming(self._record):
                return nanoseconds(self._store.head(self._record.key)["last_modified"])
        except OSError as error:
            if _is_absent(error):
                return None
            raise

    def occupied(self) -> bool:
        """Tell whether others' pictures may be replaced; here, nobody looks at them."""
        return False

    def keep(self, text: str) -> int:
        """Write the record; as ``Results`` says.

        A record of other options is replaced only when the clock of the store has moved on, so
        that no result made with those looks as young as the new record.
        """
        if self.moment() is not None:
            sleep(_TICK)
        with naming(self._record):
            self._store.put(self._record.key, text.encode())
        return self.moment() or 0

    def forget(self) -> None:
        """Remove the record; as ``Results`` says."""
        with suppress(OSError), naming(self._record):
            self._store.delete(self._record.key)

    def modified(self, path: str) -> int | None:
        """Look a result up in the list; as ``Results`` says."""
        with self._listing:
            if self._stamps is None and self._unlisted is None:
                self._list()
        if self._unlisted is not None:  # once is enough: what is not known is made again
            raise self._unlisted
        return (self._stamps or {}).get(located(path).key)

    def _list(self) -> None:
        try:
            self._stamps = {
                each["path"]: _latest(nanoseconds(each["last_modified"]))
                for page in pages(self._store, self._location)
                for each in page
            }
        except OSError as error:
            self._unlisted = error


def _is_absent(error: OSError) -> bool:
    return error.errno == ENOENT


def _latest(stamp: int) -> int:
    """Give the latest moment that a time in whole seconds may stand for."""
    return stamp if stamp % _SECOND else stamp + _SECOND - 1
