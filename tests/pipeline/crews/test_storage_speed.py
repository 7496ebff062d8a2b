"""Readers and writers find their own number, on storage of any speed, and follow its changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from statistics import quantiles
from threading import Lock
from typing import TYPE_CHECKING

import pytest
import uvloop

from asyncrgb import Job, Limits, RenderOptions
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.run import running, slices
from asyncrgb.pipeline.stream import Stream
from tests.pipeline.doubles import FakeStorage, ThreadedExecutor

if TYPE_CHECKING:
    from asyncrgb.pipeline.memory.arena import Arena, Extent
    from tests.pipeline.conftest import Run

pytestmark = pytest.mark.alone


@pytest.fixture
def run() -> Iterator[Run]:
    """Run coroutines on one event loop: what it is about is threads."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.run


SIZE = 2000


class SlowStorage(FakeStorage):
    """Files, all alike, that take the time of ``latency`` and share a ``bandwidth``.

    ``reads`` and ``writes`` are how many were in flight at the start of each, it counted.
    """

    def __init__(
        self,
        latency: Callable[[int], float] = lambda _: 0,
        *,
        writing: float = 0,
        bandwidth: float = 0,
    ) -> None:
        super().__init__({})
        self.latency = latency
        self.writing = writing
        self.bandwidth = bandwidth
        self.reads: list[int] = []
        self.writes: list[int] = []
        self._now = [0, 0]
        self._free_from = 0.0
        self._lock = Lock()

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:  # noqa: ARG002 - all are alike
        with self._lock:
            self._now[0] += 1
            self.reads.append(self._now[0])
            seconds = self.latency(len(self.reads)) + self._queue()
        _sleep(seconds)
        with self._lock:
            self._now[0] -= 1
        extent = arena.lease(SIZE)
        self.most_leased = max(self.most_leased, arena.leased)
        return None if extent is None else (extent, SIZE)

    def write(self, path: str, data: bytes | memoryview) -> None:  # noqa: ARG002 - the same
        with self._lock:
            self._now[1] += 1
            self.writes.append(self._now[1])
        _sleep(self.writing)
        with self._lock:
            self._now[1] -= 1

    def _queue(self) -> float:
        """Give the seconds until it is one's turn: so many files go through in a second."""
        if not self.bandwidth:
            return 0.0
        now = time.monotonic()
        self._free_from = max(now, self._free_from) + 1 / self.bandwidth
        return self._free_from - now


def _sleep(seconds: float) -> None:
    if seconds:
        time.sleep(seconds)


async def convert(
    storage: SlowStorage, files: int, limits: Limits, seconds_an_image: float = 0
) -> ThreadedExecutor:
    """Convert so many files; give the executor."""

    def render(image: bytes) -> bytes:
        _sleep(seconds_an_image)
        return image[:10]

    executor = ThreadedExecutor(lambda: flow._arena, render, limits.worker_count)  # noqa: SLF001 - the double of a worker attaches no memory
    flow = Flow(RenderOptions(), limits, executor, storage)
    ended: list[int] = []
    stream = Stream(lambda index, _: ended.append(index))
    async with running(flow, stream, slices(Job(str(n), "o") for n in range(files))):
        await asyncio.wait_for(stream.done(), 100)
    assert sorted(ended) == list(range(files))
    await flow.aclose()
    return executor


def spread(numbers: list[int]) -> tuple[float, float]:
    """Give the 10th and the 90th percentile."""
    *_, last = tenths = quantiles(numbers, n=10)
    return tenths[0], last


@pytest.mark.parametrize(("latency", "enough"), [(0.004, 8), (0.012, 24)])
def test_readers_settle_at_what_keeps_the_workers_busy(
    latency: float, enough: int, run: Run
) -> None:
    storage = SlowStorage(lambda _: latency)
    run(convert(storage, 5000, Limits(workers=2), seconds_an_image=0.001))
    parts = [storage.reads[at : at + 500] for at in range(3000, 5000, 500)]
    most = [spread(part)[1] for part in parts]
    # To sleep takes longer than is asked for, of the images more than of the files.
    assert enough / 3 <= min(most), "the workers are kept busy"
    assert max(most) <= 2 * enough, "and no more than that"
    assert max(most) <= 1.5 * min(most) + 1, "without swinging"


def test_all_readers_are_at_work_for_good_where_workers_starve(run: Run) -> None:
    storage = SlowStorage(lambda _: 0.002, bandwidth=1000)
    run(convert(storage, 1500, Limits(workers=2, reads=32)))
    low, high = spread(storage.reads[500:])
    assert (low > 28, high <= 32) == (True, True)


def test_readers_follow_storage_that_gets_slow_and_fast_again(run: Run) -> None:
    slow = range(3000, 5000)
    storage = SlowStorage(lambda number: 0.02 if number in slow else 0)
    run(convert(storage, 15_000, Limits(workers=2, reads=32)))
    assert max(storage.reads[1000:2900]) <= 2
    low, high = spread(storage.reads[4000:4900])
    assert (low > 28, high <= 32) == (True, True)
    assert spread(storage.reads[-2000:]) == (1, 1)


def test_what_comes_from_a_cache_now_and_then_does_not_mislead(run: Run) -> None:
    storage = SlowStorage(lambda number: 0.01 if number % 4 else 0)
    run(convert(storage, 4000, Limits(workers=2, reads=32)))
    settled = storage.reads[1000:]
    assert sum(number > 24 for number in settled) > 0.8 * len(settled)


def test_slow_writes_get_many_writers_and_hold_up_no_readers(run: Run) -> None:
    storage = SlowStorage(lambda _: 0.002, writing=0.025)
    limits = Limits(workers=2, reads=32, writes=32)
    run(convert(storage, 3000, limits))
    low, high = spread(storage.writes[1000:2900])
    assert (low > 24, high <= 32) == (True, True)
    assert len(storage.reads) < 1.1 * 3000, "no file is opened in vain, for want of room"
    assert max(storage.reads) <= 32
    assert storage.most_leased <= 3 * 128 * 4096, "a batch for each worker, and one more"


def test_a_single_writer_is_enough_for_fast_storage(run: Run) -> None:
    storage = SlowStorage(lambda _: 0.005)
    run(convert(storage, 1500, Limits(workers=2, reads=32)))
    assert max(storage.writes) <= 2


@pytest.mark.parametrize(
    "limits",
    [
        Limits(workers=1, reads=1, writes=1, batch=1, memory=2**20),
        Limits(workers=2, reads=3, writes=2, batch=5, memory=2**20),
        Limits(workers=3, reads=17, writes=9, batch=2, memory=2**20),
        Limits(workers=1, reads=40, writes=40, batch=64, memory=2**20),
    ],
    ids=str,
)
def test_no_limit_is_ever_passed(limits: Limits, run: Run) -> None:
    storage = SlowStorage(lambda number: 0.003 if number % 2 else 0, writing=0.003)
    executor = run(convert(storage, 300, limits, 0.0005))
    assert max(storage.reads) <= limits.reads
    assert max(storage.writes) <= limits.writes
    assert max(executor.batches) <= limits.batch
    assert storage.most_leased <= limits.memory
