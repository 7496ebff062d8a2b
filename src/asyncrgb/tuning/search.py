"""Under which limits trials go on: coarse, then fine, one limit after the other.

Readers and workers hardly depend on each other: what storage gives by more reads in flight it
gives with any number of workers that keep up. So not each is tried with each. The best number
of readers is found with the workers that there would be anyway, then the best number of
workers with those readers, then writers; then one step up in all, then numbers in between. The
points of one ladder take turns, twice, so that whatever else the machine does hits all of them.
In the end the best and the usual limits take turns for as long as there is time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncrgb.limits import Limits
    from asyncrgb.tuning.trial import Figures

_READS: Final = (1, 4, 16, 64, 256)
_WRITES: Final = (1, 8, 32, 128)
_SEARCHED: Final = ("reads", "workers", "writes")
_TURNS: Final = 2
_MOST: Final = 4096
_PAIRS: Final = 9
_SAME: Final = 0.97  # of the best rate: no reason to take more of the machine
_EXPLORING: Final = 0.65  # of the time; the rest is for the comparison


class Measure(Protocol):
    """Makes a trial."""

    async def __call__(self, limits: Limits) -> Figures:
        """Measure what these limits give."""


@dataclass(slots=True)
class Findings:
    """What trials have shown so far.

    Attributes:
        base: the limits to be compared with.
        trials: the figures of each trial, by its limits.
        pairs: images a second of ``base`` and of ``best``, measured in turn.
        best: the limits that look best.

    """

    base: Limits
    trials: dict[Limits, list[Figures]] = field(default_factory=dict)
    pairs: list[tuple[float, float]] = field(default_factory=list)
    best: Limits = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.base

    def add(self, limits: Limits, figures: Figures) -> None:
        """Take note of a trial."""
        self.trials.setdefault(limits, []).append(figures)

    def rate(self, limits: Limits) -> float:
        """Give the median of what was measured, 0 if nothing was."""
        rates = [each.rate for each in self.trials.get(limits, [])]
        return median(rates) if rates else 0.0

    def choose(self) -> Limits:
        """Give what is best so far; of what is as good, what is closest to the base."""
        best = max(map(self.rate, self.trials), default=0.0)
        good = [each for each in self.trials if self.rate(each) >= _SAME * best]
        self.best = min(good, key=self._cost, default=self.base)
        return self.best

    def _cost(self, limits: Limits) -> tuple[int, int, int, int]:
        """Say how many limits would have to be changed, and what they take of the machine.

        That slow storage leaves workers idle is no reason to have fewer: it may be faster
        another day.
        """
        changed = sum(_number(limits, name) != _number(self.base, name) for name in _SEARCHED)
        return changed, limits.worker_count, limits.reads, limits.writes


def ladders(base: Limits, *, writes: bool) -> dict[str, list[int]]:
    """Give the numbers to be tried for each limit, that of ``base`` among them."""
    found = {
        "reads": sorted({*_READS, base.reads}),
        "workers": _workers(base.worker_count),
        "writes": sorted({*_WRITES, base.writes}) if writes else [],
    }
    return {name: numbers for name, numbers in found.items() if numbers}


def _workers(usual: int) -> list[int]:
    """Double from 1 on, past the number of processors once."""
    numbers = {usual, min(_MOST, 2 * usual)}
    number = 1
    while number < usual:
        numbers.add(number)
        number *= 2
    return sorted(numbers)


class Search:
    """Measures until the time is up.

    Args:
        findings: where the figures go.
        measure: makes a trial.
        left: tells which part of the time is left, from 1 to 0.

    """

    def __init__(self, findings: Findings, measure: Measure, left: Callable[[], float]) -> None:
        self._findings = findings
        self._measure = measure
        self._left = left

    async def run(self, steps: dict[str, list[int]]) -> None:
        """Find the best limits, and compare them with the usual ones."""
        await self._explore(steps)
        await self._compare()

    async def _explore(self, steps: dict[str, list[int]]) -> None:
        best = self._findings.base
        for name, coarse in steps.items():
            if not await self._take_turns([self._with(best, name, each) for each in coarse]):
                return
            best = self._findings.choose()
        if not await self._take_turns([best, self._more_of_all(best, steps)]):
            return
        best = self._findings.choose()
        for name, coarse in steps.items():
            between = _between(_number(best, name), coarse)
            if not await self._take_turns([self._with(best, name, each) for each in between]):
                return
            best = self._findings.choose()

    def _more_of_all(self, limits: Limits, steps: dict[str, list[int]]) -> Limits:
        """Go one step up in all at once: two that are just enough hide each other's use."""
        for name, coarse in steps.items():
            above = [number for number in coarse if number > _number(limits, name)]
            limits = self._with(limits, name, above[0]) if above else limits
        return limits

    def _with(self, limits: Limits, name: str, number: int) -> Limits:
        """Change one number; one that is as in the base is written as there, None for instance."""
        base = self._findings.base
        usual = number == _number(base, name)
        return replace(limits, **{name: getattr(base, name) if usual else number})

    async def _take_turns(self, candidates: Sequence[Limits]) -> bool:
        """Measure each as often as the others; False: time is up."""
        for turn in range(_TURNS):
            for each in candidates:
                if self._left() <= 1 - _EXPLORING:
                    self._findings.choose()
                    return False
                if len(self._findings.trials.get(each, [])) <= turn:
                    self._findings.add(each, await self._measure(each))
        return True

    async def _compare(self) -> None:
        """Let the usual and the best limits take turns, each going first as often."""
        findings, best = self._findings, self._findings.best
        if best == findings.base:
            return
        for number in range(_PAIRS):
            if self._left() <= 0:
                return
            order = (findings.base, best)[:: -1 if number % 2 else 1]
            rates = {}
            for each in order:
                figures = await self._measure(each)
                findings.add(each, figures)
                rates[each] = figures.rate
            findings.pairs.append((rates[findings.base], rates[best]))


def _number(limits: Limits, name: str) -> int:
    return limits.worker_count if name == "workers" else int(getattr(limits, name))


def _between(best: int, numbers: Sequence[int]) -> Iterator[int]:
    """Give what lies halfway, by factors, between a number of a ladder and its neighbours."""
    if best not in numbers:
        return
    at = numbers.index(best)
    for neighbour in (*numbers[max(0, at - 1) : at], *numbers[at + 1 : at + 2]):
        middle = round((best * neighbour) ** 0.5)
        if middle not in (best, neighbour):
            yield middle
