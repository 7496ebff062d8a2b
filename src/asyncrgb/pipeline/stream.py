"""Jobs on their way into the pipeline, outcomes on their way out."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.outcomes import Converted, Failed, Job, Trace
from asyncrgb.pipeline.task import Task
from asyncrgb.pipeline.workers.orders import Rich
from asyncrgb.pipeline.workers.timing import Clocked, Timed
from asyncrgb.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncrgb.exposure import Exposure
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.folders.plan import Planned
    from asyncrgb.pipeline.outcomes import Outcome
    from asyncrgb.pipeline.workers.orders import Measure
    from asyncrgb.pipeline.workers.timing import Picture


# The lines of a stream: its jobs by what their sources are.
FILES: Final = 0
OBJECTS: Final = 1


class Times:
    """Where the time of one job goes.

    Attributes:
        begun: when it was taken up; 0: it has not been.
        read_bytes, written_bytes: of its files.
        read, render, write: seconds spent on that.

    """

    __slots__ = ("begun", "read", "read_bytes", "render", "write", "written_bytes")

    def __init__(self) -> None:
        self.begun = 0.0
        self.read_bytes = self.written_bytes = 0
        self.read = self.render = self.write = 0.0

    def trace(self) -> Trace:
        """Sum up: what was not spent on anything was spent on waiting."""
        busy = self.read + self.render + self.write
        wait = max(0.0, perf_counter() - self.begun - busy) if self.begun else 0.0
        return Trace(self.read_bytes, self.written_bytes, self.read, wait, self.render, self.write)


class FileTask(Task):
    """A job of a stream: from a file to a file.

    Attributes:
        index: its place in the input of its stream.
        output: the picture where it does not fit ``extent``.
        worldfile: the text of its world file, if there is to be one.
        exposure: how the picture came out, if that was looked at.
        times: where the time goes, if that was asked.
        outcome: what became of it, as soon as there is nothing more to do.

    """

    output: bytes | None = None
    worldfile: str | None = None
    exposure: Exposure | None = None
    times: Times | None = None
    outcome: Outcome | None = None

    def __init__(self, stream: Stream, index: int, job: Job) -> None:
        self.action = stream.action if job.options is None else stream.doing(job.options)
        self.stream = stream
        self.index = index
        self.job = job
        if stream.trace:
            self.times = Times()

    def settle(self, outcome: Outcome) -> None:
        """Take note of what became of it, and of where the time went."""
        if self.times is not None and isinstance(outcome, (Converted, Failed)):
            outcome = replace(outcome, trace=self.times.trace())
        self.outcome = outcome

    def unpack(self, picture: Picture) -> int | Exception:
        """Take what there is to say about a picture; give its length, or the error."""
        if isinstance(picture, Clocked):
            if self.times is not None:
                self.times.render += picture.seconds
            picture = picture.result
        if isinstance(picture, Rich):
            length, self.output, self.worldfile, self.exposure, _ = picture
            return length
        return picture

    @property
    def wanted(self) -> bool:
        """Whether its stream goes on."""
        return not self.stream.cancelled


class Stream:
    """One caller's jobs.

    Args:
        deliver: called with the place in the input and the outcome, as each job ends.
        action: what to do with images whose job does not say; None: as the Converter says.
        absorb: takes the statistics of images that are measured, a batch at a time.
        enough: number of jobs in line from which on no more are wanted.
        trace: whether outcomes are to say where the time went.
        folder: that is brought up to date; None: the jobs may lead anywhere.

    Attributes:
        lines: the jobs that have not been begun, those of files and those of objects.

    """

    def __init__(  # noqa: PLR0913 - each option stands for itself
        self,
        deliver: Callable[[int, Outcome], None],
        *,
        enough: int = 1024,
        action: RenderOptions | Measure | Timed | None = None,
        absorb: Callable[[Statistics], None] | None = None,
        trace: bool = False,
        folder: str | None = None,
    ) -> None:
        self.action = action
        self.absorb = absorb
        self.enough = enough
        self.folder = folder
        self.lines: tuple[deque[FileTask], deque[FileTask]] = (deque(), deque())
        self.trace = trace
        self.paused = False
        self.cancelled = False
        self.drained = False
        self._error: BaseException | None = None
        self._deliver = deliver
        self._fed = 0
        self._ended = 0
        self._exhausted = False
        self._when_drained: Callable[[], None] | None = None
        self._hungry = asyncio.Event()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def doing(self, options: RenderOptions) -> RenderOptions | Timed:
        """Give what to do with an image that has options of its own."""
        return Timed(options) if self.trace else options

    @property
    def pending(self) -> int:
        """Number of jobs that have not been begun."""
        return len(self.lines[FILES]) + len(self.lines[OBJECTS])

    def take(self, most: int) -> list[FileTask]:
        """Take the first jobs out of the lines, so many at most; in the event loop only."""
        taken: list[FileTask] = []
        for line in self.lines:
            taken += [line.popleft() for _ in range(min(len(line), most - len(taken)))]
        return taken

    def feed(self, planned: Iterable[Planned]) -> None:
        """Put jobs at the end of the line; outcomes known beforehand go straight out."""
        for each in planned:
            if self.cancelled or self.drained:
                return
            index = self._fed
            self._fed += 1
            if isinstance(each, Job):
                kind = OBJECTS if is_url(each.source) else FILES
                self.lines[kind].append(FileTask(self, index, each))
            else:
                self.end(index, each)

    async def hungry(self) -> None:
        """Wait until more jobs are wanted: back-pressure on whoever feeds."""
        while self.pending >= self.enough and not self.is_sated:
            self._hungry.clear()
            await self._hungry.wait()

    def claimed(self) -> None:
        """Take note that jobs have been taken from the lines."""
        if self.pending < (self.enough + 1) // 2:
            self._hungry.set()

    def exhaust(self) -> None:
        """Take note that no more jobs will come."""
        self._exhausted = True
        self._finish_if_done()

    def end(self, index: int, outcome: Outcome) -> None:
        """Hand the outcome of one job to the caller."""
        self._ended += 1
        if self.cancelled:
            return
        try:
            self._deliver(index, outcome)
        except BaseException as error:  # noqa: BLE001 - the caller's own, it comes out of done()
            self.fail(error)
        if self._ended == self._fed:
            self._finish_if_done()

    def fail(self, error: BaseException) -> None:
        """End the stream with an error, which comes out of ``done``."""
        self._stop()
        if not self._done.done():
            self._error = error
            self._done.set_result(None)

    def cancel(self) -> None:
        """Take no more jobs and deliver no more outcomes; what is under way is dropped."""
        self._stop()
        if not self._done.done():
            self._done.set_result(None)

    def drain(self) -> None:
        """Take no more jobs, and end once those that have been begun have ended."""
        self.drained = True
        for line in self.lines:
            with suppress(IndexError):
                while line:  # readers take from it at the same time
                    line.pop()
                    self._fed -= 1
        self._hungry.set()
        if self._when_drained is not None:
            self._when_drained()
        self.exhaust()

    def withdraw(self, count: int) -> None:
        """Take note that so many jobs, which were taken from the lines, will not be begun."""
        self._fed -= count
        self._finish_if_done()

    @property
    def is_exhausted(self) -> bool:
        """Whether all jobs that there are have been put into the line."""
        return self._exhausted

    @property
    def is_done(self) -> bool:
        """Whether every job has ended, or the stream has."""
        return self._done.done()

    @property
    def is_sated(self) -> bool:
        """Whether it will not take any more jobs."""
        return self.drained or self._done.done()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the stream is done."""
        self._done.add_done_callback(lambda _: callback())

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when no more jobs are to be begun."""
        self._when_drained = callback

    async def done(self) -> None:
        """Wait until every job has ended; raises what ended the stream, if anything did."""
        await asyncio.shield(self._done)
        if self._error is not None:
            raise self._error

    def _stop(self) -> None:
        self.cancelled = True
        for line in self.lines:
            line.clear()
        self._hungry.set()

    def _finish_if_done(self) -> None:
        if self._exhausted and self._ended == self._fed and not self._done.done():
            self._done.set_result(None)
