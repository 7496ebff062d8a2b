"""What became of each source, and of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions


@dataclass(frozen=True, slots=True)
class Job:
    """One image to convert.

    Attributes:
        source: path of the TIFF.
        destination: path of the PNG; its folder is made if there is none.
        options: how to render this one; None: as the others.

    """

    source: str
    destination: str
    options: RenderOptions | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """``destination`` has been written, whole."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class UpToDate:
    """``destination`` was there already, newer than ``source``, made with the same options."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was written for ``source``, and ``error`` says why.

    ``error`` is an ``AsyncRgbError`` or an ``OSError``, whose text says what to do.
    """

    source: str
    error: Exception


Outcome: TypeAlias = Converted | UpToDate | Failed


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """All outcomes of a run, in the order of the input.

    Attributes:
        outcomes: one for each source.
        seconds: wall time of the run, its start-up included.

    """

    outcomes: tuple[Outcome, ...]
    seconds: float

    def __repr__(self) -> str:
        # Short: asyncio's runner writes out the result of what it has run, 100 ms for 27,000.
        return (
            f"Report({len(self.converted)} converted, {len(self.up_to_date)} up to date, "
            f"{len(self.failed)} failed, {self.seconds:.2f} s)"
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
    def failed(self) -> tuple[Failed, ...]:
        """The sources that came to nothing."""
        return tuple(each for each in self.outcomes if isinstance(each, Failed))


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
