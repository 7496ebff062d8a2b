"""A disk that is too small for the results, and then is not any more."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from torturing import looking
from torturing.bench import Row
from torturing.command import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torturing.bench import Bench

_PAGE: Final = 4096
_REMEDY: Final = "free some space"
_SHARES: Final = (0.01, 0.95)  # of what the results take


class MountError(Exception):
    """No file system can be mounted here."""


def run(bench: Bench) -> Row:
    """Fill disks of all sizes, enlarge them, and go on."""
    row, draw = Row("full disk"), bench.random("full disk")
    need = sum(_pages(len(data)) for data in bench.undisturbed().tree.values())
    row.remarks = f"the results take {need / 2**20:.1f} MiB"
    for number in range(bench.tries):
        size = _pages(int(need * draw.uniform(*_SHARES)))
        try:
            with _mounted(bench.work / "disk", size) as disk:
                row.tries += 1
                _fill(bench, row, disk, f"try {number}, {size} bytes")
                _mount("remount,size=100%", disk)
                _go_on(bench, row, disk, f"try {number}, rerun")
        except MountError as error:
            row.remarks = f"skipped: {error}"
            break
    return row


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def _fill(bench: Bench, row: Row, disk: Path, where: str) -> None:
    with started(bench.source(), disk / "out", "--quiet") as its:
        code = its.finish(bench.patience)
        row.orphaned += its.orphans()
        if code != 1 or _REMEDY not in its.said():
            row.lose(where, f"exit code {code}: {its.said() or 'nothing was said'}")
    out = disk / "out"
    row.lose(where, *looking.faults(out, bench.undisturbed().tree), *looking.debris(out))


def _go_on(bench: Bench, row: Row, disk: Path, where: str) -> None:
    with started(bench.source(), disk / "out", "--quiet") as its:
        code = its.finish(bench.patience)
        row.orphaned += its.orphans()
        if code != 0:
            row.lose(where, f"exit code {code}: {its.said()}")
    row.lose(where, *looking.differences(disk / "out", bench.undisturbed().tree))


@contextmanager
def _mounted(point: Path, size: int) -> Iterator[Path]:
    point.mkdir(exist_ok=True)
    if os.geteuid():
        raise MountError("only root can mount")
    _mount(f"size={size}", point)
    try:
        yield point
    finally:
        _call("umount", "-l", str(point))


def _mount(options: str, point: Path) -> None:
    _call("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point))


def _call(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise MountError(f"there is no {program}")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise MountError(done.stderr.strip())
