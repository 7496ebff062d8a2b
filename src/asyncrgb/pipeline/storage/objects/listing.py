"""Lists of the objects below a prefix, page by page."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import StoreError
from asyncrgb.pipeline.outcomes import Stamp
from asyncrgb.pipeline.storage.listing import SOURCE_SUFFIXES
from asyncrgb.pipeline.storage.objects.faults import fault
from asyncrgb.pipeline.storage.objects.location import WEB

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from obstore import ObjectMeta

    from asyncrgb.pipeline.storage.objects.location import Location
    from asyncrgb.pipeline.storage.objects.stores import Store

_PAGE: Final = 1000  # as many as S3 lists at once
_SECOND: Final = 10**9
_UNLISTED: Final = (
    "the folders of a web server can be listed by WebDAV only, which this one does not do: name "
    "one file, which ends in .tif or .tiff"
)


class ObjectFolder:
    """TIFFs of one prefix, or some of them: a prefix comes as often as it has pages.

    Args:
        path: URL of the prefix.
        stamps: what is known of each.

    """

    def __init__(self, path: str, stamps: Mapping[str, Stamp]) -> None:
        self.path = path
        self.stamps = stamps

    @property
    def names(self) -> Collection[str]:
        """Give the names."""
        return self.stamps.keys()


def pages(store: Store, location: Location, size: int = _PAGE) -> Iterator[Sequence[ObjectMeta]]:
    """List what lies below a prefix.

    Raises:
        OSError: it cannot be listed.

    """
    with naming(location):
        yield from store.list(location.key or None, chunk_size=size)


def folders(store: Store, source: Location, apart: str | None) -> Iterator[ObjectFolder]:
    """Give the TIFFs below a prefix, in the order of their keys.

    Args:
        store: where they are.
        source: the prefix.
        apart: a prefix that is left out.

    Raises:
        OSError: they cannot be listed.

    """
    root = source._replace(key="").url
    for page in pages(store, source):
        wanted = (each for each in page if _is_wanted(each["path"], apart))
        for above, objects in groupby(wanted, lambda each: each["path"].rpartition("/")[0]):
            stamps = {
                each["path"].rpartition("/")[2]: Stamp(
                    nanoseconds(each["last_modified"]), each["size"]
                )
                for each in objects
            }
            yield ObjectFolder(f"{root}/{above}" if above else root, stamps)


def nanoseconds(moment: datetime) -> int:
    """Give a moment in nanoseconds since 1970."""
    return round(moment.timestamp() * 10**6) * (_SECOND // 10**6)


@contextmanager
def naming(location: Location) -> Iterator[None]:
    """Turn what obstore raises into errors that name the URL.

    Raises:
        OSError: instead.

    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - what is not of obstore comes out as it was
        raise fault(error, location.shown) from None


def _is_wanted(key: str, apart: str | None) -> bool:
    if not key.lower().endswith(SOURCE_SUFFIXES):
        return False
    return apart is None or not key.startswith(f"{apart}/")


def unlisted(location: Location, error: StoreError) -> StoreError:
    """Say of a web server that it makes no lists."""
    if location.scheme in WEB:
        return StoreError(error.errno, _UNLISTED, location.shown)
    return error
