"""What runs inside a worker: extents in, extents out."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
from functools import lru_cache
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.arena import attach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncrgb.exposure import Exposure
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import Limits, RenderOptions


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
        output: the picture, where it is larger than its extent.
        worldfile: the text of its world file, if there is to be one.
        exposure: how it came out, if that was looked at.

    """

    length: int
    output: bytes | None
    worldfile: str | None
    exposure: Exposure | None


# The length of a picture that lies in its extent and needs no more words, or what else came of
# an image.
Rendered: TypeAlias = "int | Rich | Counted | Exception"

# One image in the arena: start and size of its extent, length of the TIFF at its start, what to
# do with it. A plain tuple, since pickling takes a tenth of a named one's time.
Piece: TypeAlias = "tuple[int, int, int, RenderOptions | Measure]"


def start() -> None:
    """Prepare a worker process of our own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which ends us
    if hasattr(os, "nice"):
        # Who feeds the workers goes first, or they wait for it in the end: on busy processors
        # this brought the use of two of them from 1.64 to 1.79.
        os.nice(1)
    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its findings become errors
    logging.getLogger("tifffile").propagate = False
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the main process dies, killed or not: nothing else would end an idle worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def render_batch(arena: str, pieces: Sequence[Piece], limits: Limits) -> list[Rendered]:
    """Render or count each piece; a picture replaces its image in the arena, if it fits.

    Returns:
        What came of each piece, in order. The first picture has its exposure with it. What was
        counted comes with the last piece that asked for it.

    """
    memory = _attached(arena)
    batch = _Batch(limits)
    results = [batch.take(memory, piece) for piece in pieces]
    batch.hand_over(pieces, results)
    return results


class _Batch:
    """A batch under way: what its pieces have in common."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._judged = False
        self._statistics: dict[int, Statistics] = {}

    def take(self, memory: memoryview, piece: Piece) -> Rendered:
        start, size, length, action = piece
        try:
            image = memory[start : start + length]
            if isinstance(action, Measure):
                return self._count(image, action)
            return self._render(image, memory[start : start + size], action)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs this image only
            return _picklable(error)

    def _render(self, image: memoryview, extent: memoryview, options: RenderOptions) -> Rendered:
        from asyncrgb.imaging.chip import picture  # noqa: PLC0415 - numpy, not for the main process

        file, worldfile, exposure = picture(image, options, self._limits, judge=not self._judged)
        self._judged = True
        fits = len(file) <= len(extent)
        if fits:
            extent[: len(file)] = file
        if fits and worldfile is None and exposure is None:
            return len(file)
        return Rich(len(file), None if fits else file, worldfile, exposure)

    def _count(self, image: memoryview, action: Measure) -> Rendered:
        from asyncrgb.imaging.measuring import measure  # noqa: PLC0415 - the same
        from asyncrgb.imaging.statistics import Statistics  # noqa: PLC0415 - the same

        into = self._statistics.setdefault(action.number, Statistics())
        measure(image, action.options, self._limits, into, every=action.every)
        return Counted(None)

    def hand_over(self, pieces: Sequence[Piece], results: list[Rendered]) -> None:
        """Give the statistics of each stream to the last of its images that was counted."""
        for place in reversed(range(len(pieces))):
            action = pieces[place][3]
            if isinstance(results[place], Counted) and isinstance(action, Measure):
                results[place] = Counted(self._statistics.pop(action.number, None))


@lru_cache(maxsize=2)
def _attached(name: str) -> memoryview:
    return attach(name)


def _picklable(error: Exception) -> Exception:
    """Give an error that survives the way to the main process, as itself if it can."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - anything can go wrong in a foreign __reduce__
        return AsyncRgbError(f"{type(error).__name__}: {error}")
    return error
