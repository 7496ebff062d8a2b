"""What workers do for scenes: images that are not read whole, but range by range."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asyncrgb.imaging.parts import Part, Plan
    from asyncrgb.imaging.reading.sparse import Sparse
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.storage.ranges import Range

Step: TypeAlias = Literal["warm", "plan", "count", "draw", "finish"]


class Errand(NamedTuple):
    """One step of a scene, done with what lies in an extent.

    Attributes:
        step: "warm": load what scenes need; "plan": say in which parts it is drawn, or which range
            is needed to say so; "count": count the values of a part; "draw": make a piece of the
            file of a part, or rows of a canvas; "finish": make the file of a canvas.
        size: of the file.
        header: its ranges that are known, each with its first byte.
        ranges: of the file, that lie one after the other in the extent.
        part: which is meant; None: none.
        options: how to render.
        room: bytes that a part may take.
        every: whether all bands are counted, under their numbers, not only those shown.
        judge: whether to look at how it comes out.

    """

    step: Step
    size: int
    header: tuple[tuple[int, bytes], ...]
    ranges: tuple[Range, ...]
    part: Part | None
    options: RenderOptions
    room: int
    every: bool = False
    judge: bool = False


class Lacks(NamedTuple):
    """What to read before a scene can be planned.

    Attributes:
        start, size: first byte of a range of the file, and its number of bytes.

    """

    start: int
    size: int


class Done(NamedTuple):
    """What came of an errand.

    Attributes:
        result: what there is to say.
        length: bytes that lie in the extent, if any were made.
        output: these bytes, where they do not fit there.
        seconds: that it took.

    """

    result: Any
    length: int = 0
    output: bytes | None = None
    seconds: float = 0.0


def run(errand: Errand, view: memoryview, limits: Limits) -> tuple[Any, bytes]:
    """Do an errand; gives what there is to say, and the bytes made.

    Args:
        errand: what is to be done.
        view: what lies in the extent.
        limits: what is refused.

    Raises:
        AsyncRgbError: as ``render`` does.

    """
    from asyncrgb.imaging.reading.sparse import Absent, Sparse  # noqa: PLC0415 - numpy, not for all

    file = Sparse(errand.size, [*errand.header, *_placed(view, errand.ranges)])
    try:
        return _STEPS[errand.step](errand, file, view, limits)
    except Absent as absent:
        return Lacks(absent.start, absent.size), b""


def _placed(view: memoryview, ranges: Sequence[Range]) -> list[tuple[int, memoryview]]:
    """Say where each range lies."""
    ends = accumulate(size for _, size in ranges)
    return [
        (start, view[end - size : end]) for (start, size), end in zip(ranges, ends, strict=True)
    ]


def _warm(*_: object) -> tuple[None, bytes]:
    import imagecodecs  # noqa: F401, PLC0415 - not for the main process
    import tifffile  # noqa: F401, PLC0415 - the same

    import asyncrgb.imaging.scene  # noqa: F401, PLC0415 - the same

    return None, b""


def _plan(errand: Errand, file: Sparse, _: memoryview, limits: Limits) -> tuple[Plan, bytes]:
    from asyncrgb.imaging import scene  # noqa: PLC0415 - numpy, not for the main process

    return scene.plan(file, errand.options, limits, errand.room, every=errand.every), b""


def _count(errand: Errand, file: Sparse, _: memoryview, limits: Limits) -> tuple[Statistics, bytes]:
    from asyncrgb.imaging import scene  # noqa: PLC0415 - the same
    from asyncrgb.imaging.statistics import Statistics  # noqa: PLC0415 - the same

    into = Statistics()
    scene.count(file, _part(errand), errand.options, limits, into, every=errand.every)
    return into, b""


def _draw(errand: Errand, file: Sparse, _: memoryview, limits: Limits) -> tuple[Any, bytes]:
    from asyncrgb.imaging import scene  # noqa: PLC0415 - the same

    drawn = scene.draw(file, _part(errand), errand.options, limits, judge=errand.judge)
    return drawn._replace(piece=b""), drawn.piece


def _finish(errand: Errand, file: Sparse, view: memoryview, limits: Limits) -> tuple[Any, bytes]:
    from asyncrgb.imaging import scene  # noqa: PLC0415 - the same

    picture = scene.finish(file, view, errand.options, limits, judge=True)
    return picture.exposure, picture.file


def _part(errand: Errand) -> Part:
    assert errand.part is not None  # noqa: S101 - these steps are about one
    return errand.part


_STEPS: Final[Mapping[Step, Callable[[Errand, Sparse, memoryview, Limits], tuple[Any, bytes]]]] = {
    "warm": _warm,
    "plan": _plan,
    "count": _count,
    "draw": _draw,
    "finish": _finish,
}
