"""The files that trials read: some of the user's own, and how the system's cache treats them.

A file that has been read lies in the system's memory, and is read again from there, unless the
storage is of a kind that keeps nothing. If files that were read before came up in later
trials, those would look better. So it is found out once what a second read is worth, and
whether the system lets go of a file when it is asked to.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import cycle, islice
from statistics import median
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb import Converter, Pending
from asyncrgb.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncrgb import Outcome
    from asyncrgb.options import RenderOptions

MOST: Final = 20_000  # files of a sample
_FEW: Final = 1_000  # files that could be dropped and read again in one trial
_FAVOURED: Final = 1.5  # times as fast: more than noise
_SET: Final = 1_500  # files that are read twice to see what the cache does
_BLOCK: Final = 2**20
_ROUNDS: Final = 2


class Cache(Enum):
    """How trials deal with what the system keeps of files that have been read."""

    EQUAL = "reading again is no faster: the system's cache takes no part"
    DROPPED = "the system's cache is emptied of each file before it is read again (posix_fadvise)"
    WARM = (
        "the cache cannot be emptied, or there are too few files: all are measured "
        "from the cache, and the first run may be slower"
    )


@dataclass(frozen=True, slots=True)
class Rates:
    """What plain threads read that do nothing else, in files a second.

    Attributes:
        threads: how many.
        first: the files as they were found.
        again: right after that.
        dropped: after the system was asked to let go of them.

    """

    threads: int
    first: float
    again: float
    dropped: float


class Disk:
    """How files are read where there is nothing else to do with them; called on threads."""

    def read(self, path: str) -> None:
        """Read a file to its end."""
        with suppress(OSError):  # the trials find out what is wrong with it
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                while os.read(fd, _BLOCK):
                    pass
            finally:
                os.close(fd)

    def drop(self, path: str) -> None:
        """Ask the system to let go of what it keeps of a file."""
        if not hasattr(os, "posix_fadvise"):
            return
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)


class Sample:
    """Files to be read in turn, as many trials as there are.

    Args:
        paths: the files.
        total: how many there are of which these are some.
        wanted: asked again and again whether to go on; on any thread.
        disk: where they lie.

    Attributes:
        cache: how trials deal with the cache; set by ``probe``.

    """

    def __init__(
        self,
        paths: Sequence[str],
        total: int,
        wanted: Callable[[], bool] = lambda: True,
        disk: Disk | None = None,
    ) -> None:
        self.paths = list(paths)
        self.total = total
        self.cache = Cache.EQUAL
        self._wanted = wanted
        self._disk = disk or Disk()
        self._at = 0
        self._used = 0

    def __len__(self) -> int:
        """Count the files."""
        return len(self.paths)

    def fresh(self) -> Iterator[str]:
        """Give files, those first that have not been read for longest.

        Endless, unless the cache has to be emptied: then each file comes once.
        """
        self._used = 0
        ends = len(self.paths) if self.cache is Cache.DROPPED else None
        start = self._at
        for path in islice(cycle(self.paths), start, None if ends is None else start + ends):
            self._used += 1
            self._at = (self._at + 1) % len(self.paths)
            yield path

    def settle(self, threads: int) -> None:
        """Make the files that were given last as good as never read, if that has to be; blocks."""
        if self.cache is not Cache.DROPPED:
            return
        count = min(self._used, len(self.paths))
        last = [self.paths[self._at - 1 - index] for index in range(count)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._disk.drop, last))

    def probe(self, threads: int, seconds: float) -> Rates:
        """Find out what the cache does, and settle how trials deal with it; blocks.

        Args:
            threads: that read at once.
            seconds: what it may take, roughly.

        """
        rounds = [self._probed(number, threads, seconds / _ROUNDS) for number in range(_ROUNDS)]
        emptied = all(again > _FAVOURED * dropped for _, again, dropped in rounds)
        if emptied and len(self) >= _FEW:
            self.cache = Cache.DROPPED
        elif emptied or all(again > _FAVOURED * first for first, again, _ in rounds):
            self.cache = Cache.WARM
            self._keep_warm(threads, seconds)
        return Rates(threads, *(median(rates) for rates in zip(*rounds, strict=True)))

    def _probed(self, number: int, threads: int, seconds: float) -> tuple[float, float, float]:
        start = number * _SET if len(self) >= (number + 1) * _SET else 0
        paths = self.paths[start : start + _SET]
        count, first = self._read(iter(paths), threads, seconds / 3)
        paths = paths[:count]
        _, again = self._read(iter(paths), threads, seconds / 3)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._disk.drop, paths))
        return first, again, self._read(iter(paths), threads, seconds / 3)[1]

    def _keep_warm(self, threads: int, seconds: float) -> None:
        """Go on with as many files as can be read in that time."""
        count, _ = self._read(iter(self.paths[:_SET]), threads, seconds)
        self.paths = self.paths[: max(1, count)]
        self._at = 0

    def ceiling(self, threads: int, seconds: float) -> float:
        """Tell how many files a second plain threads read that do nothing else; blocks."""
        _, rate = self._read(self.fresh(), threads, seconds)
        self.settle(threads)
        return rate

    def _read(self, paths: Iterator[str], threads: int, seconds: float) -> tuple[int, float]:
        """Read files with plain threads till time is up; give how many, and that a second."""
        claiming, counts = Lock(), [0] * threads
        began = perf_counter()

        def read(number: int) -> None:
            while perf_counter() - began < seconds and self._wanted():
                with claiming:
                    path = next(paths, None)
                if path is None:
                    return
                self._disk.read(path)
                counts[number] += 1

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(read, range(threads)))
        return sum(counts), sum(counts) / max(1e-9, perf_counter() - began)


async def find_sample(
    source: str,
    destination: str,
    options: RenderOptions,
    *,
    seconds: float,
    wanted: Callable[[], bool],
) -> Sample:
    """Choose files evenly from all that a conversion would read, or from the first of them.

    Args:
        source: as of ``convert``.
        destination: the same; nothing is written.
        options: what to render.
        seconds: after which no more folders are listed.
        wanted: asked again and again whether to go on.

    Raises:
        OptionsError: ``source`` holds no TIFF that can be converted.
        OSError: it cannot be read.

    """
    until = perf_counter() + seconds

    def look(_: Outcome) -> None:
        if perf_counter() > until or not wanted():
            converter.drain()

    async with Converter(options) as converter:
        report = await converter.convert(
            source, destination, layout="tree", force=True, dry_run=True, on_outcome=look
        )
    found = [each.source for each in report.outcomes if isinstance(each, Pending)]
    if not found and not report.stopped:
        raise OptionsError(f"{source}: none of its files can be converted: check the path")
    step = max(1, -(-len(found) // MOST))
    return Sample(found[::step], len(found), wanted)
