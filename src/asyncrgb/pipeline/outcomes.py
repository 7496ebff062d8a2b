"""What became of each source, and of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from asyncrgb.exposure import advice

if TYPE_CHECKING:
    from asyncrgb.exposure import Exposure
    from asyncrgb.options import RenderOptions


@dataclass(frozen=True, slots=True)
class Job:
    """One image to convert.

    Attributes:
        source: path of the TIFF.
        destination: path of the picture; its folder is made if there is none.
        options: how to render this one; None: as the others.

    """

    source: str
    destination: str
    options: RenderOptions | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """``destination`` has been written, whole.

    ``exposure`` says how the picture came out, where that was looked at: one of each batch.
    """

    source: str
    destination: str
    exposure: Exposure | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of ``source`` have been counted for the statistics of a dataset."""

    source: str


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


Outcome: TypeAlias = Converted | UpToDate | Failed | Measured


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
