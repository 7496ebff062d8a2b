"""How many members a crew settles at, by a clock of the test's own."""

from __future__ import annotations

from itertools import pairwise

import pytest

from asyncrgb.pipeline.crews.strength import Demand, Strength, Trials

TICK = 0.004


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("asyncrgb.pipeline.crews.strength.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def sizes(clock: Clock, strength: Strength, enough: int, seconds: float) -> list[int]:
    """Let the next stage starve with fewer than are enough, and be full with more."""
    seen = []
    for _ in range(round(seconds / TICK)):
        clock.now += TICK
        demand = Demand.MORE if strength.size < enough else Demand.LESS
        strength.note(Demand.SAME if strength.size == enough else demand, TICK)
        seen.append(strength.size)
    return seen


@pytest.mark.parametrize("enough", [1, 2, 3, 7, 20, 50, 64])
def test_it_settles_and_stays_there(enough: int, clock: Clock) -> None:
    strength = Strength(64)
    strength.restart(2)
    settled = sizes(clock, strength, enough, 6)[-500:]
    step = -(-enough // 8) + 1
    assert enough - step <= min(settled) <= max(settled) <= enough + step


def test_it_doubles_while_there_is_hunger_and_knows_its_limit(clock: Clock) -> None:
    strength = Strength(50)
    strength.restart(2)
    seen = sizes(clock, strength, 1000, 0.5)
    assert sorted(set(seen)) == [2, 4, 8, 16, 32, 50]
    assert seen.index(50) < 0.12 / TICK


def test_it_follows_both_ways(clock: Clock) -> None:
    strength = Strength(64)
    strength.restart(2)
    assert sizes(clock, strength, 64, 1)[-1] >= 55
    assert sizes(clock, strength, 4, 3)[-1] <= 6
    assert sizes(clock, strength, 64, 1)[-1] >= 55


def test_waves_of_plenty_and_hunger_change_little(clock: Clock) -> None:
    strength = Strength(64)
    strength.restart(16)
    for number in range(1000):
        clock.now += TICK
        strength.note((Demand.SAME, Demand.SAME, Demand.LESS, Demand.MORE)[number // 2 % 4], TICK)
    assert strength.size == 16


def test_trials_become_rare_where_they_fail(clock: Clock) -> None:
    trials, moments = Trials(), []
    for _ in range(10_000):
        clock.now += TICK
        trials.consider(0.0001)
        if trials.due:
            moments.append(clock.now)
            trials.end(succeeded=False)
    pauses = [round(after - before, 2) for before, after in pairwise(moments)]
    assert pauses == sorted(pauses)
    assert 6 < pauses[-1] < 7
    assert len(moments) < 15


def test_what_takes_long_needs_no_trial(clock: Clock) -> None:
    trials = Trials()
    clock.now += 1
    trials.consider(0.002)
    trials.consider(float("inf"))
    assert not trials.due
