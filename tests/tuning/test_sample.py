"""The files of trials, and what is found out about the cache that they may lie in."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pytest

import asyncrgb
from asyncrgb import OptionsError, RenderOptions
from asyncrgb.tuning.sample import Cache, Disk, Sample, find_sample

if TYPE_CHECKING:
    from collections.abc import Callable


THREADS = 8


class FakeDisk(Disk):
    """A disk that takes its time for what is in no cache, by a clock of its own.

    That clock goes on with what is read, so that how busy the machine is makes no difference.
    """

    def __init__(self, slow: float, quick: float, *, droppable: bool) -> None:
        self.cached: set[str] = set()
        self.slow = slow
        self.quick = quick
        self.droppable = droppable
        self.now = 0.0
        self._lock = Lock()

    def clock(self) -> float:
        return self.now

    def read(self, path: str) -> None:
        with self._lock:
            self.now += (self.quick if path in self.cached else self.slow) / THREADS
            self.cached.add(path)

    def drop(self, path: str) -> None:
        with self._lock:
            if self.droppable:
                self.cached.discard(path)


class SleepingDisk(Disk):
    """A disk that takes real time, and notes how many read at once."""

    def __init__(self) -> None:
        self.count = self.most = self._reading = 0
        self._lock = Lock()

    def read(self, path: str) -> None:  # noqa: ARG002 - all are alike
        self._change(1)
        time.sleep(0.01)
        self._change(-1)

    def drop(self, path: str) -> None:
        raise AssertionError(f"nobody has found out whether it is of use to drop {path}")

    def _change(self, by: int) -> None:
        with self._lock:
            self._reading += by
            self.most = max(self.most, self._reading)
            self.count += by > 0


@pytest.fixture
def sample_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeDisk, int], Sample]:
    """Give samples of files on a disk, whose clock is the one that counts."""

    def on(disk: FakeDisk, count: int) -> Sample:
        monkeypatch.setattr("asyncrgb.tuning.sample.perf_counter", disk.clock)
        return Sample([str(number) for number in range(count)], count, disk=disk)

    return on


def test_a_cache_that_can_be_emptied_is_emptied_before_files_come_again(
    sample_on: Callable[[FakeDisk, int], Sample],
) -> None:
    disk = FakeDisk(0.02, 0.002, droppable=True)
    sample = sample_on(disk, 3000)
    rates = sample.probe(THREADS, 0.6)
    assert sample.cache is Cache.DROPPED
    assert (rates.first, rates.again, rates.dropped) == pytest.approx((400, 4000, 400))
    used = list(islice(sample.fresh(), 100))
    for path in used:
        disk.read(path)
    sample.settle(8)
    assert not disk.cached & {*used}
    assert list(islice(sample.fresh(), 100)) == [str(int(path) + 100) for path in used]


def test_then_each_file_comes_once_in_a_trial() -> None:
    sample = Sample([str(number) for number in range(10)], 10)
    sample.cache = Cache.DROPPED
    assert sorted(sample.fresh(), key=int) == [str(number) for number in range(10)]
    list(islice(sample.fresh(), 3))
    assert sorted(sample.fresh(), key=int) == [str(number) for number in range(10)]


@pytest.mark.parametrize(("count", "droppable"), [(3000, False), (500, True)])
def test_else_all_that_is_measured_is_in_the_cache(
    sample_on: Callable[[FakeDisk, int], Sample], count: int, droppable: bool
) -> None:
    disk = FakeDisk(0.02, 0.002, droppable=droppable)
    sample = sample_on(disk, count)
    sample.probe(THREADS, 0.6)
    assert sample.cache is Cache.WARM
    assert 0 < len(sample) <= 1500
    sample.settle(8)
    assert {*sample.paths} <= disk.cached
    assert len(list(islice(sample.fresh(), 5000))) == 5000


@pytest.mark.parametrize("seconds", [0.002, 0.01])
def test_storage_that_keeps_nothing_is_taken_as_it_is(
    sample_on: Callable[[FakeDisk, int], Sample], seconds: float
) -> None:
    sample = sample_on(FakeDisk(seconds, seconds, droppable=True), 3000)
    sample.probe(THREADS, 0.6)
    assert sample.cache is Cache.EQUAL
    first = list(islice(sample.fresh(), 2000))
    assert len({*first, *islice(sample.fresh(), 1000)}) == 3000


@pytest.mark.parametrize("threads", [1, 8])
def test_plain_threads_read_as_many_files_as_their_number_lets_them(threads: int) -> None:
    disk = SleepingDisk()
    began = time.perf_counter()
    rate = Sample([str(number) for number in range(3000)], 3000, disk=disk).ceiling(threads, 0.3)
    took = time.perf_counter() - began
    assert disk.most == threads
    assert disk.count / took <= rate <= disk.count / 0.3


def test_it_ends_when_nobody_wants_more() -> None:
    disk = FakeDisk(0.01, 0.01, droppable=True)
    sample = Sample([str(number) for number in range(3000)], 3000, lambda: False, disk)
    sample.probe(8, 1000)
    assert not disk.cached


def test_files_are_chosen_evenly_and_results_are_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncrgb.tuning.sample.MOST", 10)
    asyncrgb.write_samples(tmp_path, 25)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.tif").touch()
    found = asyncio.run(
        find_sample(
            str(tmp_path), str(tmp_path / "out"), RenderOptions(), seconds=60, wanted=lambda: True
        )
    )
    everything = sorted(map(str, tmp_path.glob("*/*_*.tif")))
    assert found.total == 25
    assert len(found) == 9
    assert {*found.paths} < {*everything}
    assert not list((tmp_path / "out").glob(".*"))


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"no \.tif"):
        asyncio.run(
            find_sample(
                str(tmp_path), str(tmp_path), RenderOptions(), seconds=60, wanted=lambda: True
            )
        )
