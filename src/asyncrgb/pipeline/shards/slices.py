"""Slices of a stream's jobs, and what comes back of them: as they travel between processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.outcomes import Converted, Job, Measured
from asyncrgb.pipeline.workers.orders import Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.meters.figures import Figures
    from asyncrgb.pipeline.outcomes import Outcome
    from asyncrgb.pipeline.workers.timing import Timed

Action: TypeAlias = "RenderOptions | Measure | Timed | None"


class Slice(NamedTuple):
    """Some jobs of a stream. Columns: pickling them takes a fifth of a row's time.

    Attributes:
        number: no other slice of the same run has it.
        sources: of the jobs.
        destinations: of the jobs.
        options: of the jobs; None: none of them has any.
        action: what to do with images whose job does not say.
        trace: whether outcomes are to say where the time went.
        folder: that is brought up to date; None: the jobs may lead anywhere.

    """

    number: int
    sources: Sequence[str]
    destinations: Sequence[str]
    options: Sequence[RenderOptions | None] | None
    action: Action
    trace: bool
    folder: str | None

    def jobs(self) -> list[Job]:
        """Give the jobs, in order."""
        if self.options is None:
            return list(map(Job, self.sources, self.destinations))
        return list(map(Job, self.sources, self.destinations, self.options))


class Passage(NamedTuple):
    """What the meter of a flow shows.

    Attributes:
        shard: the flow.
        before: what its meter showed when a slice was begun.
        now: what it shows now.

    """

    shard: str
    before: Figures
    now: Figures


class Tidings(NamedTuple):
    """What has become of some jobs of a slice.

    Attributes:
        usual: places in the slice of the jobs that went as most do: see ``usual_outcome``.
        others: places of the others, with what became of them.
        statistics: of the images that were measured.
        gone: what went through which flow, as its meter shows.

    """

    usual: Sequence[int]
    others: Sequence[tuple[int, Outcome]] = ()
    statistics: Statistics | None = None
    gone: Passage | None = None


class SliceLostError(AsyncRgbError):
    """Whoever had a slice died: what has not been told of its jobs never will be."""


class Shards(Protocol):
    """Flows that carry out slices, each with an event loop of its own, here or elsewhere.

    Attributes:
        places: number of slices that keep them busy.
        seconds: that a slice should take: the shorter, the more evenly they end.
        bytes: of the files of a slice at most, unless it is one.

    """

    places: int
    seconds: float
    bytes: int

    async def reach(self, source: str, folder: str | None) -> None:
        """Make sure that they reach what they are to read, and the folder of the results.

        Raises:
            OptionsError: some do not.

        """

    async def start(self) -> None:
        """Start them.

        Raises:
            AsyncRgbError: they cannot be started, or die as they start.

        """

    async def carry_out(self, piece: Slice, take: Callable[[Tidings], None]) -> None:
        """Have one of them carry out a slice; ``take`` gets what becomes of it, as it does.

        It ends when the slice has: jobs of which nothing was told have not been begun then, since
        it was drained or cancelled.

        Raises:
            SliceLostError: it died meanwhile.
            AsyncRgbError, OSError, MemoryError: the slice cannot be carried out anywhere.

        """

    def drain(self, number: int) -> None:
        """Let no more jobs of a slice be begun."""

    def cancel(self, number: int) -> None:
        """Let a slice be dropped, and nothing more be told of it."""

    async def close(self) -> None:
        """End them, and let go of slices under way; whatever has happened."""


def usual_outcome(job: Job, action: Action) -> Outcome:
    """Give what becomes of most jobs, which need not travel."""
    if isinstance(action, Measure):
        return Measured(job.source)
    return Converted(job.source, job.destination)


def is_usual(outcome: Outcome) -> bool:
    """Tell whether ``usual_outcome`` says all of it."""
    if type(outcome) is Converted:
        return outcome.exposure is None and not outcome.worldfile and outcome.trace is None
    return type(outcome) is Measured
