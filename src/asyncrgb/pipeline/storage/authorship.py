"""Whether a picture that is there was made by asyncrgb: others are not replaced unasked.

Written by hand, for PNG and TIFF as asyncrgb writes them: a library that reads all TIFFs would take
longer to load than a thousand pictures take to be made, and whatever it reads here may be hostile.
"""

from __future__ import annotations

import os
import stat
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.pipeline.storage.files import READ_FLAGS

if TYPE_CHECKING:
    from io import FileIO

_PNG: Final = b"\x89PNG"
_PNG_MARK: Final = b"tEXtSoftware\0asyncrgb"
_TIFF_MARK: Final = b"asyncrgb\0"
_SOFTWARE: Final = 305  # the tag
_LOOK: Final = 128  # bytes in which asyncrgb's own PNGs say so
_MOST_ENTRIES: Final = 64


class _Kind(NamedTuple):
    """How a TIFF is laid out."""

    first: str  # where its directory begins, in the head
    place: int  # of that
    number: str  # of entries
    entry: str  # tag, and where its value is


_TIFFS: Final = {
    b"II*\0": _Kind("<I", 4, "<H", "<HxxxxxxI"),
    b"II+\0": _Kind("<Q", 8, "<Q", "<HxxxxxxxxxxQ"),
}
_OF_OTHERS: Final = frozenset({b"MM\0*", b"MM\0+"})


def is_foreign(path: str) -> bool:
    """Tell whether a PNG or TIFF lies there that asyncrgb has not made."""
    try:
        with closing(os.fdopen(os.open(path, READ_FLAGS), "rb", buffering=0)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            head = file.read(_LOOK)
            if head[:4] == _PNG:
                return _PNG_MARK not in head
            kind = _TIFFS.get(head[:4])
            return head[:4] in _OF_OTHERS if kind is None else not _says_so(file, head, kind)
    except OSError:  # whoever is to write there finds out what is wrong
        return False


def _says_so(file: FileIO, head: bytes, kind: _Kind) -> bool:
    """Tell whether a TIFF says that asyncrgb wrote it."""
    try:
        (start,) = struct.unpack_from(kind.first, head, kind.place)
        size = struct.calcsize(kind.number)
        (count,) = struct.unpack(kind.number, _bytes_at(file, start, size))
        count = min(count, _MOST_ENTRIES)
        entries = _bytes_at(file, start + size, count * struct.calcsize(kind.entry))
        tags = dict(struct.iter_unpack(kind.entry, entries))
        return _bytes_at(file, tags.get(_SOFTWARE, 0), len(_TIFF_MARK)) == _TIFF_MARK
    except (struct.error, OverflowError, ValueError):  # cut, or no directory of ours
        return False


def _bytes_at(file: FileIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)
