"""What is concluded from the notes that workers leave behind."""

from __future__ import annotations

import mmap
import signal
from time import monotonic_ns

import pytest

from asyncrgb import AsyncRgbError, RenderTimeoutError, WorkerCrashError
from asyncrgb.pipeline.memory.arena import Arena
from asyncrgb.pipeline.task import Task
from asyncrgb.pipeline.workers.journal import (
    ENDED,
    OVERWRITING,
    OVERWRITTEN,
    UNDER_WAY,
    UNTOUCHED,
    Account,
    Journal,
    Notes,
)
from asyncrgb.pipeline.workers.recovery import Aftermath, Patience, take_stock

WORKER = 77


class Image(Task):
    @property
    def wanted(self) -> bool:
        return True


def account(*states: int, seconds: float = 0) -> Account:
    return Account(WORKER, monotonic_ns() - int(seconds * 1e9), list(states))


def alone() -> Image:
    image = Image()
    image.alone = True
    return image


def stock(
    tasks: list[Task], noted: Account, status: int = -9, timeout: float | None = None
) -> Aftermath:
    return take_stock(tasks, noted, {WORKER: status}, timeout)


def test_each_image_goes_where_its_state_says() -> None:
    tasks: list[Task] = [Image() for _ in range(5)]
    after = stock(tasks, account(700, OVERWRITTEN, ENDED, UNDER_WAY, UNTOUCHED))
    assert after == Aftermath(
        finished=[(tasks[0], 700)],
        suspects=[tasks[3]],
        whole=[tasks[2], tasks[4]],
        spoilt=[tasks[1]],
        progress=True,
    )
    assert [task.alone for task in tasks] == [False, False, False, True, False]


def test_an_image_that_is_being_overwritten_is_read_again_and_rendered_alone() -> None:
    task = Image()
    assert stock([task], account(OVERWRITING)) == Aftermath(spoilt=[task])
    assert task.alone


@pytest.mark.parametrize("state", [UNDER_WAY, OVERWRITING])
def test_only_who_dies_alone_is_at_fault(state: int) -> None:
    ((task, error),) = stock([alone()], account(state)).failed
    assert task.alone
    assert isinstance(error, WorkerCrashError)


def test_who_is_ended_alone_for_the_sake_of_another_has_one_more_try() -> None:
    task = alone()
    assert stock([task], account(UNDER_WAY), -signal.SIGTERM).suspects == [task]
    assert stock([task], account(UNDER_WAY), -signal.SIGTERM).failed


def test_nothing_begun_is_nobodys_fault_and_no_progress() -> None:
    task = alone()
    assert stock([task], account(UNTOUCHED)) == Aftermath(whole=[task])


@pytest.mark.parametrize(
    ("seconds", "status", "fails"),
    [
        (1.1, -signal.SIGALRM, True),
        (1.1, -signal.SIGTERM, False),  # ended because another took too long
        (1.1, -signal.SIGSEGV, False),
        (0.5, -signal.SIGALRM, False),
    ],
)
def test_too_long_is_who_was_ended_by_the_alarm(seconds: float, status: int, fails: bool) -> None:
    failed = stock([Image()], account(UNDER_WAY, seconds=seconds), status, 1).failed
    assert [type(error) for _, error in failed] == [RenderTimeoutError] * fails


def test_where_nobody_knows_how_a_worker_ended_time_tells() -> None:
    after = take_stock([Image()], account(UNDER_WAY, seconds=1.1), {}, 1)
    assert isinstance(after.failed[0][1], RenderTimeoutError)


def test_patience_ends_and_is_renewed() -> None:
    patience = Patience()
    for _ in range(3):
        for _ in range(5):
            patience.lose()
        patience.renew()
    for _ in range(5):
        patience.lose()
    with pytest.raises(AsyncRgbError, match="died 6 times in a row"):
        patience.lose()


def test_notes_are_read_as_they_were_written_and_places_are_used_again() -> None:
    arena = Arena(mmap.PAGESIZE, extra=Journal.size(2, 3))
    journal = Journal(arena, 2, 3)
    places = [journal.open(3), journal.open(3)]
    first, second = (Notes(arena.memory, place, 3) for place in places)
    first.taken(5)
    first.begin(0)
    first.note(0, 900)
    first.begin(1)
    second.note(2, ENDED)
    worker, began, states = journal.read(places[0], 3)
    assert (worker, states) == (5, [900, UNDER_WAY, UNTOUCHED])
    assert 0 <= monotonic_ns() - began < 10e9
    assert journal.read(places[1], 3) == Account(0, 0, [0, 0, ENDED])
    journal.close(places[0])
    assert journal.open(2) == places[0]
    assert journal.read(places[0], 2) == Account(0, 0, [0, 0])
    assert arena.leased == 0
    assert arena.lease(mmap.PAGESIZE) == (0, mmap.PAGESIZE), "notes take no room from images"
    del first, second
    arena.close()
