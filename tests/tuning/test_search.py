"""The search: on machines that are known, it finds what a full sweep would find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb import Limits
from asyncrgb.tuning.search import Findings, Search, ladders
from asyncrgb.tuning.trial import Figures
from asyncrgb.tuning.verdict import bottleneck, verdict

Machine = Callable[[Limits], float]

BASE = Limits(workers=4, reads=64, writes=8)


class Bench:
    """A machine whose trials take one of ``time`` seconds each."""

    def __init__(self, machine: Machine, time: int, noise: float = 0.0, seed: int = 0) -> None:
        self.machine = machine
        self.time = time
        self.spent = 0
        self.asked: list[Limits] = []
        self._noise = noise
        self._random = Random(seed)  # noqa: S311 - noise, no secret

    async def measure(self, limits: Limits) -> Figures:
        self.spent += 1
        self.asked.append(limits)
        return Figures(self.machine(limits) * self._random.gauss(1, self._noise))

    def left(self) -> float:
        return 1 - self.spent / self.time if self.time else 0.0


def searched(bench: Bench, base: Limits = BASE, *, writes: bool = False) -> Findings:
    findings = Findings(base)
    search = Search(findings, bench.measure, bench.left)
    asyncio.run(search.run(ladders(base, writes=writes)))
    return findings


def storage(latency: float, peak: float, render: float) -> Machine:
    """Storage that takes ``latency`` an image, and workers that take ``render``."""

    def rate(limits: Limits) -> float:
        return min(limits.reads / latency, peak, limits.worker_count / render)

    return rate


@given(
    latency=st.floats(0.0001, 0.5),
    peak=st.floats(500, 20_000),
    render=st.floats(0.0001, 0.05),
)
def test_it_comes_within_a_tenth_of_a_full_sweep(
    latency: float, peak: float, render: float
) -> None:
    machine = storage(latency, peak, render)
    steps = ladders(BASE, writes=False)
    best = max(
        machine(replace(BASE, reads=reads, workers=workers))
        for reads, workers in product(steps["reads"], steps["workers"])
    )
    recommended = verdict(searched(Bench(machine, 60))).limits
    assert machine(recommended) >= 0.9 * best


def test_slow_storage_gets_more_readers_and_the_gain_is_told() -> None:
    found = verdict(searched(Bench(storage(0.1, 1e9, 0.001), 60)))
    assert found.limits == replace(BASE, reads=256)
    assert found.gain == pytest.approx(256 / 64)
    assert found.confirmed


def test_slow_results_get_more_writers() -> None:
    bench = Bench(lambda limits: min(limits.writes * 100, 2000.0), 80)
    assert verdict(searched(bench, writes=True)).limits.writes in range(18, 33)


def test_writers_are_left_alone_where_there_is_no_destination() -> None:
    bench = Bench(lambda limits: min(limits.writes * 100, 2000.0), 60)
    assert {each.writes for each in [*searched(bench).trials]} == {BASE.writes}


def test_what_is_as_good_with_less_is_taken() -> None:
    """Nobody gets 256 readers for a storage that 64 use up, nor workers that find no work."""
    found = verdict(searched(Bench(storage(0.001, 3000, 0.01), 60), Limits(workers=1))).limits
    assert (found.reads, found.worker_count) == (64, 2)


def test_where_all_is_the_same_the_defaults_are_right() -> None:
    findings = searched(Bench(lambda _: 1000.0, 60))
    assert findings.best == BASE
    assert verdict(findings).limits == BASE
    assert not findings.pairs, "there was nothing to compare, and yet it took its time"


def test_noise_is_hardly_ever_a_reason_to_change_anything() -> None:
    misled = 0
    for seed in range(200):
        findings = searched(Bench(lambda _: 1000.0, 60, noise=0.05, seed=seed))
        misled += verdict(findings).limits != BASE
    assert misled <= 4


@pytest.mark.parametrize("seed", range(20))
def test_what_matters_is_found_through_noise(seed: int) -> None:
    bench = Bench(storage(0.1, 1500, 0.0001), 60, noise=0.1, seed=seed)
    assert bench.machine(verdict(searched(bench)).limits) >= 1350


@pytest.mark.parametrize("time", [1, 2, 5, 10, 20, 40])
def test_it_ends_when_the_time_is_up(time: int) -> None:
    bench = Bench(storage(0.1, 1e9, 0.001), time)
    findings = searched(bench)
    assert bench.spent <= time + 1
    assert findings.best in {*findings.trials, BASE}


def test_without_time_to_compare_it_says_so() -> None:
    findings = Findings(BASE)
    faster = replace(BASE, reads=256)
    findings.add(BASE, Figures(100.0))
    findings.add(faster, Figures(300.0))
    assert findings.choose() == faster
    found = verdict(findings)
    assert found.limits == faster
    assert found.gain == pytest.approx(3.0)
    assert not found.confirmed


@pytest.mark.parametrize(
    ("later", "pairs"),
    [(50.0, []), (100.0, [(100.0, 90.0)]), (140.0, [(100.0, 140.0), (110.0, 105.0)])],
)
def test_what_a_few_pairs_speak_against_is_not_recommended(
    later: float, pairs: list[tuple[float, float]]
) -> None:
    findings = Findings(BASE)
    seemed_faster = replace(BASE, reads=256)
    findings.add(BASE, Figures(100.0))
    findings.add(seemed_faster, Figures(130.0))
    assert findings.choose() == seemed_faster
    for _ in range(2):
        findings.add(seemed_faster, Figures(later))
    findings.pairs = pairs
    found = verdict(findings)
    assert found.limits == BASE
    assert not found.confirmed


def test_without_any_time_nothing_is_said() -> None:
    assert verdict(searched(Bench(lambda _: 1.0, 0))).limits == BASE


def test_points_of_a_ladder_take_turns() -> None:
    bench = Bench(lambda _: 1000.0, 60)
    searched(bench)
    assert [each.reads for each in bench.asked[:10]] == [1, 4, 16, 64, 256] * 2


def test_neither_of_two_that_are_compared_always_goes_first() -> None:
    bench = Bench(storage(0.1, 1e9, 0.001), 60)
    findings = searched(bench)
    firsts = [each == BASE for each in bench.asked[-2 * len(findings.pairs) :: 2]]
    assert abs(sum(firsts) - sum(not each for each in firsts)) <= 1


def test_the_usual_number_of_workers_stays_derived() -> None:
    """A file of settings is not to hold the processors of this machine for nothing."""
    usual = Limits()
    findings = searched(Bench(storage(0.1, 1e9, 0.0001), 60), usual)
    assert verdict(findings).limits == Limits(reads=256)


def test_ladders_hold_what_is_usual_here() -> None:
    steps = ladders(Limits(workers=12, reads=10, writes=5), writes=True)
    assert steps == {
        "reads": [1, 4, 10, 16, 64, 256],
        "workers": [1, 2, 4, 8, 12, 24],
        "writes": [1, 5, 8, 32, 128],
    }


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (Figures(1, reads=63.4), "storage: 63.4 of 64 reads in flight"),
        (Figures(1, reads=64.2), "storage: 64.0 of 64 reads in flight"),
        (Figures(1, reads=10, renders=3.9), "rendering: 3.9 of 4 workers busy"),
        (Figures(1, reads=10, renders=3.9, writes=7.9), "results: 7.9 of 8 writes in flight"),
        (Figures(1, reads=10, renders=2, writes=1), "no limit is reached"),
        (Figures(1), "no limit is reached"),
    ],
)
def test_the_bottleneck_has_a_name(figures: Figures, expected: str) -> None:
    assert bottleneck(BASE, figures) == expected


def test_processors_that_are_all_busy_are_the_bottleneck() -> None:
    count = Limits().worker_count
    figures = Figures(1, processors=0.97 * count, renders=0.5)
    assert bottleneck(BASE, figures) == f"processors: {0.97 * count:.1f} of {count} busy"


def test_a_gain_that_not_even_three_of_four_pairs_show_is_noise() -> None:
    findings = Findings(BASE)
    best = replace(BASE, reads=256)
    findings.add(BASE, Figures(100.0))
    findings.add(best, Figures(130.0))
    findings.choose()
    findings.pairs = [(100, 130), (100, 98), (100, 120), (100, 99), (100, 140)]
    found = verdict(findings)
    assert found.limits == BASE
    assert (found.gain, found.low, found.high) == (1.2, 0.98, 1.4)
    findings.pairs[1] = (100, 118)
    assert verdict(findings).limits == best


def test_a_gain_that_is_smaller_than_the_spread_of_pairs_is_noise() -> None:
    findings = Findings(BASE)
    best = replace(BASE, reads=256)
    findings.add(best, Figures(130.0))
    findings.choose()
    findings.pairs = [(100, 110), (100, 240), (100, 101), (100, 102)]
    assert verdict(findings).limits == BASE
    findings.pairs = [(100, 110), (100, 112), (100, 108), (100, 107)]
    assert verdict(findings).limits == best
