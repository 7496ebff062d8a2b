"""What this process and all that it has started take: memory, and time of processors."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Final

_PSS: Final = re.compile(rb"^Pss:\s*(\d+) kB", re.MULTILINE)
_PARENT, _USER = 1, 11  # places in the line of a process, after its name


def tree_bytes() -> int | None:
    """Add up the memory of this process and its descendants, in bytes; None: nobody tells.

    What is shared is divided among those who share it (PSS); where the system does not say
    that, it counts for each of them (RSS).
    """
    if not os.path.isdir("/proc/self"):
        return None
    return sum(map(_bytes_of, _family(os.getpid())))


def tree_seconds() -> float:
    """Add up the processor time of this process and its descendants that live; 0: nobody tells."""
    if not os.path.isdir("/proc/self"):
        return 0.0
    return sum(map(_seconds_of, _family(os.getpid())))


def _seconds_of(pid: int) -> float:
    with suppress(OSError, ValueError, IndexError):  # it has just ended
        user, system = _stat(pid)[_USER : _USER + 2]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _stat(pid: int) -> list[bytes]:
    """Give what follows the name of a process, which may hold anything, in its line."""
    status = _read(f"/proc/{pid}/stat")
    return status[status.rindex(b")") + 1 :].split()


def _family(root: int) -> list[int]:
    """List a process and all below it, its fork server's workers too."""
    below: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            below.setdefault(int(_stat(int(name))[_PARENT]), []).append(int(name))
    family = [root]
    for pid in family:
        family += below.get(pid, [])
    return family


def _bytes_of(pid: int) -> int:
    with suppress(OSError):
        found = _PSS.search(_read(f"/proc/{pid}/smaps_rollup"))
        if found is not None:
            return int(found[1]) * 1024
    with suppress(OSError, ValueError, IndexError):
        return int(_read(f"/proc/{pid}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
