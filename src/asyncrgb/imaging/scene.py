"""Images of which only some ranges are here at a time: cut into parts, and drawn part by part.

A part is an image of fewer rows, which goes the way of a chip; so its pixels are those that the
whole image would have. A chip is a scene of one part. Pieces of PNG and TIFF are joined to files;
of what is made smaller, and of the other formats, the values are collected on a canvas, which is
drawn as one image then.

Nothing is known here of processes: whoever reads the file calls these functions, anywhere, with
the ranges that they ask for (``Absent``). What parsing finds is remembered for the last
files, by the ranges that are given as ``bytes``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import EncodeError, LimitError
from asyncrgb.formats import FORMATS
from asyncrgb.imaging import chip, in_range, showing, subject
from asyncrgb.imaging.cutting import Cutter
from asyncrgb.imaging.parts import Drawn, Part, Plan
from asyncrgb.imaging.stretch import opened
from asyncrgb.imaging.values import Values
from asyncrgb.imaging.writing import pieces
from asyncrgb.stretches import FixedStretch, PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb.imaging.chip import Picture
    from asyncrgb.imaging.reading.sparse import Sparse
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.imaging.subject import Subject
    from asyncrgb.imaging.writing.joining import Recipe
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.stretches import Range

__all__ = ["count", "draw", "finish", "plan"]

_GREY: Final = 4  # what the values of grey pictures are counted under
_TILE_HEIGHTS: Final = (256, 128, 64, 32, 16)  # of TIFFs, the best first


def plan(
    file: Sparse, options: RenderOptions, limits: Limits, room: int, *, every: bool = False
) -> Plan:
    """Say in which parts a scene is drawn.

    Args:
        file: its first 64 KiB, and what was asked for since.
        options: how it is drawn.
        limits: as for ``render``.
        room: most bytes that are read for a part, or made of it. A worker takes up to four times
            as many besides.
        every: whether all of its bands are to be counted, and nothing drawn.

    Raises:
        Absent: a range of the file is needed that is not here.
        AsyncRgbError: as ``render`` does; LimitError also where not even a row fits.

    """
    with file.complete():
        found = subject.find(file, options, limits, every=every)
    collected = found.collected and not every
    join, parts = _cut(found, room, drawn=not every)
    place = found.details.georeference
    return Plan(
        header=found.header,
        height=found.size[0],
        width=found.size[1],
        parts=parts,
        counted=_has_percentiles_of_its_own(options) and not collected,
        canvas=found.size[0] * found.line if collected else 0,
        join=join,
        worldfile=place.worldfile() if place is not None and options.worldfile else None,
        guessed=found.level.form.bands if found.choice.guessed else 0,
    )


def _has_percentiles_of_its_own(options: RenderOptions) -> bool:
    return isinstance(options.stretch, PercentileStretch) and options.stretch.scope == "image"


def _cut(found: Subject, room: int, *, drawn: bool) -> tuple[Recipe | None, tuple[Part, ...]]:
    """Cut a picture; a TIFF into lower tiles where others do not fit."""
    if drawn and found.collected:
        _check_sides(found)
    if found.collected or not drawn:
        return None, tuple(Cutter(found, None, room).parts())
    *better, last = _recipes(found)
    for join in better:
        try:
            return join, tuple(Cutter(found, join, room).parts())
        except LimitError:
            continue
    return last, tuple(Cutter(found, last, room).parts())


def _recipes(found: Subject) -> Iterator[Recipe]:
    """Give the ways of joining that there are, the best first."""
    options = found.options
    as_colours = found.choice.as_is and found.level.palette is not None
    samples = (3 if as_colours else len(found.choice.bands)) + options.alpha
    place = found.details.georeference if options.format == "tiff" else None
    for height in _TILE_HEIGHTS if options.format == "tiff" else _TILE_HEIGHTS[:1]:
        yield pieces.recipe(
            options.format,
            *found.size,
            samples,
            options.bit_depth,
            georeference=place,
            tile_height=height,
        )


def _check_sides(found: Subject) -> None:
    name = found.options.format
    most = FORMATS[name].longest_side
    if max(found.size) > most:
        raise EncodeError(
            f"{name} cannot hold a side of {max(found.size)} pixels: make it smaller with "
            f"--max-size {most}, or choose --format png"
        )


def count(  # noqa: PLR0913 - a part, how it is seen, and what takes its values
    file: Sparse,
    part: Part,
    options: RenderOptions,
    limits: Limits,
    into: Statistics,
    *,
    every: bool = False,
) -> None:
    """Count the values of a part that a stretch would see, as ``measuring.measure`` does.

    Args:
        file: the header and the ranges of the part.
        part: one of those of the plan.
        options: as for ``plan``.
        limits: as for ``plan``.
        into: takes the values.
        every: as for ``plan``.

    Raises:
        Absent: a range of the file is needed that is not here.
        AsyncRgbError: as ``render`` does.

    """
    with file.complete():
        values = _values(file, part, options, limits, every=every)
        grey = values.channels == 1 and not every
        numbers = (_GREY,) if grey else range(1, values.channels + 1)
        into.add(values.physical(), numbers, values.known)


def _values(
    file: Sparse, part: Part, options: RenderOptions, limits: Limits, *, every: bool = False
) -> Values:
    found = subject.find(file, options, limits, every=every)
    return Values(found.image(file, part.top, part.bottom), found.choice, options)


def draw(  # noqa: PLR0913 - what is drawn, and how
    file: Sparse,
    part: Part,
    options: RenderOptions,
    limits: Limits,
    ranges: Sequence[Range] | None = None,
    *,
    judge: bool = False,
) -> Drawn:
    """Draw a part.

    Args:
        file: the header and the ranges of the part.
        part: one of those of the plan.
        options: as for ``plan``, but for the stretch, if the plan was to count the parts first.
        limits: as for ``plan``.
        ranges: what becomes black and full intensity, for each channel, instead of a stretch by
            percentiles.
        judge: as for ``chip.picture``; not of rows of a canvas, which ``finish`` looks at.

    Raises:
        Absent: a range of the file is needed that is not here.
        AsyncRgbError: as ``render`` does.

    """
    with file.complete():
        if part.join is None:
            found = subject.find(file, options, limits)
            return Drawn(found.collect(file, part.top, part.bottom))
        values = _values(file, part, _settled(options, ranges), limits)
        shown = showing.stretched(values, in_range.transfers(values))
        exposure = chip.exposure(values, shown) if judge else None
        shown = showing.with_opacity(values, shown)
        return Drawn(*pieces.piece(shown, part.join, options.compress_level), exposure)


def _settled(options: RenderOptions, ranges: Sequence[Range] | None) -> RenderOptions:
    if ranges is None:
        return options
    lows, highs = zip(*map(opened, ranges), strict=True)
    return replace(options, stretch=FixedStretch(lows, highs))


def finish(
    file: Sparse, canvas: memoryview, options: RenderOptions, limits: Limits, *, judge: bool = False
) -> Picture:
    """Draw the values that were collected as one image.

    Args:
        file: the header.
        canvas: what ``draw`` gave for all parts, one after the other.
        options: as for ``plan``.
        limits: as for ``plan``.
        judge: as for ``chip.picture``.

    Raises:
        AsyncRgbError: as ``render`` does.

    """
    with file.complete():
        found = subject.find(file, options, limits)
    values = Values(found.collected_image(canvas), found.choice, options)
    return chip.drawn(values, in_range.transfers(values), judge=judge)
