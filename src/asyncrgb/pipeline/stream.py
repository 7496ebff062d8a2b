"""Jobs on their way into the pipeline, outcomes on their way out."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from asyncrgb.pipeline.outcomes import Failed
from asyncrgb.pipeline.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncrgb.exposure import Exposure
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.outcomes import Job, Outcome
    from asyncrgb.pipeline.plan import Planned
    from asyncrgb.pipeline.worker import Measure


class FileTask(Task):
    """A job of a stream: from a file to a file.

    Attributes:
        index: its place in the input of its stream.
        output: the picture where it does not fit ``extent``.
        worldfile: the text of its world file, if there is to be one.
        exposure: how the picture came out, if that was looked at.
        outcome: set as soon as there is nothing more to do.

    """

    __slots__ = ("exposure", "index", "job", "outcome", "output", "stream", "worldfile")

    def __init__(self, stream: Stream, index: int, job: Job) -> None:
        super().__init__(job.options or stream.action)
        self.stream = stream
        self.index = index
        self.job = job
        self.output: bytes | None = None
        self.worldfile: str | None = None
        self.exposure: Exposure | None = None
        self.outcome: Outcome | None = None

    @property
    def wanted(self) -> bool:
        """Whether its stream goes on."""
        return not self.stream.cancelled


class Stream:
    """One caller's jobs.

    Args:
        deliver: called with the place in the input and the outcome, as each job ends.
        is_fresh: tells which jobs need no work; called on a thread.
        action: what to do with images whose job does not say; None: as the Converter says.
        absorb: takes the statistics of images that are measured, a batch at a time.
        enough: number of jobs in line from which on no more are wanted.

    """

    def __init__(
        self,
        deliver: Callable[[int, Outcome], None],
        is_fresh: Callable[[Job], bool] | None = None,
        enough: int = 1024,
        action: RenderOptions | Measure | None = None,
        absorb: Callable[[Statistics], None] | None = None,
    ) -> None:
        self.action = action
        self.absorb = absorb
        self.pending: deque[FileTask] = deque()
        self.is_fresh = is_fresh
        self.paused = False
        self.cancelled = False
        self._deliver = deliver
        self._enough = enough
        self._fed = 0
        self._ended = 0
        self._exhausted = False
        self._hungry = asyncio.Event()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def claimable(self) -> bool:
        """Whether there is a job that may be begun now."""
        return bool(self.pending) and not self.paused

    def feed(self, planned: Iterable[Planned]) -> None:
        """Put jobs at the end of the line; failures known beforehand go straight out."""
        for each in planned if not self.cancelled else ():
            index = self._fed
            self._fed += 1
            if isinstance(each, Failed):
                self.end(index, each)
            else:
                self.pending.append(FileTask(self, index, each))

    async def hungry(self) -> None:
        """Wait until more jobs are wanted: back-pressure on whoever feeds."""
        while len(self.pending) >= self._enough and not self._done.done():
            self._hungry.clear()
            await self._hungry.wait()

    def claimed(self) -> None:
        """Take note that jobs have been taken from ``pending``."""
        if len(self.pending) < (self._enough + 1) // 2:
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
        except Exception as error:  # noqa: BLE001 - the caller's own, it comes out of done()
            self.fail(error)
        self._finish_if_done()

    def fail(self, error: BaseException) -> None:
        """End the stream with an error, which comes out of ``done``."""
        self._stop()
        if not self._done.done():
            self._done.set_exception(error)

    def cancel(self) -> None:
        """Take no more jobs and deliver no more outcomes; what is under way is dropped."""
        self._stop()
        if not self._done.done():
            self._done.set_result(None)
        elif not self._done.cancelled():
            self._done.exception()  # seen, or not wanted any more

    @property
    def is_done(self) -> bool:
        """Whether every job has ended, or the stream has."""
        return self._done.done()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the stream is done."""
        self._done.add_done_callback(lambda _: callback())

    async def done(self) -> None:
        """Wait until every job has ended; raises what ended the stream, if anything did."""
        await asyncio.shield(self._done)

    def _stop(self) -> None:
        self.cancelled = True
        self.pending.clear()
        self._hungry.set()

    def _finish_if_done(self) -> None:
        if self._exhausted and self._ended == self._fed and not self._done.done():
            self._done.set_result(None)
