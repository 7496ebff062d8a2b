"""What is sent to a worker, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncrgb.exposure import Exposure
    from asyncrgb.imaging.laps import Laps
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.workers.parts import Done, Errand
    from asyncrgb.pipeline.workers.timing import Clocked, Timed


class Measure(NamedTuple):
    """What to do with an image that is to be counted, not rendered.

    Attributes:
        number: of the stream that asks, whose statistics are its own.
        options: as these would see it.
        every: whether all bands are counted, not only those that are shown.

    """

    number: int
    options: RenderOptions
    every: bool


class Counted(NamedTuple):
    """An image has been counted; the last of a batch has the ``statistics`` of all of them."""

    statistics: Statistics | None


class Rich(NamedTuple):
    """A picture about which there is more to say than its length in the arena.

    Attributes:
        length: bytes of the picture.
        output: the picture, where the arena cannot hold it.
        worldfile: the text of its world file, if there is to be one.
        exposure: how it came out, if that was looked at.
        laps: how long the parts of rendering it took, if that was looked at.

    """

    length: int
    output: bytes | None
    worldfile: str | None
    exposure: Exposure | None
    laps: Laps | None = None


class TooLarge(NamedTuple):
    """A picture does not fit the extent of its image, and was dropped; it needs ``length``."""

    length: int


# The length of a picture that lies in its extent and needs no more words, or what else came of
# an image.
Rendered: TypeAlias = "int | Rich | Counted | Clocked | Done | Exception"

Answer: TypeAlias = "Rendered | TooLarge"

# One image in the arena: start and size of its extent, length of the TIFF at its start, the
# number of what to do with it, whether a picture that is too large may come back through the
# pipe. A plain tuple, since pickling takes a tenth of a named one's time.
Piece: TypeAlias = "tuple[int, int, int, int, bool]"

Action: TypeAlias = "RenderOptions | Measure | Timed | Errand"


class Order(NamedTuple):
    """A batch for a worker.

    Attributes:
        arena: where the images are.
        notes: place in it of the notes on this batch.
        pieces: the images.
        actions: what to do with them; pickled each by itself where it goes to another process,
            so that one that cannot be read there, or kills who reads it, costs its own image.
        limits: what is refused; pickled by itself too, as what is read twice from the same bytes
            is the same object, by which the renderer knows it again.
        number: no other order to the same executor has it. There are executors that take two
            calls of one function with equal arguments for one call.
        images: the images themselves, where the arena is out of reach.
        most: bytes of pixels of the largest image that is to be handled whole; None: any.

    """

    arena: str
    notes: int
    pieces: Sequence[Piece]
    actions: Sequence[Action | bytes]
    limits: Limits | bytes
    number: int = 0
    images: bytes | None = None
    most: int | None = None


class Far(NamedTuple):
    """The arena is out of the worker's reach, for the ``reason`` given; nothing was done."""

    reason: str


class Repeated(NamedTuple):
    """Another worker has had this very order, and died of it or with it; nothing was done."""


class Brought(NamedTuple):
    """What came of a batch whose images came with the order, and the ``notes`` on it."""

    answers: list[Answer]
    notes: bytes


# What may come of an order but its answers. Values, not errors: there are executors that lose
# an error which is raised when work is repeated.
Unusual: TypeAlias = "Far | Repeated | Brought"
