"""One whole file, wherever it is."""

from __future__ import annotations

import os

from asyncrgb.pipeline.storage.places import Places


def fetch(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file, or an object by its URL; blocks.

    Args:
        path: of the file, or the URL.

    Raises:
        OSError: it cannot be read; of a store, a ``StoreError``.
        OptionsError: it is a URL, and what that needs is not installed.

    """
    name = os.fsdecode(path)
    source = Places().of(name).open(name)
    try:
        data = bytearray(source.size)
        if data:
            source.read_into(memoryview(data), [(0, source.size)])
        return bytes(data)
    finally:
        source.close()
