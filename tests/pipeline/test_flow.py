"""The flow with fake storage and a fake renderer: what must hold for any input."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncrgb import Converted, Failed, Job, Limits, RenderOptions
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.run import running, slices
from asyncrgb.pipeline.stream import Stream
from tests.pipeline.doubles import FakeStorage, ThreadedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb import Outcome
    from tests.pipeline.conftest import Run

    Work = Callable[[bytes], bytes]

MEMORY = 2**20
PAGE = 4096


def render(data: bytes) -> bytes:
    """Stand in for the renderer: backwards, longer for some images, an error for others."""
    if data[:1] == b"\xff":
        raise ValueError("damaged")
    return data[::-1] * (3 if data[:1] == b"\xee" else 1)


class Bench:
    """A flow on doubles, and what went through it."""

    def __init__(self, storage: FakeStorage, limits: Limits, work: Work) -> None:
        self.storage = storage
        self.executor = ThreadedExecutor(lambda: self.flow._arena, work, limits.worker_count)  # noqa: SLF001 - the double of a worker attaches no memory
        self.flow = Flow(RenderOptions(), limits, self.executor, storage)
        self.delivered: list[tuple[int, Outcome]] = []

    async def convert(self, names: list[str]) -> list[Outcome]:
        stream = Stream(lambda index, outcome: self.delivered.append((index, outcome)))
        jobs = [Job(name, name + ".png") for name in names]
        async with running(self.flow, stream, slices(jobs)):
            await asyncio.wait_for(stream.done(), 60)
        return [outcome for _, outcome in sorted(self.delivered, key=lambda each: each[0])]


async def bench(
    storage: FakeStorage, limits: Limits, use: Callable[[Bench], Any], work: Work = render
) -> Bench:
    it = Bench(storage, limits, work)
    await use(it)
    counters = it.flow.counters()
    await it.flow.aclose()
    assert (counters.leased, counters.ready, counters.rendering) == (0, 0, 0)
    return it


SIZES = st.one_of(st.integers(1, 3 * PAGE), st.integers(1, MEMORY), st.just(2 * MEMORY))
FIRST_BYTES = st.sampled_from([b"\x00", b"\x01", b"\xee", b"\xff"])


@settings(max_examples=40)
@given(
    images=st.lists(st.tuples(SIZES, FIRST_BYTES, st.booleans()), max_size=60),
    workers=st.integers(1, 4),
    batch=st.integers(1, 16),
    reads=st.integers(1, 8),
    writes=st.integers(1, 4),
)
def test_every_source_is_accounted_for_once_within_the_budget(
    images: list[tuple[int, bytes, bool]], workers: int, batch: int, reads: int, writes: int
) -> None:
    files = {f"{n}": first + bytes(size - 1) for n, (size, first, _) in enumerate(images)}
    names = [
        name if there else name + "gone" for name, (*_, there) in zip(files, images, strict=True)
    ]
    limits = Limits(workers=workers, batch=batch, reads=reads, writes=writes, memory=MEMORY)
    storage = FakeStorage(files)
    it = asyncio.run(bench(storage, limits, lambda it: it.convert(names)))

    assert storage.most_leased <= MEMORY
    assert max(it.executor.batches, default=0) <= batch
    assert sorted(index for index, _ in it.delivered) == list(range(len(names)))
    outcomes = [outcome for _, outcome in sorted(it.delivered, key=lambda each: each[0])]
    assert [outcome.source for outcome in outcomes] == names
    for outcome, (size, first, is_there) in zip(outcomes, images, strict=True):
        expected = is_there and size <= MEMORY and first != b"\xff"
        assert isinstance(outcome, Converted if expected else Failed), outcome
    assert storage.written == {
        name + ".png": render(data)
        for name, data in files.items()
        if name in names and len(data) <= MEMORY and data[:1] != b"\xff"
    }
    assert all(times == 1 for times in storage.times_read.values())


def test_a_large_file_is_not_passed_over_by_small_ones(run: Run) -> None:
    files = {f"small{n}": bytes(60_000) for n in range(400)}
    storage = FakeStorage({"large": bytes(900_000)} | files)
    names = [*list(files)[:20], "large", *list(files)[20:]]
    it = run(bench(storage, Limits(workers=2, memory=MEMORY), lambda it: it.convert(names)))
    place = [index for index, _ in it.delivered].index(20)
    assert place < 100, "it waits for the room that it needs, and no longer"


def test_slow_storage_is_read_with_all_readers(run: Run) -> None:
    storage = FakeStorage({f"{n}": bytes(100) for n in range(900)}, seconds=0.05)
    reading: list[int] = []

    async def convert(it: Bench) -> None:
        stream = Stream(lambda *_: reading.append(it.flow.counters().reading))
        async with running(it.flow, stream, slices([Job(name, "o") for name in storage.files])):
            await stream.done()

    run(bench(storage, Limits(workers=2, reads=32), convert))
    assert max(reading) == 32
    assert storage.most_at_once > 16


def test_fast_storage_is_read_with_few(run: Run) -> None:
    storage = FakeStorage({f"{n}": bytes(100) for n in range(3000)})
    run(bench(storage, Limits(workers=2), lambda it: it.convert(list(storage.files))))
    assert storage.most_at_once <= 4


def test_slow_writes_stall_nothing_and_pile_up_nothing(run: Run) -> None:
    storage = FakeStorage({f"{n}": bytes(50_000) for n in range(300)}, write_seconds=0.003)
    limits = Limits(workers=2, memory=MEMORY)
    it = run(bench(storage, limits, lambda it: it.convert(list(storage.files))))
    assert len(storage.written) == 300
    assert storage.most_leased <= MEMORY
    assert Counter(type(outcome) for _, outcome in it.delivered) == {Converted: 300}


def test_failed_writes_are_failures_of_their_files_only(run: Run) -> None:
    storage = FakeStorage({"a": b"\0" * 9, "unwritable": b"\0" * 9, "b": b"\0" * 9})
    it = run(bench(storage, Limits(workers=1), lambda it: it.convert(list(storage.files))))
    failed = [outcome for _, outcome in it.delivered if isinstance(outcome, Failed)]
    assert [each.source for each in failed] == ["unwritable"]
    assert isinstance(failed[0].error, PermissionError)
    assert set(storage.written) == {"a.png", "b.png"}


def test_a_single_image_goes_at_once_and_many_in_batches(run: Run) -> None:
    storage = FakeStorage({f"{n}": bytes(10) for n in range(1000)})

    async def first_one_then_all(it: Bench) -> None:
        await it.convert(["0"])
        assert it.executor.batches == [1]
        it.delivered.clear()
        await it.convert(list(storage.files))

    it = run(bench(storage, Limits(workers=2, batch=64), first_one_then_all))
    assert sum(it.executor.batches[1:]) == 1000
    assert len(it.executor.batches) < 200


def test_a_single_image_does_not_queue_behind_a_folder(run: Run) -> None:
    storage = FakeStorage({f"{n}": b"\x01" + bytes(9) for n in range(3000)})
    rendered: list[bytes] = []

    def slow(data: bytes) -> bytes:
        time.sleep(0.0005)
        rendered.append(data)
        return data[::-1]

    async def both(it: Bench) -> None:
        folder = asyncio.ensure_future(it.convert(list(storage.files)))
        for number in range(10):
            while len(rendered) < 100 * (number + 1):
                await asyncio.sleep(0.001)
            upload, before = b"\x02%d" % number, len(rendered)
            assert await it.flow.render(memoryview(upload), None) == upload[::-1]
            assert rendered.index(upload) - before <= 3 * 8, "two batches, and one just begun"
        assert not folder.done()
        await folder

    run(bench(storage, Limits(workers=1, batch=8), both, slow))


def test_uploads_are_given_room_in_turn(run: Run) -> None:
    ended: list[int] = []

    async def many(it: Bench) -> None:
        async def upload(number: int, size: int) -> None:
            await it.flow.render(memoryview(bytes(size)), None)
            ended.append(number)

        first = [upload(n, 3 * MEMORY // 4) for n in range(5)]
        await asyncio.gather(*first, *(upload(n, 3 * MEMORY // 4) for n in range(5, 20)))

    run(bench(FakeStorage({}), Limits(workers=2, memory=MEMORY), many))
    assert ended == list(range(20))


def test_room_of_an_image_that_nobody_wants_any_more_goes_to_who_waits_for_it(run: Run) -> None:
    """Though that is the last thing to happen: two that need more room, and one that gives up."""
    release = threading.Event()

    def work(image: bytes) -> bytes:
        if image[:1] == b"\x01":
            release.wait(30)
        return render(image)

    async def give_up(it: Bench) -> None:
        growing = memoryview(b"\xee" + bytes(300_000))
        busy = asyncio.ensure_future(it.flow.render(memoryview(b"\x01" + bytes(100_000)), None))
        first, second = (asyncio.ensure_future(it.flow.render(growing, None)) for _ in range(2))
        while len(it.flow._rendering._enlarging) < 2:  # noqa: SLF001 - the moment that counts
            await asyncio.sleep(0.001)
        first.cancel()
        release.set()
        assert len(await asyncio.wait_for(second, 20)) == 3 * len(growing)
        await busy

    run(bench(FakeStorage({}), Limits(workers=3, memory=MEMORY), give_up, work))


def test_two_streams_are_served_in_turn(run: Run) -> None:
    storage = FakeStorage({f"{n}": bytes(10) for n in range(2000)}, seconds=0.0005)

    async def both(it: Bench) -> None:
        many = asyncio.ensure_future(it.convert([str(n) for n in range(1, 2000)]))
        await asyncio.sleep(0.1)
        done: list[int] = []
        stream = Stream(lambda index, _: done.append(index))
        async with running(it.flow, stream, slices([Job("0", "0.png")])):
            await stream.done()
        assert not many.done()
        await many

    run(bench(storage, Limits(workers=2), both))


def test_what_is_cancelled_is_dropped_and_gives_everything_back(run: Run) -> None:
    storage = FakeStorage({f"{n}": bytes(5000) for n in range(500)}, seconds=0.002)

    async def cancel_in_the_middle(it: Bench) -> None:
        conversion = asyncio.ensure_future(it.convert(list(storage.files)))
        while len(it.delivered) < 50:
            await asyncio.sleep(0.001)
        conversion.cancel()
        with pytest.raises(asyncio.CancelledError):
            await conversion
        before = len(it.delivered)
        assert before < len(storage.files), "at once"
        while any(vars_of(it)):
            await asyncio.sleep(0.001)
        assert len(it.delivered) == before
        it.delivered.clear()
        assert len(await it.convert(["1", "2"])) == 2

    run(bench(storage, Limits(workers=2, memory=MEMORY), cancel_in_the_middle))


def vars_of(it: Bench) -> tuple[int, ...]:
    counters = it.flow.counters()
    return counters.reading, counters.ready, counters.rendering, counters.writing, counters.leased


def test_an_error_in_the_callers_callback_comes_out(run: Run) -> None:
    async def fail(it: Bench) -> None:
        def deliver(_: int, __: Outcome) -> None:
            raise ZeroDivisionError("mine")

        stream = Stream(deliver)
        with pytest.raises(ZeroDivisionError, match="mine"):
            async with running(it.flow, stream, slices([Job("0", "0.png")])):
                await stream.done()
        await asyncio.sleep(0.05)

    run(bench(FakeStorage({"0": bytes(10)}), Limits(workers=1), fail))
