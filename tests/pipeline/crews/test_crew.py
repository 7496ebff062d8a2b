from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import pytest

from asyncrgb.pipeline.background import Background
from asyncrgb.pipeline.crews import crew
from asyncrgb.pipeline.crews.crew import Crew
from asyncrgb.pipeline.crews.shift import Shift
from asyncrgb.pipeline.crews.strength import Demand
from asyncrgb.pipeline.means import Means, Threads
from asyncrgb.pipeline.memory.arena import Arena
from asyncrgb.pipeline.storage.places import Places
from tests.pipeline.doubles import FakeStorage

if TYPE_CHECKING:
    from tests.pipeline.conftest import Run


class Errand:
    """A number of things to do, each of which takes its time, waiting or working."""

    def __init__(self, things: int, do: Callable[[], None]) -> None:
        self.left = list(range(things))
        self.done: list[int] = []
        self.at_once = self.most_at_once = self.most_members = 0
        self.crew: Crew[int] | None = None
        self._do = do
        self._lock = Lock()

    def step(self) -> int | None:
        with self._lock:
            if not self.left:
                return None
            thing = self.left.pop()
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self._do()
        with self._lock:
            self.at_once -= 1
        return thing

    def demand(self) -> Demand:
        self.most_members = max(self.most_members, len(self.crew or ()))
        return Demand.MORE if self.left else Demand.NONE


async def work(errand: Errand, limit: int) -> list[BaseException]:
    errors: list[BaseException] = []
    background = Background(errors.append)
    threads, arena = Threads(limit), Arena(2**20)
    errand.crew = workers = Crew(
        step=errand.step,
        demand=errand.demand,
        things=lambda: len(errand.left),
        deliver=errand.done.extend,
        limit=limit,
        means=Means(arena, Places(FakeStorage({})), threads, background),
    )
    workers.poke()
    workers.poke()
    await background.rest()
    assert len(workers) == 0
    threads.stop()
    arena.close()
    return errors


class Clock:
    """The time of a crew whose one member has a processor to itself, whatever else runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = self._ran = 0.0
        monkeypatch.setattr(crew, "monotonic", lambda: self._now)
        monkeypatch.setattr(crew, "thread_time", lambda: self._ran)
        monkeypatch.setattr(crew, "_queued_seconds", lambda: 0.0)

    def wait(self, seconds: float) -> None:
        self._now += seconds

    def compute(self) -> None:
        self._now += 0.001
        self._ran += 0.001


def test_a_crew_whose_storage_waits_grows_to_its_limit_and_not_beyond(run: Run) -> None:
    errand = Errand(300, lambda: time.sleep(0.01))
    assert run(work(errand, limit=16)) == []
    assert errand.most_members == 16
    assert 4 < errand.most_at_once <= 16
    assert sorted(errand.done) == list(range(300))


def test_a_crew_that_only_computes_stays_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    errand = Errand(300, Clock(monkeypatch).compute)
    assert run(work(errand, limit=16)) == []
    assert errand.most_at_once == 1
    assert sorted(errand.done) == list(range(300))


@pytest.mark.parametrize("halts", [{150}, {50, 100, 150, 200, 250}])
def test_a_machine_that_halts_now_and_then_is_no_slow_storage(
    run: Run, monkeypatch: pytest.MonkeyPatch, halts: set[int]
) -> None:
    clock = Clock(monkeypatch)

    def halt_or_compute() -> None:  # long enough for the whole hop to look like waiting
        clock.wait(0.1) if len(errand.left) in halts else clock.compute()

    errand = Errand(300, halt_or_compute)
    assert run(work(errand, limit=16)) == []
    assert errand.most_members == 1
    assert errand.crew is not None
    assert not errand.crew.waits
    assert sorted(errand.done) == list(range(300))


def test_nothing_to_do_enlists_nobody(run: Run) -> None:
    errand = Errand(0, lambda: None)
    assert run(work(errand, limit=16)) == []
    assert errand.most_at_once == 0


def test_an_error_of_a_step_comes_out(run: Run) -> None:
    def fail() -> None:
        raise RuntimeError("broken step")

    (error,) = run(work(Errand(1, fail), limit=2))
    assert str(error) == "broken step"


def test_the_threads_are_not_those_of_the_event_loop(run: Run) -> None:
    async def with_a_blocked_default_executor() -> None:
        loop = asyncio.get_running_loop()
        sleepers = [loop.run_in_executor(None, time.sleep, 0.5) for _ in range(64)]
        errand = Errand(5, lambda: None)
        await asyncio.wait_for(work(errand, limit=2), timeout=0.4)
        for sleeper in sleepers:
            sleeper.cancel()
        await asyncio.wait(sleepers)

    run(with_a_blocked_default_executor())


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_holds_whatever_it_is(limit: int, run: Run) -> None:
    errand = Errand(40, lambda: time.sleep(0.01))
    run(work(errand, limit=limit))
    assert errand.most_members == limit
    assert errand.most_at_once <= limit


def test_what_is_done_in_a_shift_counts_until_somebody_has_heard_of_it() -> None:
    left = [1, 2, 3]
    shift: Shift[int] = Shift(lambda: left.pop() if left else None, lambda: len(left))
    assert shift.work() is False
    assert shift.done == 3
    things, quickest = shift.collect()
    assert (things, shift.done) == ([3, 2, 1], 0)
    assert 0 <= quickest <= shift.latency <= shift.seconds
    assert shift.collect() == ([], float("inf"))


def test_nobody_begins_what_there_is_no_room_for() -> None:
    shift: Shift[int] = Shift(lambda: 1, lambda: -1)
    assert shift.work() is False
    assert shift.collect()[0] == []


def test_one_leaves_for_each_that_is_to_leave() -> None:
    shift: Shift[int] = Shift(lambda: 1, lambda: 1)
    shift.leaving = 1
    assert shift.work() is False
    assert shift.leaving == 0
    assert shift.done == 1


@pytest.mark.parametrize(("members", "trial"), [(1, True), (2, False)])
def test_who_leaves_a_shift_lets_go_of_what_is_done(run: Run, members: int, trial: bool) -> None:
    """Nobody else may come to collect it: without it, a conversion would never end."""
    errand = Errand(1, lambda: None)

    async def leave() -> None:
        threads, arena = Threads(1), Arena(2**20)
        crew = Crew(
            step=errand.step,
            demand=errand.demand,
            things=lambda: len(errand.left),
            deliver=errand.done.extend,
            limit=1,
            means=Means(arena, Places(FakeStorage({})), threads, Background(lambda _: None)),
        )

        async def shift(**_: object) -> bool:
            crew._shift._handled.append((7, 0.01))  # noqa: SLF001 - as the last thing in its time
            errand.left.clear()
            return True

        crew._in_shifts, crew._members = True, members  # noqa: SLF001 - the moment that counts
        crew._trials.due, crew._shift_on_thread = trial, shift  # noqa: SLF001
        assert not await crew._work_a_shift()  # noqa: SLF001
        threads.stop()
        arena.close()

    run(leave())
    assert errand.done == [7]


def test_what_was_done_in_shifts_is_collected_when_shifts_end(run: Run) -> None:
    errand = Errand(1, lambda: None)

    async def end() -> None:
        threads, arena = Threads(1), Arena(2**20)
        crew = Crew(
            step=errand.step,
            demand=errand.demand,
            things=lambda: len(errand.left),
            deliver=errand.done.extend,
            limit=1,
            means=Means(arena, Places(FakeStorage({})), threads, Background(lambda _: None)),
        )
        crew._in_shifts, crew._members = True, 1  # noqa: SLF001 - the moment that counts
        overseeing = asyncio.ensure_future(crew._oversee())  # noqa: SLF001
        await asyncio.sleep(0)
        crew._shift._handled.append((7, 0.01))  # noqa: SLF001
        crew._in_shifts = False  # noqa: SLF001 - as after a trial that was quick
        await overseeing
        threads.stop()
        arena.close()

    run(end())
    assert errand.done == [7]
