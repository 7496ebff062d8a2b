"""One trial: images of the sample, converted for a while under given limits."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb import Converted, Converter, Failed, Job, write_samples
from asyncrgb.errors import AsyncRgbError
from asyncrgb.tuning.usage import tree_bytes, tree_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncrgb import Outcome, Trace
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.tuning.sample import Sample

_RAMP: Final = 0.4  # part of a trial in which readers may find their number
_PAUSE: Final = 0.0005  # seconds between two bursts of outcomes, at least
_LONG_BURST: Final = 0.02
_PATIENCE: Final = 4  # times as long as it should, where images are few and large


@dataclass(frozen=True, slots=True)
class Figures:
    """What a trial has shown.

    Attributes:
        rate: images a second, once it was under way.
        memory: bytes of all processes together at its end; None: the system does not tell.
        reads: mean number of reads in flight.
        renders: mean number of workers that render.
        writes: mean number of writes in flight.
        processors: mean number of processors that were at work for it.
        images: how many were converted.
        failed: how many could not be.
        written: bytes of the results.

    """

    rate: float
    memory: int | None = None
    reads: float = 0.0
    renders: float = 0.0
    writes: float = 0.0
    processors: float = 0.0
    images: int = 0
    failed: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What all trials have in common.

    Attributes:
        options: how to render.
        sample: where the files come from.
        seconds: how long a trial is.
        images: most images of it.
        warm_up: a TIFF, with which the workers start.
        wanted: asked again and again whether to go on.

    """

    options: RenderOptions
    sample: Sample
    seconds: float
    images: int
    warm_up: bytes
    wanted: Callable[[], bool]


def chip() -> bytes:
    """Make a chip for workers to start with; blocks."""
    with tempfile.TemporaryDirectory() as folder:
        (path,) = write_samples(os.path.join(folder, "chip"), 1)
        with open(path, "rb") as file:
            return file.read()


async def trial(terms: Terms, limits: Limits, folder: str) -> Figures:
    """Convert images of the sample into ``folder`` for a while; start-up is not counted.

    Raises:
        AsyncRgbError, OSError: no image could be converted; the error of the first.

    """
    async with Converter(terms.options, limits=limits.for_itself()) as converter:
        await _warmed_up(converter, terms.warm_up, limits)
        tally = _Tally(terms)
        outcomes = converter.convert_many(tally.jobs(folder), trace=True)
        async with aclosing(outcomes):
            async for outcome in outcomes:
                if not tally.goes_on_after(outcome):
                    break
        usage = tally.processors(), tree_bytes()
    await asyncio.to_thread(terms.sample.settle, limits.reads)
    return tally.figures(*usage)


async def _warmed_up(converter: Converter, tiff: bytes, limits: Limits) -> None:
    """Have each worker start and load what it needs; what comes of it does not matter."""
    with suppress(AsyncRgbError):
        count = 2 * limits.worker_count
        await asyncio.gather(*(converter.render(tiff) for _ in range(count)))


class _Totals(NamedTuple):
    """What has been done at a moment: images, and seconds of reading, rendering, writing."""

    time: float
    images: int = 0
    reading: float = 0.0
    rendering: float = 0.0
    writing: float = 0.0

    def plus(self, time: float, trace: Trace | None) -> _Totals:
        """Add one image; None: there is nothing to add."""
        if trace is None:
            return self._replace(time=time)
        return _Totals(
            time,
            self.images + 1,
            self.reading + trace.read_seconds,
            self.rendering + trace.render_seconds,
            self.writing + trace.write_seconds,
        )


class _Tally:
    """Adds up outcomes from when readers have found their number until the files run out.

    Outcomes come in bursts, and on slow storage few of them. So time is taken from the end of
    one burst to the end of another, else it would make a difference in which of them a trial
    begins or ends.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._ran_before = tree_seconds()
        self._began = self._burst = perf_counter()
        self._totals = _Totals(self._began)
        self._first: _Totals | None = None
        self._last: _Totals | None = None
        self._exhausted = False
        self._failed = self._written = 0
        self._error: Exception | None = None

    def jobs(self, folder: str) -> Iterator[Job]:
        """Give a job for each file to read."""
        for number, path in enumerate(self._terms.sample.fresh()):
            yield Job(path, os.path.join(folder, f"{number}.out"))
        self._exhausted = True

    def goes_on_after(self, outcome: Outcome) -> bool:
        """Take note of an outcome; tell whether there are to be more."""
        now, terms = perf_counter(), self._terms
        if now - self._totals.time > _PAUSE or now - self._burst > _LONG_BURST:
            self._burst = now
            self._mark()
        self._note(outcome, now)
        if self._totals.images >= terms.images or now - self._began >= terms.seconds:
            enough = self._last is not None or now - self._began > _PATIENCE * terms.seconds
            return terms.wanted() and not enough
        return terms.wanted()

    def _mark(self) -> None:
        """Let the time that counts begin or end here, between two bursts."""
        if self._totals.time - self._began < _RAMP * self._terms.seconds:
            return
        if self._first is None:
            self._first = self._totals
        elif not self._exhausted:
            self._last = self._totals

    def _note(self, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Failed):
            self._failed += 1
            self._error = self._error or outcome.error
        trace = outcome.trace if isinstance(outcome, Converted) else None
        self._totals = self._totals.plus(now, trace)
        self._written += trace.written_bytes if trace is not None else 0

    def processors(self) -> float:
        """Tell how many processors have been at work until now."""
        ran = tree_seconds() - self._ran_before
        return ran / max(1e-9, perf_counter() - self._began)

    def figures(self, processors: float, memory: int | None) -> Figures:
        """Sum up; the whole trial, start and end included, where it was over too soon.

        Raises:
            AsyncRgbError, OSError: nothing was converted; the error of the first image.

        """
        if not self._totals.images and self._error is not None:
            raise self._error
        first, last = self._first, self._last
        if first is None or last is None:
            first, last = _Totals(self._began), self._totals
        seconds, *done = (after - before for before, after in zip(first, last, strict=True))
        rate, reads, renders, writes = (each / max(1e-9, seconds) for each in done)
        return Figures(
            rate,
            memory,
            reads,
            renders,
            writes,
            processors,
            images=self._totals.images,
            failed=self._failed,
            written=self._written,
        )
