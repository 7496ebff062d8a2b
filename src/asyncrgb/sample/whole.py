"""Files that are seen whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from errno import EEXIST
from filecmp import cmp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole(path: str, *, replace: bool = True) -> Iterator[str]:
    """Give the name under which to write a file; at the end it is put in its place.

    Args:
        path: its place.
        replace: whether it may take that of a file with something else in it.

    Raises:
        FileExistsError: it may not.
        OSError: that fails, or what is done meanwhile; it names ``path``, and nothing is left.

    """
    folder, name = os.path.split(os.path.abspath(path))
    unfinished = os.path.join(folder, f".{name}.part")
    try:
        yield unfinished
        if not replace:
            _check_same(unfinished, path)
        os.replace(unfinished, path)
    except BaseException as error:
        with suppress(OSError):  # what went wrong is known already
            os.unlink(unfinished)
        if isinstance(error, OSError):
            error.filename, error.filename2 = path, None
        raise


def _check_same(unfinished: str, path: str) -> None:
    if os.path.exists(path) and not cmp(unfinished, path, shallow=False):
        raise FileExistsError(EEXIST, "something else is there", path)
