"""What became of each source, and of all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from asyncrgb.exposure import advice

if TYPE_CHECKING:
    from asyncrgb.exposure import Exposure
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.meters.insight import Insight


@dataclass(frozen=True, slots=True)
class Job:
    """One image to convert.

    Attributes:
        source: path of the TIFF, or its URL.
        destination: path of the picture, or its URL; its folder is made if there is none.
        options: how to render this one; None: as the others.

    """

    source: str
    destination: str
    options: RenderOptions | None = None


class Stamp(NamedTuple):
    """What a listing tells of a file.

    Attributes:
        modified: when it was last changed, in nanoseconds since 1970.
        size: bytes of it.

    """

    modified: int
    size: int


@dataclass(frozen=True, slots=True)
class StampedJob(Job):
    """A job of which a listing has told more.

    Attributes:
        stamp: what is known of its source.

    """

    stamp: Stamp = field(default=Stamp(0, 0))


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the time of one source went, from the moment that it was taken up.

    Attributes:
        read_bytes: bytes read of it.
        written_bytes: bytes of its picture, and of what belongs to that.
        read_seconds: spent on reading it.
        wait_seconds: spent on waiting: for memory, for a worker, for a writer, for its turn.
        render_seconds: spent on rendering it, as the worker has measured.
        write_seconds: spent on writing the picture.

    """

    read_bytes: int = 0
    written_bytes: int = 0
    read_seconds: float = 0.0
    wait_seconds: float = 0.0
    render_seconds: float = 0.0
    write_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Converted:
    """``destination`` has been written, whole.

    ``worldfile`` says whether its place on earth has been written beside it.
    ``exposure`` says how the picture came out, where that was looked at: now and then.
    ``trace`` says where the time went, where that was asked.
    """

    source: str
    destination: str
    exposure: Exposure | None = field(default=None, compare=False)
    worldfile: bool = field(default=False, compare=False)
    trace: Trace | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of ``source`` have been counted for the statistics of a dataset."""

    source: str


@dataclass(frozen=True, slots=True)
class UpToDate:
    """``destination`` was there already, newer than ``source``, made with the same options."""

    source: str
    destination: str
    trace: Trace | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """``destination`` would be written: the outcome of a dry run."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was written for ``source``, and ``error`` says why.

    ``error`` is an ``AsyncRgbError`` or an ``OSError``, whose text says what to do.
    """

    source: str
    error: Exception
    trace: Trace | None = field(default=None, compare=False)


Outcome: TypeAlias = Converted | UpToDate | Pending | Failed | Measured


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """All outcomes of a run, in the order of the input.

    Attributes:
        outcomes: one for each source; of a run that was stopped, for those that were begun.
        seconds: wall time of the run, its start-up included.
        stopped: whether the run was told to end early: by ``max_errors``, or by ``drain``.
        insight: where the time went, and what held the run up.

    """

    outcomes: tuple[Outcome, ...]
    seconds: float
    stopped: bool = False
    insight: Insight | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        # Short: asyncio's runner writes out the result of what it has run, 100 ms for 27,000.
        count = Counter(map(type, self.outcomes))
        pending = f"{count[Pending]} pending, " if count[Pending] else ""
        stopped = ", stopped" if self.stopped else ""
        return (
            f"Report({count[Converted]} converted, {count[UpToDate]} up to date, "
            f"{pending}{count[Failed]} failed, {self.seconds:.2f} s{stopped})"
        )

    @property
    def converted(self) -> tuple[Converted, ...]:
        """The images that were written."""
        return tuple(each for each in self.outcomes if isinstance(each, Converted))

    @property
    def up_to_date(self) -> tuple[UpToDate, ...]:
        """The images that needed no work."""
        return tuple(each for each in self.outcomes if isinstance(each, UpToDate))

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The images that a dry run would have written."""
        return tuple(each for each in self.outcomes if isinstance(each, Pending))

    @property
    def failed(self) -> tuple[Failed, ...]:
        """The sources that came to nothing."""
        return tuple(each for each in self.outcomes if isinstance(each, Failed))

    @property
    def advice(self) -> list[str]:
        """What looks wrong with the pictures, such as all being black, and what would help."""
        return advice([each.exposure for each in self.converted if each.exposure is not None])


@dataclass(frozen=True, slots=True)
class Counters:
    """What a Converter is doing at this moment; all zero at rest.

    Attributes:
        reading: read hops under way.
        ready: images read that wait for a worker.
        rendering: images handed to workers.
        writing: images rendered that wait for a writer or are being written.
        leased: bytes of the arena in use.

    """

    reading: int
    ready: int
    rendering: int
    writing: int
    leased: int
