"""Objects as the sources and outputs of the pipeline."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import StoreError
from asyncrgb.imaging.reading.refusals import OversizedError
from asyncrgb.pipeline.storage.listing import SOURCE_SUFFIXES
from asyncrgb.pipeline.storage.objects.faults import TRUNCATED
from asyncrgb.pipeline.storage.objects.listing import folders, naming, nanoseconds, pages, unlisted
from asyncrgb.pipeline.storage.objects.location import WEB, located
from asyncrgb.pipeline.storage.objects.ranges import ObjectSink, ObjectSource
from asyncrgb.pipeline.storage.objects.results import ObjectResults
from asyncrgb.pipeline.storage.objects.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import GetResult, ObjectMeta

    from asyncrgb.pipeline.memory.arena import Arena, Extent
    from asyncrgb.pipeline.storage.listing import Listed
    from asyncrgb.pipeline.storage.objects.location import Location
    from asyncrgb.pipeline.storage.objects.stores import Store
    from asyncrgb.pipeline.storage.storage import Kind

_AT_ONCE: Final = 2**20  # bytes; more comes in pieces


class ObjectStorage:
    """Object stores, of any provider; as ``Objects`` says.

    Raises:
        OptionsError: obstore is not installed.

    """

    def __init__(self) -> None:
        self._stores = Stores()

    def kind(self, path: str) -> Kind | None:
        """Tell what is there; as ``Storage`` says. A bucket that is there is a folder."""
        store, location = self._stores.at(path)
        if location.key.lower().endswith(SOURCE_SUFFIXES):  # hardly a folder
            there = self._object(store, location)
            return there if there or location.scheme in WEB else self._folder(store, location)
        return self._folder(store, location) or self._object(store, location)

    def modified(self, path: str) -> int:
        """Tell when an object was last changed; as ``Storage`` says."""
        return nanoseconds(_look(*self._stores.at(path))["last_modified"])

    def walk(self, source: str, destination: str) -> Iterator[Listed]:
        """List objects; as ``Storage`` says."""
        store, location = self._stores.at(source)
        apart = None
        if self.holds(destination, source) and not self.same(source, destination):
            apart = located(destination).key
        yield from folders(store, location, apart)

    def same(self, one: str, other: str) -> bool:
        """Compare two URLs; as ``Storage`` says."""
        return located(one) == located(other)

    def holds(self, folder: str, path: str) -> bool:
        """Look where a prefix lies; as ``Storage`` says."""
        if "://" not in folder:
            return False
        inner, outer = located(folder), located(path)
        there = f"{inner.key}/".startswith(f"{outer.key}/" if outer.key else "")
        return inner[:2] == outer[:2] and there

    def writable(self, path: str) -> bool:
        """Tell whether anything can be written there; as ``Storage`` says."""
        return located(path).scheme not in WEB

    def foreign(self, path: str) -> bool:  # noqa: ARG002 - to look at each takes too long
        """Tell whose picture lies there; as ``Storage`` says."""
        return False

    def results(self, folder: str) -> ObjectResults:
        """Give what is to be known of a prefix; as ``Storage`` says."""
        return ObjectResults(*self._stores.at(folder))

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Write one object; as ``Storage`` says."""
        store, location = self._stores.at(path)
        with naming(location):
            store.put(location.key, bytes(data))

    async def fetch_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        """Read one object; as ``Objects`` says. Its size comes with the answer."""
        store, location = self._stores.at(path)
        with naming(location):
            found = await store.get_async(location.key)
            size = found.meta["size"]
            if size > arena.share:
                raise OversizedError
            extent = arena.lease(size)
            if extent is None:
                return None
            try:
                await _pour(found, arena.view(extent, size), location)
            except BaseException:
                arena.give_back(extent)
                raise
            return extent, size

    async def put(self, path: str, data: bytes | memoryview) -> None:
        """Write one object; as ``Objects`` says."""
        store, location = self._stores.at(path)
        # a copy: what is under way may outlive the room that the picture has
        with naming(location):
            await store.put_async(location.key, bytes(data))

    def open(self, path: str) -> ObjectSource:
        """Open an object; as ``Storage`` says."""
        store, location = self._stores.at(path)
        return ObjectSource(store, location, lambda: _look(store, location))

    def create(self, path: str) -> ObjectSink:
        """Begin an object; as ``Storage`` says."""
        return ObjectSink(*self._stores.at(path))

    def _folder(self, store: Store, location: Location) -> Kind | None:
        try:
            there = any(pages(store, location, 1))
        except StoreError as error:
            raise unlisted(location, error) from None
        return "folder" if there or not location.key else None

    def _object(self, store: Store, location: Location) -> Kind | None:
        try:
            _look(store, location)
        except StoreError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return "file"


def _look(store: Store, location: Location) -> ObjectMeta:
    """Ask for what there is to know of an object.

    On the web that is the answer to a request for the object, of which no more is read: an
    address that is signed is good for nothing else.
    """
    with naming(location):
        if location.scheme in WEB:
            return store.get(location.key).meta
        return store.head(location.key)


async def _pour(found: GetResult, view: memoryview, location: Location) -> None:
    """Put the body of an answer into its place, and see that it is whole."""
    filled = 0
    if len(view) <= _AT_ONCE:
        data = await found.bytes_async()
        filled = len(data)
        if filled == len(view):
            view[:] = data
    else:
        async for piece in found.stream(_AT_ONCE):
            end = filled + len(piece)
            view[filled:end] = piece
            filled = end
    if filled != len(view):
        raise StoreError(errno.EIO, TRUNCATED, location.shown)
