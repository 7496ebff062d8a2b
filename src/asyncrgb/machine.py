"""What this process may use of the machine: processors and memory.

A container shows the processors and the memory of the whole machine, and grants a part of
them: by control groups, of the first version or the second, the process's own and all those
above it. Who goes by the machine's numbers starts a hundred workers on the time of two
processors, or is killed for memory that it never had.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Controller = Literal["cpu", "memory"]

_UNKNOWN: Final = sys.maxsize  # more than any limit
_MANY: Final = 2**20  # processors that nobody has


def processors(root: str = "/") -> int:
    """Count the processors this process may keep busy: those of its affinity, and its quotas.

    A quota of one and a half is two: what is left over is used up by the waits of both.

    Args:
        root: the folder in which ``proc`` and ``sys`` are.

    """
    quotas = (_quota(root, group) for group in _groups(root, "cpu"))
    return max(1, min([_affinity(), *quotas]))


def memory(root: str = "/") -> int:
    """Tell how many bytes of memory this process may use, with what it uses already.

    Args:
        root: the folder in which ``proc`` and ``sys`` are.

    """
    limits = (_memory_limit(root, group) for group in _groups(root, "memory"))
    return min([_physical_memory(root), *limits])


class Granted(NamedTuple):
    """What this process may use.

    Attributes:
        affinity: processors on which it may run.
        quota: processors that it may keep busy, rounded up; None: no control group limits that.
        memory: bytes.

    """

    affinity: int
    quota: int | None
    memory: int


def granted(root: str = "/") -> Granted:
    """Tell what ``processors`` and ``memory`` follow from.

    Args:
        root: the folder in which ``proc`` and ``sys`` are.

    """
    quota = min((_quota(root, group) for group in _groups(root, "cpu")), default=_UNKNOWN)
    return Granted(_affinity(), quota if quota < _MANY else None, memory(root))


class _Group(NamedTuple):
    """A control group: its folder, and the version of the words in it."""

    folder: str
    version: Literal[1, 2]


class _Mount(NamedTuple):
    """A tree of control groups: which group is mounted, where, what with (None: version two)."""

    top: str
    place: str
    controllers: frozenset[str] | None


def _groups(root: str, controller: Controller) -> Iterator[_Group]:
    """Give the groups that this process is in for a controller, from its own one upwards."""
    own = _own_groups(root)
    for mount in _mounts(root):
        if mount.controllers is None and "" in own:
            yield from (_Group(folder, 2) for folder in _upwards(mount, own[""]))
        elif controller in own and controller in (mount.controllers or ()):
            yield from (_Group(folder, 1) for folder in _upwards(mount, own[controller]))


def _upwards(mount: _Mount, group: str) -> Iterator[str]:
    """Give the folders of ``group`` and those above it, as far as they are mounted.

    A container may have its group mounted as the top of all, and yet be told the whole path
    of it, or the other way about: then the top is what is closest.
    """
    top = mount.top.rstrip("/")
    inside = (group + "/").startswith(top + "/") and ".." not in group.split("/")
    names = [name for name in group[len(top) :].split("/") if name] if inside else []
    for count in range(len(names), -1, -1):
        yield "/".join([mount.place, *names[:count]])


def _own_groups(root: str) -> dict[str, str]:
    """Give the group of this process for each controller; that of version two is under ""."""
    groups = {}
    for line in _read(root, "proc/self/cgroup").splitlines():
        number, controllers, group = line.split(":", 2)
        for name in [""] if number == "0" else controllers.split(","):
            groups[name] = group
    return groups


def _mounts(root: str) -> Iterator[_Mount]:
    """Find where the trees of groups are mounted: systems differ."""
    for line in _read(root, "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, *_, options = right.split(" ")
        if kind in ("cgroup", "cgroup2"):
            top, place = map(_unescaped, left.split(" ")[3:5])
            yield _Mount(top, place, None if kind == "cgroup2" else frozenset(options.split(",")))


def _unescaped(path: str) -> str:
    r"""Read a path as ``mountinfo`` writes it, with ``\040`` for a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _quota(root: str, group: _Group) -> int:
    """Give the quota of a group, in processors."""
    if group.version == 1:
        quota = _read(root, f"{group.folder}/cpu.cfs_quota_us")
        period = _read(root, f"{group.folder}/cpu.cfs_period_us")
    else:
        quota, _, period = _read(root, f"{group.folder}/cpu.max").partition(" ")
    each = _number(period)
    return -(-_number(quota) // each) if each != _UNKNOWN else _UNKNOWN


def _memory_limit(root: str, group: _Group) -> int:
    name = "memory.max" if group.version == 2 else "memory.limit_in_bytes"  # noqa: PLR2004 - its name
    return _number(_read(root, f"{group.folder}/{name}"))


def _physical_memory(root: str) -> int:
    found = re.search(r"^MemTotal:\s*(\d+) kB$", _read(root, "proc/meminfo"), re.MULTILINE)
    if found is not None:
        return int(found[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return _UNKNOWN


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _number(text: str) -> int:
    """Read a limit; "max" and -1 say that there is none, and so does a file that is not there."""
    return int(text) if text.strip().isdecimal() and int(text) else _UNKNOWN


def _read(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path.lstrip("/")), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
