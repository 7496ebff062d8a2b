"""What runs inside a worker: extents in, extents out."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
from functools import lru_cache
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from asyncrgb.errors import AsyncRgbError
from asyncrgb.pipeline.arena import attach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncrgb.options import Limits, RenderOptions

Rendered: TypeAlias = "int | bytes | Exception"


# One image in the arena: start and size of its extent, length of the TIFF at its start, options.
# A plain tuple, since pickling takes a tenth of a named one's time.
Piece: TypeAlias = "tuple[int, int, int, RenderOptions]"


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
    """Render each piece in place.

    Returns:
        For each piece the length of its output, which now starts its extent; or the output
        itself where it is larger than the extent; or the error.

    """
    memory = _attached(arena)
    return [_render_in_place(memory, piece, limits) for piece in pieces]


@lru_cache(maxsize=2)
def _attached(name: str) -> memoryview:
    return attach(name)


def _render_in_place(memory: memoryview, piece: Piece, limits: Limits) -> Rendered:
    from asyncrgb.imaging import render  # noqa: PLC0415 - numpy, which the main process never needs

    start, size, length, options = piece
    try:
        output = render(memory[start : start + length], options, limits=limits)
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs this image only
        return _picklable(error)
    if len(output) > size:
        return output
    memory[start : start + len(output)] = output
    return len(output)


def _picklable(error: Exception) -> Exception:
    """Give an error that survives the way to the main process, as itself if it can."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - anything can go wrong in a foreign __reduce__
        return AsyncRgbError(f"{type(error).__name__}: {error}")
    return error
