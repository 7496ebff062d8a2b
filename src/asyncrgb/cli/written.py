"""Files that a command writes as a whole: statistics, settings, insight."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from secrets import token_hex


def write_text(path: str, text: str | None) -> None:
    """Write a file that is seen whole or not at all; None: only find out whether that can be.

    What is no file, such as a device or a pipe, is written to as it is; of a link, the file that it
    leads to is replaced.

    Raises:
        OSError: it cannot be written.

    """
    try:
        if _is_file(path):
            _replace(os.path.realpath(path), text)
        elif text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        elif not os.access(path, os.W_OK):  # who reads a pipe sees its end if it is opened to try
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        error.filename, error.filename2 = path, None  # the name that means something
        raise


def _is_file(path: str) -> bool:
    """Tell whether there is a file, or can be one; raises IsADirectoryError."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def _replace(path: str, text: str | None) -> None:
    temporary = os.path.join(os.path.dirname(path), f".asyncrgb-{os.getpid()}-{token_hex(4)}")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text or "")
        if text is not None:
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # it is not there any more, or what went wrong is known already
            os.unlink(temporary)
