"""Workers that die, hang, or want too much: what it costs, and what it must not."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import signal
import time
import zlib
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    Converter,
    Counters,
    Failed,
    FixedStretch,
    Job,
    LimitError,
    Limits,
    OptionsError,
    Outcome,
    RenderOptions,
    RenderTimeoutError,
    Statistics,
    WorkerCrashError,
)
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.run import running, slices
from asyncrgb.pipeline.stream import Stream
from asyncrgb.pipeline.workers.orders import Measure
from tests.pipeline import faults
from tests.pipeline.conftest import Run
from tests.pipeline.doubles import FakeStorage
from tests.pipeline.faults import faulty

TWO = Limits(workers=2)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)
GENEROUS = 20  # seconds, on a busy machine


def workers() -> list[psutil.Process]:
    """Find our worker processes: the grandchildren by way of the fork server."""
    servers = {each.pid for each in psutil.Process().children()}
    found = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end at any moment
            if each.ppid() in servers and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> Iterator[None]:
    """See to it that each test leaves no process and no shared memory."""
    yield
    assert not workers()
    gc.collect()  # what tests before this one left in cycles
    links = []
    for each in os.scandir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            links.append(os.readlink(each.path))
    assert not [each for each in links if "memfd:asyncrgb" in each]


@pytest.fixture(scope="module")
def chips(make_chip: Callable[..., bytes]) -> dict[str, bytes]:
    return {f"{n}": make_chip(seed=n, size=32) for n in range(60)}


class Bench:
    """A flow with real workers on files in memory."""

    def __init__(self, files: dict[str, bytes], limits: Limits = TWO) -> None:
        self.storage = FakeStorage(files)
        self.flow = Flow(RenderOptions(), limits, storage=self.storage)
        self.options: dict[str, RenderOptions] = {}
        self.outcomes: dict[str, Outcome] = {}

    async def convert(self, action: Measure | None = None) -> Statistics:
        total = Statistics()
        stream = Stream(self._note, action=action, absorb=total.merge)
        jobs = [Job(name, name, self.options.get(name)) for name in self.storage.files]
        async with running(self.flow, stream, slices(jobs)):
            await stream.done()
        return total

    def _note(self, _: int, outcome: Outcome) -> None:
        assert outcome.source not in self.outcomes
        self.outcomes[outcome.source] = outcome

    @property
    def failed(self) -> dict[str, Exception]:
        every = self.outcomes.values()
        return {each.source: each.error for each in every if isinstance(each, Failed)}

    def check(self, *, unlike: set[str]) -> None:
        """See that all pictures are what they should be, but for those."""
        written = self.storage.written
        assert written.keys() == self.storage.files.keys() - unlike
        for name, data in written.items():
            assert data == asyncrgb.render(self.storage.files[name]), name


def benched(
    run: Run, it: Callable[[], Bench], use: Callable[[Bench], Coroutine[Any, Any, None]]
) -> Bench:
    async def within() -> Bench:
        bench = it()
        try:
            await asyncio.wait_for(use(bench), 60)
            await at_rest(bench.flow)
        finally:
            await asyncio.wait_for(bench.flow.aclose(), GENEROUS)
        return bench

    bench: Bench = run(within())
    return bench


async def at_rest(it: Flow | Converter) -> None:
    async with asyncio.timeout(GENEROUS):
        while it.counters() != REST:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("harm", [faults.leave, faults.segfault, faults.killed, faults.terminated])
def test_a_worker_that_dies_costs_one_file_and_the_others_are_not_read_again(
    harm: Callable[[], None], chips: dict[str, bytes], run: Run
) -> None:
    async def convert(it: Bench) -> None:
        it.options["40"] = faulty(harm)
        await it.convert()

    it = benched(run, lambda: Bench(chips, Limits(workers=2, batch=16)), convert)
    assert list(it.failed) == ["40"]
    assert isinstance(it.failed["40"], WorkerCrashError)
    it.check(unlike={"40"})
    again = [name for name, times in it.storage.times_read.items() if times > 1]
    assert len(again) <= 2 * 3, "only those whose exposure was lost with their workers"
    assert "40" not in again


def test_two_files_at_fault_are_both_found(chips: dict[str, bytes], run: Run) -> None:
    async def convert(it: Bench) -> None:
        it.options |= {"7": faulty(faults.leave), "8": faulty(faults.segfault)}
        await it.convert()

    it = benched(run, lambda: Bench(chips), convert)
    assert it.failed.keys() == {"7", "8"}
    it.check(unlike={"7", "8"})


def test_a_worker_that_somebody_kills_costs_nothing(
    chips: dict[str, bytes], tmp_path: Path, run: Run
) -> None:
    async def convert(it: Bench) -> None:
        it.options["30"] = faulty(
            faults.die_once, str(tmp_path / f"mark{len(os.listdir(tmp_path))}")
        )
        await it.convert()

    it = benched(run, lambda: Bench(chips), convert)
    assert not it.failed
    it.check(unlike=set())
    assert it.storage.times_read["30"] == 1


def test_what_was_counted_by_a_worker_that_died_is_counted_again_without_reading(
    chips: dict[str, bytes], tmp_path: Path, run: Run
) -> None:
    images = []

    async def measure(it: Bench) -> None:
        options = faulty(faults.die_once, str(tmp_path / f"mark{len(os.listdir(tmp_path))}"))
        images.append((await it.convert(Measure(1, options, every=True))).images)

    it = benched(run, lambda: Bench(chips, Limits(workers=2, batch=8)), measure)
    assert images == [len(chips)]
    assert set(it.storage.times_read.values()) == {1}


def test_uploads_survive_the_crash_of_another(chips: dict[str, bytes], run: Run) -> None:
    async def render() -> None:
        async with Converter(limits=TWO) as converter:
            options = [faulty(faults.segfault) if n == 9 else None for n in range(len(chips))]
            jobs = map(converter.render, chips.values(), options)
            results = await asyncio.gather(*jobs, return_exceptions=True)
            assert converter.counters() == REST
        for n, (data, result) in enumerate(zip(chips.values(), results, strict=True)):
            if n == 9:
                assert isinstance(result, WorkerCrashError)
            else:
                assert result == asyncrgb.render(data)

    run(render())


def test_a_decoder_that_leaves_the_interpreter_costs_its_file_only(
    chips: dict[str, bytes], run: Run
) -> None:
    async def convert(it: Bench) -> None:
        it.options["3"] = faulty(faults.leaving)
        await it.convert()
        assert it.flow._staff.number == 1, "no worker was lost"  # noqa: SLF001

    it = benched(run, lambda: Bench(chips), convert)
    assert it.failed.keys() == {"3"}
    assert "SystemExit" in str(it.failed["3"])


def test_workers_that_always_die_end_the_run(chips: dict[str, bytes], run: Run) -> None:
    async def convert(it: Bench) -> None:
        began = time.monotonic()
        upload = asyncio.ensure_future(it.flow.render(memoryview(chips["0"]), None))
        with pytest.raises(AsyncRgbError, match=r"died \d times in a row.*--workers"):
            await it.convert()
        with pytest.raises(AsyncRgbError, match="in a row"):
            await upload
        with pytest.raises(AsyncRgbError, match="in a row"):
            await it.flow.render(memoryview(chips["0"]), None)
        with pytest.raises(AsyncRgbError, match="in a row"):
            await it.convert()
        assert time.monotonic() - began < GENEROUS

    benched(run, lambda: Bench(chips, faults.FaultyLimits(workers=2)), convert)


def test_who_waits_for_room_hears_of_the_end_too(chips: dict[str, bytes], run: Run) -> None:
    limits = faults.FaultyLimits(workers=1, memory=2**20)

    async def render(it: Bench) -> None:
        large = memoryview(bytes(600_000))
        uploads = [it.flow.render(large, None) for _ in range(4)]
        results = await asyncio.gather(*uploads, return_exceptions=True)
        assert all("in a row" in str(each) for each in results)

    benched(run, lambda: Bench(chips, limits), render)


def test_who_is_about_to_take_room_hears_of_the_end_too(chips: dict[str, bytes], run: Run) -> None:
    async def render(it: Bench) -> None:
        large = memoryview(bytes(600_000))
        first = asyncio.ensure_future(it.flow.render(large, None))
        second = asyncio.ensure_future(it.flow.render(large, None))
        await asyncio.sleep(0)
        it.flow.poke()  # there may be room, so it is told
        it.flow._fail(AsyncRgbError("the end"))  # noqa: SLF001
        for each in (first, second):
            with pytest.raises(AsyncRgbError, match="the end"):
                await asyncio.wait_for(each, GENEROUS)

    benched(run, lambda: Bench(chips, Limits(workers=1, memory=2**20)), render)


@pytest.mark.parametrize("harm", [faults.stuck, faults.deaf])
def test_an_image_that_takes_too_long_fails_alone_and_at_once(
    harm: Callable[[], None], chips: dict[str, bytes], run: Run
) -> None:
    async def convert(it: Bench) -> None:
        it.options["20"] = faulty(harm)
        await it.convert()
        assert it.flow._staff.number == 2, "no second try"  # noqa: SLF001

    it = benched(run, lambda: Bench(chips, Limits(workers=2, timeout=1.25)), convert)
    assert it.failed.keys() == {"20"}
    assert isinstance(it.failed["20"], RenderTimeoutError)
    assert "1.25 s" in str(it.failed["20"])
    assert "--timeout" in str(it.failed["20"])
    it.check(unlike={"20"})


def test_an_upload_that_takes_too_long_says_so(chips: dict[str, bytes], run: Run) -> None:
    async def render() -> None:
        async with Converter(limits=Limits(workers=1, timeout=0.5)) as converter:
            with pytest.raises(RenderTimeoutError, match=r"0\.5 s"):
                await converter.render(chips["0"], faulty(faults.stuck))
            assert await converter.render(chips["1"]) == asyncrgb.render(chips["1"])
            assert converter.counters() == REST

    run(render())


def test_time_is_allowed_to_each_image_not_to_a_batch(chips: dict[str, bytes], run: Run) -> None:
    async def convert(it: Bench) -> None:
        it.options |= {name: faulty(time.sleep, 0.1) for name in chips}  # which gives no options
        await it.convert()
        assert it.flow._staff.number == 1  # noqa: SLF001

    few = dict(list(chips.items())[:12])
    it = benched(run, lambda: Bench(few, Limits(workers=1, timeout=0.6)), convert)
    assert not [each for each in it.failed.values() if isinstance(each, RenderTimeoutError)]


def test_timeouts_take_processes_of_our_own() -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(OptionsError, match="--executor"):
        Flow(RenderOptions(), Limits(timeout=1), executor)


def bomb() -> bytes:
    """Give 192 MiB of pixels in 200 kB, which take eight times as much to be rendered."""
    tile = zlib.compress(bytes(1024 * 1024 * 3))
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        repeat(tile, 64),
        shape=(8192, 8192, 3),
        dtype="u1",
        photometric="rgb",
        tile=(1024, 1024),
        compression="zlib",
    )
    return file.getvalue()


def test_a_bomb_meets_the_memory_limit_and_costs_no_worker(
    chips: dict[str, bytes], run: Run
) -> None:
    limits = Limits(workers=1, max_pixels=0, max_expansion=0, worker_memory=2**26)

    async def render() -> None:
        async with Converter(RenderOptions(bands=(1, 2, 3)), limits=limits) as converter:
            await converter.render(chips["0"])
            before = workers()
            with pytest.raises(LimitError, match="memory"):
                await converter.render(bomb())
            assert await converter.render(chips["0"])
            assert workers() == before

    run(render())


@pytest.mark.parametrize(("nice", "steps"), [(0, 0), (7, 7), (None, 10)])
def test_workers_stand_back_as_far_as_they_are_told_to(
    nice: int | None, steps: int, chips: dict[str, bytes], run: Run
) -> None:
    async def render() -> None:
        async with Converter(limits=Limits(workers=2, nice=nice)) as converter:
            await converter.render(chips["0"])
            async with asyncio.timeout(10):  # one answers, the other may still be starting
                while [each.nice() for each in workers()] != 2 * [os.nice(0) + steps]:
                    await asyncio.sleep(0.01)

    run(render())


def test_the_memory_limit_leaves_room_for_what_is_imported_later(
    chips: dict[str, bytes], run: Run
) -> None:
    async def render() -> None:
        async with Converter(limits=Limits(workers=1, worker_memory=2**20)) as converter:
            for form in ("png", "jpeg", "webp", "tiff"):
                options = RenderOptions(format=form)
                picture = await converter.render(chips["0"], options)
                assert picture == asyncrgb.render(chips["0"], options)

    run(render())


def flat(side: int) -> bytes:
    """Give an image much smaller than its picture, if that is stored without compression."""
    file = io.BytesIO()
    pixels = np.zeros((side, side, 3), np.uint8)
    tifffile.imwrite(file, pixels, photometric="rgb", compression="lzma")
    return file.getvalue()


STORED = RenderOptions(bands=(1, 2, 3), stretch=FixedStretch(0, 255), compress_level=0)


class TypedStorage(FakeStorage):
    """Notes how outputs come: as views of the arena, or as bytes out of a pipe."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.types: dict[str, type] = {}

    def write(self, path: str, data: bytes | memoryview) -> None:
        self.types[path] = type(data)
        super().write(path, data)


def test_large_outputs_travel_in_the_arena_even_if_there_are_more_than_fit(run: Run) -> None:
    files = {f"{n}": flat(400) for n in range(20)} | {"large": flat(680)}

    def it() -> Bench:
        bench = Bench(files, Limits(workers=2, memory=2**23))
        bench.storage = bench.flow.places.files = TypedStorage(files)
        bench.options = dict.fromkeys(files, STORED)
        return bench

    bench = benched(run, it, lambda it: it.convert())  # type: ignore[arg-type,return-value]
    assert not bench.failed
    assert set(bench.storage.types.values()) == {memoryview}  # type: ignore[attr-defined]
    for name, data in bench.storage.written.items():
        assert data == asyncrgb.render(files[name], STORED)
    assert set(bench.storage.times_read.values()) == {1}


@pytest.mark.parametrize("harm", [faults.stuck, faults.deaf])
def test_closing_does_not_wait_for_a_worker_that_hangs(
    harm: Callable[[], None], chips: dict[str, bytes], run: Run
) -> None:
    async def render() -> None:
        converter = Converter(limits=TWO)
        upload = asyncio.ensure_future(converter.render(chips["0"], faulty(harm)))
        await converter.render(chips["1"])
        began = time.monotonic()
        await asyncio.wait_for(converter.aclose(), GENEROUS)
        assert time.monotonic() - began < 8
        with pytest.raises(AsyncRgbError, match="closed"):
            await upload

    run(render())


def test_closing_does_not_wait_for_a_worker_that_is_stopped(
    chips: dict[str, bytes], run: Run
) -> None:
    async def render() -> None:
        converter = Converter(limits=TWO)
        await converter.render(chips["1"])
        for each in workers():
            each.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        await asyncio.wait_for(converter.aclose(), GENEROUS)
        assert time.monotonic() - began < 10

    run(render())


def test_a_stopped_worker_does_not_hold_up_the_replacement_of_another(
    chips: dict[str, bytes], run: Run
) -> None:
    async def render() -> None:
        async with Converter(limits=TWO) as converter:
            await converter.render(chips["1"])
            while len(found := workers()) < 2:
                await asyncio.sleep(0.01)
            found[0].send_signal(signal.SIGSTOP)
            found[1].kill()
            data = await asyncio.wait_for(converter.render(chips["1"]), GENEROUS)
            assert data == asyncrgb.render(chips["1"])
            assert not psutil.pid_exists(found[0].pid)

    run(render())


def fork_server() -> psutil.Process:
    """Find the fork server: the child of ours that has workers."""
    (server,) = {each.parent() for each in workers()}
    assert server is not None
    return server


def test_a_fork_server_that_is_killed_leaves_no_orphans(chips: dict[str, bytes], run: Run) -> None:
    async def render() -> None:
        async with Converter(limits=TWO) as converter:
            await converter.render(chips["1"])
            while len(found := workers()) < 2:
                await asyncio.sleep(0.01)
            found[0].send_signal(signal.SIGSTOP)  # SIGTERM will not end it
            fork_server().kill()
            data = await asyncio.wait_for(converter.render(chips["1"]), GENEROUS)
            assert data == asyncrgb.render(chips["1"])
            await gone(found)  # the other one may have answered before anybody saw it

    run(render())


async def gone(processes: list[psutil.Process]) -> None:
    async with asyncio.timeout(GENEROUS):
        while any(map(alive, processes)):
            await asyncio.sleep(0.01)


def alive(each: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(each.is_running() and each.status() != psutil.STATUS_ZOMBIE)
    return False


def test_a_fork_server_that_is_killed_as_it_starts_is_started_again(
    chips: dict[str, bytes], run: Run
) -> None:
    async def render() -> None:
        async with Converter(limits=TWO) as converter:
            await converter.render(chips["1"])
            fork_server().kill()
        async with Converter(limits=TWO) as converter:
            upload = asyncio.ensure_future(converter.render(chips["1"]))
            while not (servers := servers_started()):
                await asyncio.sleep(0.001)
            servers[0].kill()
            assert await asyncio.wait_for(upload, GENEROUS) == asyncrgb.render(chips["1"])

    run(render())


def servers_started() -> list[psutil.Process]:
    found = []
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "forkserver" in " ".join(each.cmdline()) and alive(each):
                found.append(each)
    return found


def test_a_worker_that_dies_in_the_middle_of_its_answer_is_noticed(
    chips: dict[str, bytes], tmp_path: Path, run: Run
) -> None:
    async def convert(it: Bench) -> None:
        mark = str(tmp_path / f"mark{len(os.listdir(tmp_path))}")
        it.options["30"] = faulty(faults.half_an_answer, mark)
        await asyncio.wait_for(it.convert(), GENEROUS)

    it = benched(run, lambda: Bench(chips), convert)
    assert not it.failed
    it.check(unlike=set())


def test_workers_that_are_killed_all_the_time_end_in_time(
    chips: dict[str, bytes], run: Run
) -> None:
    async def convert(it: Bench) -> None:
        stop = asyncio.Event()

        async def killer() -> None:
            while not stop.is_set():
                for each in workers():
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
                await asyncio.sleep(0)

        killing = asyncio.ensure_future(killer())
        with pytest.raises(AsyncRgbError, match=r"die|cannot be started"):
            await asyncio.wait_for(it.convert(), 50)
        stop.set()
        await killing

    benched(run, lambda: Bench(chips), convert)
