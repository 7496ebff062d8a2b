"""The whole of it: find files, look at the storage, search, within a given time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.stretches import PercentileStretch
from asyncrgb.tuning.sample import find_sample
from asyncrgb.tuning.search import Findings, Search, ladders
from asyncrgb.tuning.trial import Terms, chip, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.tuning.results import Results
    from asyncrgb.tuning.sample import Rates, Sample
    from asyncrgb.tuning.trial import Figures

# parts of the time
_LISTING: Final = 0.05
_PROBING: Final = 0.1
_CEILING: Final = 0.08
_TRIAL: Final = 1 / 60
_LARGEST: Final = 1 / 25
_READS: Final = 20  # one after the other
_SHORTEST: Final = 0.25  # seconds of a trial
_LONGEST: Final = 5.0
_IMAGES: Final = 4_000


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be found out.

    Attributes:
        source: folder of the TIFFs, or a file.
        destination: folder of results; None: there is none, so that writing is not tuned.
        options: how to render.
        limits: those to be compared with.
        seconds: how long it may take, roughly.
        say: hears what goes on, in a few words, and how many seconds have gone by.
        wanted: asked again and again whether to go on.

    """

    source: str
    destination: str | None
    options: RenderOptions
    limits: Limits
    seconds: float
    say: Callable[[str, float], None]
    wanted: Callable[[], bool]


@dataclass(slots=True)
class Tuning:
    """What is known so far; grows while ``tune`` is under way.

    Attributes:
        findings: the trials.
        sample: the files.
        rates: what the cache does.
        ceiling: files a second that plain threads read, by how many they are.

    """

    findings: Findings
    sample: Sample | None = None
    rates: Rates | None = None
    ceiling: dict[int, float] = field(default_factory=dict)


async def tune(task: Task, results: Results, tuning: Tuning) -> None:
    """Measure, and put what is found into ``tuning``.

    Raises:
        AsyncRgbError, OSError: there is nothing to measure, or none of it can be converted.

    """
    await _Tuner(task, results, tuning).run()


class _Tuner:
    def __init__(self, task: Task, results: Results, tuning: Tuning) -> None:
        self._task = task
        self._results = results
        self._tuning = tuning
        self._began = perf_counter()

    async def run(self) -> None:
        task, tuning = self._task, self._tuning
        self._say("listing")
        folder = await asyncio.to_thread(self._results.make)
        tuning.sample = await find_sample(
            task.source,
            task.destination or folder,
            task.options,
            seconds=_LISTING * task.seconds,
            wanted=task.wanted,
        )
        if not task.wanted():
            return
        steps = ladders(task.limits, writes=task.destination is not None)
        await self._look_at_storage(tuning.sample, steps["reads"])
        terms = await self._terms(tuning.sample)

        async def measure(limits: Limits) -> Figures:
            self._say(
                f"{limits.reads} readers, {limits.worker_count} workers, {limits.writes} writers"
            )
            place = self._results.next()
            figures = await trial(terms, limits, place)
            await asyncio.to_thread(self._results.keep, place, figures.written)
            return figures

        await Search(tuning.findings, measure, self._left).run(steps)

    async def _look_at_storage(self, sample: Sample, numbers: list[int]) -> None:
        task, tuning = self._task, self._tuning
        self._say("storage")
        tuning.rates = await asyncio.to_thread(
            sample.probe, task.limits.reads, _PROBING * task.seconds
        )
        for number in numbers:
            if task.wanted():
                self._say(f"{number} plain threads")
                tuning.ceiling[number] = await asyncio.to_thread(
                    sample.ceiling, number, _CEILING * task.seconds / len(numbers)
                )

    async def _terms(self, sample: Sample) -> Terms:
        return Terms(
            options=_for_single_images(self._task.options),
            sample=sample,
            seconds=self._trial_seconds(),
            images=_IMAGES,
            warm_up=await asyncio.to_thread(chip),
            wanted=self._task.wanted,
        )

    def _trial_seconds(self) -> float:
        """Give each trial its share, and on slow storage more: readers double read by read."""
        rates, whole = self._tuning.rates, self._task.seconds
        latency = rates.threads / rates.first if rates is not None and rates.first else 0.0
        wanted = max(_SHORTEST, _TRIAL * whole, min(_READS * latency, _LARGEST * whole))
        return min(wanted, _LONGEST)

    def _say(self, what: str) -> None:
        self._task.say(what, perf_counter() - self._began)

    def _left(self) -> float:
        if not self._task.wanted():
            return 0.0
        return 1 - (perf_counter() - self._began) / self._task.seconds


def _for_single_images(options: RenderOptions) -> RenderOptions:
    """Have percentiles of a dataset be those of each image, which takes about as long."""
    if not isinstance(options.stretch, PercentileStretch):
        return options
    return replace(options, stretch=replace(options.stretch, scope="image"))
