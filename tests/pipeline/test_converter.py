"""The Converter with real workers, real files and both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    BandError,
    Converted,
    Converter,
    Counters,
    DecodeError,
    Failed,
    FixedStretch,
    Job,
    LimitError,
    Limits,
    Outcome,
    RenderOptions,
    SerialExecutor,
    UpToDate,
    WorkerCrashError,
)
from tests.pipeline.conftest import Run

TWO = Limits(workers=2)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 60, seed=7)
    return folder


def tutorial(source: str | bytes, bands: tuple[int, ...] = (3, 2, 1)) -> np.ndarray:
    """The formula that everything is about, as it was published."""
    ms = tifffile.imread(source if isinstance(source, str) else io.BytesIO(source))
    return (255 * (ms[..., bands] / 4000).clip(0, 1)).astype(np.uint8)


def picture(path: str | bytes) -> np.ndarray:
    with Image.open(path if isinstance(path, str) else io.BytesIO(path)) as image:
        return np.asarray(image)


def a_process_pool() -> Executor:
    return ProcessPoolExecutor(2)


EXECUTORS = {
    "own": lambda: None,
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": a_process_pool,
    "serial": SerialExecutor,
}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # it is what users pass
@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_folder_becomes_the_pictures_of_the_tutorial_in_order(
    kind: str, chips: Path, tmp_path: Path, run: Run
) -> None:
    executor = EXECUTORS[kind]()
    report = run(asyncrgb.convert(chips, tmp_path / "out", limits=TWO, executor=executor))
    expected = sorted(chips.glob("*/*.tif"))
    assert [outcome.source for outcome in report.outcomes] == list(map(str, expected))
    assert len(report.converted) == 60
    for outcome in report.converted:
        np.testing.assert_array_equal(picture(outcome.destination), tutorial(outcome.source))
    assert not list((tmp_path / "out").glob(".asyncrgb-*"))
    if executor is not None:
        assert executor.submit(abs, -1).result() == 1, "an executor that was given stays open"
        executor.shutdown()


def test_real_chips_bit_for_bit(data_folder: Path, tmp_path: Path, run: Run) -> None:
    report = run(asyncrgb.convert(data_folder / "eurosat", tmp_path, limits=TWO))
    assert len(report.converted) == 100
    for outcome in report.converted:
        np.testing.assert_array_equal(picture(outcome.destination), tutorial(outcome.source))


def test_a_second_run_does_what_is_new_changed_or_forced(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(chips / "River", source)

    def counts(**given: object) -> tuple[int, int]:
        report = run(asyncrgb.convert(source, out, limits=TWO, **given))  # type: ignore[arg-type] # passed on
        return len(report.converted), len(report.up_to_date)

    assert counts() == (6, 0)
    assert counts() == (0, 6)
    os.utime(source / "River_2.tif", (2e9, 2e9))
    shutil.copy(source / "River_1.tif", source / "River_7.tif")
    assert counts() == (2, 5)
    os.utime(source / "River_2.tif")
    assert counts(force=True) == (7, 0)
    assert counts(options=RenderOptions(bands=(8, 4, 3))) == (7, 0)
    assert counts(options=RenderOptions(bands=(8, 4, 3))) == (0, 7)


def test_bad_files_are_failures_and_stop_nobody(chips: Path, tmp_path: Path, run: Run) -> None:
    source = tmp_path / "in"
    shutil.copytree(chips / "Forest", source)
    good = (source / "Forest_1.tif").read_bytes()
    (source / "empty.tif").touch()
    (source / "text.tif").write_text("no picture at all")
    (source / "truncated.tif").write_bytes(good[:-1])
    two_bands = np.zeros((8, 8, 2), np.uint16)
    tifffile.imwrite(source / "few.tif", two_bands, photometric="minisblack", planarconfig="contig")
    os.mkfifo(source / "fifo.tif")
    (source / "gone.tif").symlink_to("nowhere")
    report = run(asyncrgb.convert(source, tmp_path / "out", limits=TWO))
    assert len(report.converted) == 6
    errors = {os.path.basename(each.source): each.error for each in report.failed}
    assert {name: type(error) for name, error in errors.items()} == {
        "empty.tif": DecodeError,
        "few.tif": BandError,
        "fifo.tif": OSError,
        "gone.tif": FileNotFoundError,
        "text.tif": DecodeError,
        "truncated.tif": DecodeError,
    }
    assert "empty" in str(errors["empty.tif"])
    assert "not a TIFF" in str(errors["text.tif"])
    assert "107244" in str(errors["truncated.tif"])
    assert not (tmp_path / "out" / "text.png").exists()


def test_on_outcome_hears_of_each_once(chips: Path, tmp_path: Path, run: Run) -> None:
    heard: list[Outcome] = []
    report = run(asyncrgb.convert(chips, tmp_path, limits=TWO, on_outcome=heard.append))
    assert sorted(each.source for each in heard) == [each.source for each in report.outcomes]


def test_render_gives_what_the_synchronous_one_gives(chips: Path, run: Run) -> None:
    data = (chips / "River" / "River_1.tif").read_bytes()
    other = RenderOptions(bands=(1, 2, 3), stretch=FixedStretch(100, 900), compress_level=3)

    async def render() -> None:
        async with Converter(limits=TWO) as converter:
            assert await converter.render(data) == asyncrgb.render(data)
            assert await converter.render(bytearray(data), other) == asyncrgb.render(data, other)
            with pytest.raises(DecodeError, match="not a TIFF"):
                await converter.render(b"no picture")
            with pytest.raises(LimitError, match=r"Limits.memory"):
                await converter.render(memoryview(bytes(200 * 2**20)))
            assert converter.counters() == REST

    run(render())


def test_many_renders_at_once_share_a_small_arena(chips: Path, run: Run) -> None:
    files = sorted(chips.glob("*/*.tif"))

    async def render() -> None:
        async with Converter(limits=Limits(workers=2, memory=2**20)) as converter:
            pictures = await asyncio.gather(
                *(converter.render(path.read_bytes()) for path in files)
            )
            assert converter.counters() == REST
        for data, path in zip(pictures, files, strict=True):
            np.testing.assert_array_equal(picture(data), tutorial(str(path)))

    run(render())


def test_an_output_larger_than_its_extent_travels_all_the_same(run: Run) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, noise, photometric="rgb", compression="lzma")
    flat = io.BytesIO()
    tifffile.imwrite(flat, np.zeros((900, 900, 3), np.uint8), photometric="rgb", compression="lzma")
    options = RenderOptions(bands=(1, 2, 3), stretch=FixedStretch(0, 255), compress_level=0)

    async def render() -> None:
        async with Converter(options, limits=TWO) as converter:
            np.testing.assert_array_equal(picture(await converter.render(file.getvalue())), noise)
            stored = await converter.render(flat.getvalue())
            assert len(stored) > len(flat.getvalue()) + 4096
            assert not picture(stored).any()

    run(render())


def test_convert_file_converts_whatever_is_there(chips: Path, tmp_path: Path, run: Run) -> None:
    source, target = chips / "River" / "River_1.tif", tmp_path / "deep" / "a.png"

    async def convert() -> None:
        async with Converter(limits=TWO) as converter:
            for _ in range(2):
                outcome = await converter.convert_file(source, target)
                assert outcome == Converted(str(source), str(target))
            failed = await converter.convert_file(tmp_path / "no.tif", target)
            assert isinstance(failed, Failed)
            assert isinstance(failed.error, FileNotFoundError)

    run(convert())
    np.testing.assert_array_equal(picture(str(target)), tutorial(str(source)))


def test_each_job_may_have_its_own_options(chips: Path, tmp_path: Path, run: Run) -> None:
    bands = [(4, 3, 2), (8, 4, 3), (12, 8, 4)]
    source = str(chips / "River" / "River_1.tif")
    jobs = [
        Job(source, str(tmp_path / f"{n}.png"), RenderOptions(bands=each))
        for n, each in enumerate(bands)
    ]

    async def convert() -> None:
        async with Converter(limits=TWO) as converter:
            assert len([each async for each in converter.convert_many(jobs)]) == 3

    run(convert())
    for n, each in enumerate(bands):
        expected = tutorial(source, tuple(band - 1 for band in each))
        np.testing.assert_array_equal(picture(str(tmp_path / f"{n}.png")), expected)


def endless(source: Path, target: Path, taken: list[int]) -> Iterator[Job]:
    n = 0
    while True:
        taken.append(n)
        yield Job(str(source), str(target / f"{n}.png"))
        n += 1


async def endlessly(source: Path, target: Path, taken: list[int]) -> AsyncGenerator[Job, None]:
    for job in endless(source, target, taken):
        yield job


@pytest.mark.parametrize("jobs", [endless, endlessly])
def test_convert_many_holds_back_and_stops_when_its_consumer_does(
    jobs: Callable[..., Iterator[Job]], chips: Path, tmp_path: Path, run: Run
) -> None:
    taken: list[int] = []
    source = chips / "River" / "River_1.tif"

    async def take_five() -> None:
        async with Converter(limits=Limits(workers=2, batch=8)) as converter:
            given = jobs(source, tmp_path, taken)
            outcomes = converter.convert_many(given)
            got = [await anext(outcomes) for _ in range(5)]
            assert all(isinstance(each, Converted) for each in got)
            before = -1
            while len(taken) > before:  # nobody takes outcomes, so in the end nobody takes jobs
                before = len(taken)
                await asyncio.sleep(0.5)
            assert before < 500
            await outcomes.aclose()
            while converter.counters() != REST:
                await asyncio.sleep(0.001)
            if isinstance(given, AsyncGenerator):
                await given.aclose()  # which is for its owner to do

    run(take_five())
    assert not list(tmp_path.glob(".asyncrgb-*"))


def test_an_error_of_the_jobs_comes_out_as_itself(chips: Path, tmp_path: Path, run: Run) -> None:
    def jobs() -> Iterator[Job]:
        yield Job(str(chips / "River" / "River_1.tif"), str(tmp_path / "a.png"))
        raise ZeroDivisionError("mine")

    async def convert() -> None:
        async with Converter(limits=TWO) as converter:
            with pytest.raises(ZeroDivisionError, match="mine"):
                async for _ in converter.convert_many(jobs()):
                    pass

    run(convert())


def test_a_cancelled_conversion_returns_at_once_and_harms_nothing(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    async def for_ever(converter: Converter) -> None:
        while True:
            await converter.convert(chips, tmp_path, force=True)

    async def convert() -> None:
        async with Converter(limits=TWO) as converter:
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(for_ever(converter), 0.02)
            report = await converter.convert(chips, tmp_path, force=True)
            assert len(report.converted) == 60
            while converter.counters() != REST:  # what was dropped may still be rendered
                await asyncio.sleep(0.001)

    run(convert())
    assert not list(tmp_path.glob(".asyncrgb-*"))


def test_a_converter_can_be_used_again_after_it_was_closed(chips: Path, run: Run) -> None:
    data = (chips / "River" / "River_1.tif").read_bytes()

    async def render_twice() -> None:
        converter = Converter(limits=TWO)
        await converter.aclose()
        first = await converter.render(data)
        await converter.aclose()
        assert await converter.render(data) == first
        await converter.aclose()
        await converter.aclose()

    run(render_twice())


def test_closing_at_any_moment_ends_a_conversion_with_one_error(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    async def close_after(turns: int) -> None:
        converter = Converter(executor=SerialExecutor())
        conversion = asyncio.ensure_future(converter.convert(chips, tmp_path / str(turns)))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        await converter.aclose()
        with contextlib.suppress(AsyncRgbError):  # or it has been faster
            await conversion

    async def close_early() -> None:
        for turns in range(1, 30):
            await close_after(turns)

    run(close_early())


def test_closing_ends_what_is_under_way_with_an_error(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    async def close_early() -> None:
        converter = Converter(limits=TWO)
        conversion = asyncio.ensure_future(converter.convert(chips, tmp_path))
        await asyncio.sleep(0.05)
        await converter.aclose()
        with pytest.raises(AsyncRgbError, match="closed"):
            await conversion

    run(close_early())


def test_two_converters_live_in_one_loop(chips: Path, tmp_path: Path, run: Run) -> None:
    async def convert() -> None:
        reports = await asyncio.gather(
            asyncrgb.convert(chips, tmp_path / "a", limits=TWO),
            asyncrgb.convert(chips, tmp_path / "b", RenderOptions(bands=(8, 4, 3)), limits=TWO),
        )
        assert [len(each.converted) for each in reports] == [60, 60]

    run(convert())


class Deadly(RenderOptions):
    """Options that kill whichever process unpickles them."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (9,)


def test_a_worker_that_dies_costs_the_image_at_fault_and_no_other(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    jobs = [
        Job(str(path), str(tmp_path / f"{path.stem}.png"), Deadly() if n == 25 else None)
        for n, path in enumerate(sorted(chips.glob("*/*.tif")))
    ]

    async def convert() -> list[Outcome]:
        async with Converter(limits=TWO) as converter:
            outcomes = [each async for each in converter.convert_many(jobs)]
            assert converter.counters() == REST
            return outcomes

    outcomes = run(convert())
    (failed,) = [each for each in outcomes if isinstance(each, Failed)]
    assert failed.source == jobs[25].source
    assert isinstance(failed.error, WorkerCrashError)
    assert len({each.source for each in outcomes}) == len(outcomes) == 60


class Unsendable(RenderOptions):
    """Options that do not get as far as a worker."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        raise TypeError("not to be pickled")


def test_a_hopeless_job_costs_itself_and_no_other(chips: Path, tmp_path: Path, run: Run) -> None:
    good = str(chips / "River" / "River_1.tif")
    data = Path(good).read_bytes()
    hopeless = [
        Job("a\0b.tif", str(tmp_path / "1.png")),
        Job(good, str(tmp_path / "a\0b.png")),
        Job(good, str(tmp_path / "3.png"), Unsendable()),
    ]
    jobs = [each for job in hopeless for each in (job, Job(good, str(tmp_path / "good.png")))]

    async def convert() -> None:
        async with Converter(limits=TWO) as converter:
            outcomes = [each async for each in converter.convert_many(jobs)]
            assert sum(isinstance(each, Failed) for each in outcomes) == 3
            assert sum(isinstance(each, Converted) for each in outcomes) == 3
            with pytest.raises(AsyncRgbError, match="not to be pickled"):
                await converter.render(data, Unsendable())
            assert converter.counters() == REST

    run(convert())


def test_an_executor_that_was_shut_down_is_an_error_each_time(chips: Path, run: Run) -> None:
    data = (chips / "River" / "River_1.tif").read_bytes()
    executor = ThreadPoolExecutor(1)
    executor.shutdown()

    async def render() -> None:
        async with Converter(limits=Limits(workers=1, batch=1), executor=executor) as converter:
            for _ in range(5):
                with pytest.raises(AsyncRgbError, match="after shutdown"):
                    await converter.render(data)
            assert converter.counters() == REST

    run(render())


def test_workers_killed_from_outside_are_replaced(chips: Path, tmp_path: Path, run: Run) -> None:
    data = (chips / "River" / "River_1.tif").read_bytes()

    async def kill_and_render() -> None:
        async with Converter(limits=TWO) as converter:
            await converter.render(data)
            for worker in workers():
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.send_signal(signal.SIGKILL)
            assert await converter.render(data) == asyncrgb.render(data)
            report = await converter.convert(chips, tmp_path)
            assert len(report.converted) == 60

    run(kill_and_render())


def workers() -> list[psutil.Process]:
    """Our worker processes: the grandchildren by way of the fork server."""
    servers = {each.pid for each in psutil.Process().children()}
    found = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end at any moment
            if each.ppid() in servers and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


@pytest.mark.parametrize("kind", ["own", "threads", "serial"])
def test_nothing_stays_behind(kind: str, chips: Path, tmp_path: Path, run: Run) -> None:
    executor = EXECUTORS[kind]()
    run(asyncrgb.convert(chips, tmp_path, limits=TWO, executor=executor))
    if executor is not None:
        executor.shutdown()
    assert not workers()
    assert not [each for each in open_files() if "memfd:asyncrgb" in each]


def open_files() -> list[str]:
    links = []
    for each in os.scandir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            links.append(os.readlink(each.path))
    return links


def test_outcomes_say_what_was_up_to_date(chips: Path, tmp_path: Path, run: Run) -> None:
    run(asyncrgb.convert(chips / "River", tmp_path, limits=TWO))
    report = run(asyncrgb.convert(chips / "River", tmp_path, limits=TWO))
    first = report.up_to_date[0]
    source = str(chips / "River" / "River_1.tif")
    assert first == UpToDate(source, str(tmp_path / "River_1.png"))
    assert repr(report).startswith("Report(0 converted, 6 up to date, 0 failed, ")
