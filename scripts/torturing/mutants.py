"""Damaged TIFFs: each gives a picture or an error, in time and in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, repeat
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psutil

from asyncrgb import (
    AsyncRgbError,
    Converter,
    Limits,
    PercentileStretch,
    RenderOptions,
    RenderTimeoutError,
    WorkerCrashError,
)
from torturing import damage
from torturing.bench import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torturing.bench import Bench

_SECONDS: Final = 5
_HANGS: Final = 60.0  # whatever the limit of time says
_AT_ONCE: Final = 4
_MOST_BYTES: Final = 2**30
_SAMPLE_SECONDS: Final = 0.05
_CAREFUL: Final = Limits(timeout=_SECONDS, workers=2)
_RECKLESS: Final = Limits(
    timeout=_SECONDS, workers=2, max_pixels=0, max_bands=0, max_expansion=0, worker_memory=2**26
)
_OPTIONS: Final = (
    RenderOptions(),
    RenderOptions(stretch=PercentileStretch(2, 98)),
    RenderOptions(bands=(1,)),
    RenderOptions(bands=(1, 2, 3), alpha=True),
)
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_END: Final = b"IEND\xaeB`\x82"


class _Mutant(NamedTuple):
    """A file, its name, and how to render it."""

    name: str
    data: bytes
    options: RenderOptions


@dataclass(slots=True)
class _Findings:
    """What came of the mutants."""

    row: Row
    keep: Path | None
    kinds: Counter[str] = field(default_factory=Counter)
    slow: list[_Mutant] = field(default_factory=list)
    slowest: float = 0.0

    def lose(self, mutant: _Mutant, what: str) -> None:
        """Note what is wrong, and keep the file."""
        self.row.lose(mutant.name, f"{what} ({mutant.options})")
        if self.keep is not None:
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / f"{mutant.name}.tif").write_bytes(mutant.data)


def run(bench: Bench) -> Row:
    """Render mutants with the usual limits, and bombs with these and with next to none."""
    found = _Findings(Row("damaged files"), bench.keep)
    memory = _Memory()
    with memory.sampled():
        asyncio.run(_render(chain(_mutants(bench), _bombs("bomb")), _CAREFUL, found))
        asyncio.run(_render(_bombs("unlimited-bomb"), _RECKLESS, found))
    peak = f"peak {memory.peak / 2**20:.0f} MiB"
    if memory.peak > _MOST_BYTES:
        found.row.lose("all", peak)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.kinds.most_common())
    found.row.remarks = f"{kinds}; slowest {found.slowest:.2f} s; {peak}"
    return found.row


def _mutants(bench: Bench) -> Iterator[_Mutant]:
    chips = damage.originals(bench.work / "originals")
    for number in range(bench.mutants):
        draw = Random(f"{bench.seed} {number}")  # noqa: S311 - to be repeatable, each by itself
        data = damage.mutant(chips, draw)
        yield _Mutant(f"mutant-{bench.seed}-{number}", data, draw.choice(_OPTIONS))


def _bombs(name: str) -> Iterator[_Mutant]:
    for number, (data, options) in enumerate(
        zip(damage.bombs(), repeat(_OPTIONS[2]), strict=False)
    ):
        yield _Mutant(f"{name}-{number}", data, options)


async def _render(mutants: Iterator[_Mutant], limits: Limits, found: _Findings) -> None:
    """Render some at once; what is slow once more by itself, as it may have had to wait."""
    async with Converter(limits=limits) as converter:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(_take(converter, mutants, found))
        slow, found.slow = found.slow, []
        for mutant in slow:
            await _one(converter, mutant, found)
        for mutant in found.slow:
            found.lose(mutant, f"it took more than {_SECONDS} s")
        found.slow = []


async def _take(converter: Converter, mutants: Iterator[_Mutant], found: _Findings) -> None:
    for mutant in mutants:
        found.row.tries += 1
        kind, took = await _one(converter, mutant, found)
        found.kinds[kind] += 1
        found.slowest = max(found.slowest, took)


async def _one(converter: Converter, mutant: _Mutant, found: _Findings) -> tuple[str, float]:
    """Render one; return what came of it, and the seconds."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(_HANGS):
            picture = await converter.render(mutant.data, mutant.options)
        kind = "pictures"
        if not (picture.startswith(_PNG) and picture.endswith(_END)):
            found.lose(mutant, "what came out is no picture")
    except Exception as error:  # noqa: BLE001 - which are allowed is what is asked here
        kind = type(error).__name__
        if not isinstance(error, AsyncRgbError) or isinstance(error, WorkerCrashError):
            found.lose(mutant, f"{kind}: {error}")
    took = time.monotonic() - began
    if took > _SECONDS or kind == RenderTimeoutError.__name__:
        found.slow.append(mutant)
    return kind, took


class _Memory:
    """What this process and all below it take up; shared memory counts once.

    Attributes:
        peak: most bytes, besides those that were there before.

    """

    def __init__(self) -> None:
        self.peak = 0
        self._before = _tree_bytes()

    @contextlib.contextmanager
    def sampled(self) -> Iterator[None]:
        """Look at it again and again meanwhile."""
        over = threading.Event()
        thread = threading.Thread(target=self._sample, args=[over], daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _sample(self, over: threading.Event) -> None:
        while not over.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, _tree_bytes() - self._before)


def _tree_bytes() -> int:
    root, total = psutil.Process(), 0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            info: Any = process.memory_full_info()
            total += getattr(info, "pss", 0)
    return total
