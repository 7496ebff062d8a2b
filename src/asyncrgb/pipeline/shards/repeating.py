"""A slice that is carried out once more, since whoever had it is lost: what has been done stays."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.shards.slices import Tidings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncrgb.pipeline.shards.slices import Slice


_FIRST: Final = 16


def places_left(piece: Slice, since: int) -> Sequence[int]:
    """Give the places of the jobs whose results are not newer than ``since`` and their sources.

    Jobs are begun in order. If none of the first few is done, nobody has got far with the slice,
    and mostly nobody has had it: then all are left, without a look at each.

    Args:
        piece: a slice.
        since: by the clock of the storage, in nanoseconds: no result that is newer has been made
            by anything but this run.

    """
    pairs = list(zip(piece.sources, piece.destinations, strict=True))
    if not any(_is_made(*pair, since) for pair in pairs[:_FIRST]):
        return range(len(pairs))
    return [place for place, pair in enumerate(pairs) if not _is_made(*pair, since)]


def part_of(piece: Slice, places: Sequence[int]) -> Slice:
    """Give a slice of some of the jobs of ``piece``."""
    return piece._replace(
        sources=[piece.sources[place] for place in places],
        destinations=[piece.destinations[place] for place in places],
        options=piece.options and [piece.options[place] for place in places],
    )


def completed(piece: Slice, places: Sequence[int], told: Sequence[Tidings]) -> list[Tidings]:
    """Give what was told of a part as of the whole slice, of which all else had been made."""
    done = sorted(set(range(len(piece.sources))).difference(places))
    renamed = [
        each._replace(
            usual=[places[place] for place in each.usual],
            others=[(places[place], outcome) for place, outcome in each.others],
        )
        for each in told
    ]
    return [Tidings(done), *renamed]


def _is_made(source: str, destination: str, since: int) -> bool:
    try:
        output = os.stat(destination)
        if output.st_mtime_ns <= since or not stat.S_ISREG(output.st_mode):
            return False
        return output.st_mtime_ns >= os.stat(source).st_mtime_ns
    except (OSError, ValueError):  # what is wrong with the source is found out by reading it
        return False
