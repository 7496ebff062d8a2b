"""Files that a command writes as a whole: statistics, settings."""

from __future__ import annotations

import errno
import os
from contextlib import suppress


def write_text(path: str, text: str | None) -> None:
    """Write a file that is seen whole or not at all; None: only find out whether that can be.

    Raises:
        OSError: it cannot be written.

    """
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    temporary = os.path.join(os.path.dirname(path), f".asyncrgb-{os.getpid()}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text or "")
        if text is not None:
            os.replace(temporary, path)
    except OSError as error:
        error.filename, error.filename2 = path, None  # the name that means something
        raise
    finally:
        with suppress(OSError):  # it is not there any more, or what went wrong is known already
            os.unlink(temporary)
