"""Files that are seen whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole(path: str) -> Iterator[str]:
    """Give the name under which to write a file; at the end it is put in its place.

    Raises:
        OSError: that fails, or what is done meanwhile; it names ``path``, and nothing is left.

    """
    folder, name = os.path.split(os.path.abspath(path))
    unfinished = os.path.join(folder, f".{name}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException as error:
        with suppress(OSError):  # what went wrong is known already
            os.unlink(unfinished)
        if isinstance(error, OSError):
            error.filename, error.filename2 = path, None
        raise
