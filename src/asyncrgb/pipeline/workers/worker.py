"""What runs inside a worker: extents in, extents out."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from functools import lru_cache
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from asyncrgb.errors import AsyncRgbError, LimitError
from asyncrgb.pipeline.memory.shared import OutOfReachError, attach
from asyncrgb.pipeline.storage.files import bare
from asyncrgb.pipeline.workers import parts
from asyncrgb.pipeline.workers.journal import ENDED, OVERWRITING, OVERWRITTEN, Journal, Notes
from asyncrgb.pipeline.workers.orders import (
    Brought,
    Counted,
    Far,
    Measure,
    Repeated,
    Rich,
    TooLarge,
)
from asyncrgb.pipeline.workers.parts import Done, Errand
from asyncrgb.pipeline.workers.timing import Clocked, Looks, Timed

if TYPE_CHECKING:
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.workers.orders import Action, Answer, Order, Piece, Unusual


_spare: list[Statistics] = []  # of this process: one for each of its batches at a time
_looks = Looks()  # of this process, at how pictures come out: at the first of a batch at most


def render_batch(order: Order) -> list[Answer] | Unusual:
    """Render or count each piece; a picture replaces its image in the arena, if it fits.

    Returns:
        What came of each piece, in order. The first picture may have its exposure with it. What was
        counted comes with the last piece that asked for it.

    """
    if order.images is not None:
        paper = bytearray(Journal.size(1, len(order.pieces)))
        notes = Notes(memoryview(paper), 0, len(order.pieces))
        return Brought(_render_all(order, memoryview(order.images), notes), bytes(paper))
    try:
        memory = _attached(order.arena)
    except OutOfReachError as error:
        return Far(str(error))
    notes = Notes(memory, order.notes, len(order.pieces))
    if notes.account().worker:  # some executors give the work of a worker that died to another
        return Repeated()
    return _render_all(order, memory, notes)


def _render_all(order: Order, memory: memoryview, notes: Notes) -> list[Answer]:
    notes.taken(os.getpid())
    batch = _Batch(order, memory, notes)
    take = batch.take if batch.limits.timeout is None else batch.take_in_time
    results = [take(place, piece) for place, piece in enumerate(order.pieces)]
    batch.hand_over(results)
    return results


class _Batch:
    """A batch under way: what its pieces have in common."""

    def __init__(self, order: Order, memory: memoryview, notes: Notes) -> None:
        self._memory = memory
        self._notes = notes
        self.limits: Limits = _read(order.limits)
        self._most = order.most
        self._sent = order.actions
        self._actions: dict[int, RenderOptions | Measure | Errand] = {}
        self._timed: set[int] = set()  # numbers of actions that go by the clock
        self._counted: dict[int, int] = {}  # place of the last one → number of the stream
        self._judged = not _looks.due
        self._statistics: dict[int, Statistics] = {}

    def take_in_time(self, place: int, piece: Piece) -> Answer:
        """Do what is to be done with an image, or die of it: of the alarm, even if stuck in C."""
        assert self.limits.timeout is not None  # noqa: S101 - else nobody would be in a hurry
        signal.setitimer(signal.ITIMER_REAL, self.limits.timeout)
        try:
            return self.take(place, piece)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def take(self, place: int, piece: Piece) -> Answer:
        """Do what is to be done with an image, and note how far it is."""
        began = self._notes.begin(place)
        start, _, length, number, _ = piece
        try:
            action = self._actions.get(number) or self._unpack(number)
            image = self._memory[start : start + length]
            result: Answer
            if isinstance(action, Measure):
                result = self._count(place, image, action)
            elif isinstance(action, Errand):
                result = self._run(place, piece, image, action)
            else:
                result = self._render(place, piece, image, action)
        except MemoryError:
            result = LimitError(_TOO_MUCH)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it costs this image only
            result = _picklable(error)
        self._notes.note(place, result if isinstance(result, int) else _state(result))
        if number in self._timed and isinstance(result, (int, Rich, Exception)):
            return Clocked((monotonic_ns() - began) / 1e9, result)
        return result

    def hand_over(self, results: list[Answer]) -> None:
        """Give the statistics of each stream to the last of its images that was counted."""
        last = {number: place for place, number in self._counted.items()}
        for number, place in last.items():
            counted = self._statistics.pop(number)
            results[place] = Counted(counted.handed_over())
            _spare.append(counted)

    def _unpack(self, number: int) -> RenderOptions | Measure | Errand:
        action: Action = _read(self._sent[number])
        if isinstance(action, Timed):
            self._timed.add(number)
            action = action.options
        self._actions[number] = action
        return action

    def _render(
        self, place: int, piece: Piece, image: memoryview, options: RenderOptions
    ) -> int | Rich | TooLarge:
        from asyncrgb.imaging.chip import picture  # noqa: PLC0415 - numpy, not for the main process

        start, size, _, _, piped = piece
        judge = not self._judged
        file, worldfile, exposure, laps = picture(
            image, options, self.limits, judge=judge, most=self._most
        )
        if len(file) > size and not piped:
            return TooLarge(len(file))
        if not self._judged:
            self._judged = True
            _looks.note()
        if len(file) > size:
            return Rich(len(file), file, worldfile, exposure, laps)
        self._notes.note(place, OVERWRITING)
        self._memory[start : start + len(file)] = file
        if worldfile is None and exposure is None:
            return len(file)
        return Rich(len(file), None, worldfile, exposure, laps)

    def _run(self, place: int, piece: Piece, view: memoryview, errand: Errand) -> Done | TooLarge:
        began = monotonic_ns()
        start, size, _, _, piped = piece
        result, made = parts.run(errand, view, self.limits)
        seconds = (monotonic_ns() - began) / 1e9
        if len(made) <= size:
            self._notes.note(place, OVERWRITING)
            self._memory[start : start + len(made)] = made
            return Done(result, len(made), None, seconds)
        if not piped:
            return TooLarge(len(made))
        return Done(result, len(made), bytes(made), seconds)

    def _count(self, place: int, image: memoryview, action: Measure) -> Counted:
        from asyncrgb.imaging.measuring import measure  # noqa: PLC0415 - the same
        from asyncrgb.imaging.statistics import Statistics  # noqa: PLC0415 - the same

        into = self._statistics.get(action.number)
        if into is None:
            with suppress(IndexError):
                into = _spare.pop()
            into = self._statistics[action.number] = into or Statistics()
        measure(image, action.options, self.limits, into, every=action.every, most=self._most)
        self._counted[place] = action.number
        return Counted(None)


_TOO_MUCH = (
    "the image needs more memory than a worker may use: cut it into smaller ones, use fewer "
    "workers (--workers), or raise Limits.worker_memory (--worker-memory)"
)


def _state(result: Answer) -> int:
    """Tell how an image is that has not become a picture with no more to say."""
    placed = isinstance(result, (Rich, Done)) and result.output is None
    return OVERWRITTEN if placed else ENDED


@lru_cache(maxsize=8)
def _attached(name: str) -> memoryview:
    return attach(name)


def _read(sent: object) -> Any:  # noqa: ANN401 - as what it was sent
    """Read a part of an order; the same for all batches, by which the renderer knows it again."""
    return _unpickled(sent) if isinstance(sent, bytes) else sent


@lru_cache(maxsize=16)
def _unpickled(sent: bytes) -> object:
    return pickle.loads(sent)  # noqa: S301 - our own bytes


def _picklable(error: BaseException) -> Exception:
    """Give an error that survives the way to the main process, as itself if it can."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - anything can go wrong in a foreign __reduce__
        return AsyncRgbError(f"{type(error).__name__}: {error}")
    return bare(error) if isinstance(error, Exception) else AsyncRgbError(type(error).__name__)
