"""Conversions that end early, are only rehearsed, or say where the time went."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    CollisionError,
    Converted,
    Converter,
    Counters,
    Failed,
    FixedStretch,
    Job,
    Limits,
    Measured,
    OptionsError,
    Outcome,
    Pending,
    PercentileStretch,
    RenderOptions,
    SerialExecutor,
    Trace,
    UpToDate,
)
from asyncrgb.pipeline.flow import Flow
from tests.pipeline.conftest import Run

ONE = Limits(workers=1, batch=4, reads=1, writes=1)
TWO = Limits(workers=2, batch=4, reads=2, writes=1)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)
DATASET = RenderOptions(stretch=PercentileStretch(2, 98, scope="dataset"))


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 300, seed=7)
    return folder


@pytest.fixture
def spoilt(chips: Path, tmp_path: Path) -> Path:
    """Give the chips of which every fifth is none."""
    source = tmp_path / "in"
    source.mkdir()
    for number, path in enumerate(sorted(chips.glob("*/*.tif"))):
        if number % 5 == 4:
            (source / f"{number:03}.tif").write_text("no picture")
        else:
            os.link(path, source / f"{number:03}.tif")
    return source


def serial(source: Path, out: Path, **given: Any) -> Any:  # noqa: ANN401 - passed on
    return asyncrgb.convert(source, out, limits=ONE, executor=SerialExecutor(), **given)


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


async def at_rest(converter: Converter) -> None:
    """Wait for the last hop to see that there is nothing more to do."""
    while converter.counters() != REST:
        await asyncio.sleep(0.001)


# Failures that end the run


@pytest.mark.parametrize(
    ("given", "most"), [({"on_error": "stop"}, 1), ({"max_errors": 1}, 1), ({"max_errors": 7}, 7)]
)
def test_enough_failures_end_the_run(
    given: dict[str, Any], most: int, spoilt: Path, tmp_path: Path, run: Run
) -> None:
    heard: list[Outcome] = []
    report = run(serial(spoilt, tmp_path / "out", on_outcome=heard.append, **given))
    assert report.stopped
    assert len(report.failed) == most, "what else was under way and failed has not been begun"
    assert len(report.outcomes) < 100
    assert len(heard) == len(report.outcomes)
    assert len(list((tmp_path / "out").glob("*.png"))) == len(report.converted)
    rest = run(serial(spoilt, tmp_path / "out"))
    assert not rest.stopped
    assert len(rest.up_to_date) == len(report.converted)
    assert len(rest.failed) == 60


@pytest.mark.parametrize("given", [{}, {"max_errors": 61}, {"on_error": "continue"}])
def test_fewer_failures_do_not(
    given: dict[str, Any], spoilt: Path, tmp_path: Path, run: Run
) -> None:
    report = run(serial(spoilt, tmp_path / "out", **given))
    assert (report.stopped, len(report.failed), len(report.outcomes)) == (False, 60, 300)


def test_failures_to_measure_are_not_counted(spoilt: Path, tmp_path: Path, run: Run) -> None:
    report = run(serial(spoilt, tmp_path / "out", options=DATASET, max_errors=61))
    assert (report.stopped, len(report.failed)) == (False, 60)


@pytest.mark.parametrize(
    "given", [{"on_error": "halt"}, {"max_errors": 0}, {"max_errors": True}, {"max_errors": "1"}]
)
def test_wrong_wishes_are_refused(given: dict[str, Any], chips: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=next(iter(given))):
        asyncio.run(serial(chips, tmp_path / "out", **given))
    assert not (tmp_path / "out").exists()


# Told to end


@pytest.mark.parametrize("moment", [1, 40, 299, 300])
def test_a_drained_conversion_reports_what_it_has_done(
    moment: int, chips: Path, tmp_path: Path, run: Run
) -> None:
    heard: list[Outcome] = []

    async def convert() -> None:
        async with Converter(limits=TWO) as converter:

            def take(outcome: Outcome) -> None:
                heard.append(outcome)
                if len(heard) == moment:
                    converter.drain()

            report = await converter.convert(chips, tmp_path, on_outcome=take)
            assert report.stopped
            assert moment <= len(report.converted) == len(heard) < moment + 100
            await at_rest(converter)
            rest = await converter.convert(chips, tmp_path)
            assert (len(rest.up_to_date), rest.stopped) == (len(report.converted), False)
            assert len(rest.outcomes) == 300

    run(convert())


@pytest.mark.parametrize("options", [RenderOptions(), DATASET])
def test_a_conversion_can_be_drained_at_any_moment(
    options: RenderOptions, chips: Path, tmp_path: Path, run: Run
) -> None:
    async def convert() -> None:
        async with Converter(options, limits=ONE, executor=SerialExecutor()) as converter:
            for n in range(15):
                conversion = asyncio.ensure_future(converter.convert(chips, tmp_path, force=True))
                await asyncio.sleep(n / 1000)
                converter.drain()
                report = await asyncio.wait_for(conversion, 20)
                assert report.stopped or n == 0, "the first may not have begun"

    run(convert())


@pytest.mark.parametrize("kind", ["plain", "asynchronous", "stalled"])
def test_draining_ends_convert_many_after_its_last_outcome(
    kind: str, chips: Path, tmp_path: Path, run: Run
) -> None:
    source = str(chips / "River" / "River_1.tif")
    taken: list[Job] = []

    def plain() -> Iterator[Job]:
        while True:
            taken.append(Job(source, str(tmp_path / f"{len(taken)}.png")))
            yield taken[-1]

    async def asynchronous() -> AsyncGenerator[Job, None]:
        for job in plain():
            yield job
            if kind == "stalled" and len(taken) == 30:
                await asyncio.sleep(3600)

    async def convert() -> None:
        async with Converter(limits=ONE, executor=SerialExecutor()) as converter:
            outcomes = []
            async with aclosing(asynchronous()) as others:
                async for outcome in converter.convert_many(plain() if kind == "plain" else others):
                    outcomes.append(outcome)
                    if len(outcomes) == 20:
                        converter.drain()
            assert {type(each) for each in outcomes} == {Converted}
            assert 20 <= len(outcomes) <= len(taken)
            await at_rest(converter)
            again = await converter.convert_file(source, tmp_path / "again.png")
            assert isinstance(again, Converted)

    run(asyncio.wait_for(convert(), 20))


def test_draining_without_anything_under_way_is_nothing(chips: Path, tmp_path: Path) -> None:
    async def convert() -> None:
        async with Converter(limits=ONE, executor=SerialExecutor()) as converter:
            converter.drain()
            report = await converter.convert(chips / "River", tmp_path)
            assert (len(report.converted), report.stopped) == (30, False)

    asyncio.run(convert())


# Rehearsals


def test_enough_failures_end_a_rehearsal_too(tmp_path: Path) -> None:
    for folder in "abcdef":  # all but the first collide
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "x.tif").touch()
    report = asyncrgb.run(tmp_path / "in", tmp_path / "out", dry_run=True, max_errors=2)
    assert report.stopped
    assert len(report.failed) == 2
    assert len(report.outcomes) == 3


def test_a_rehearsal_says_what_would_be_done_and_touches_nothing(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(chips / "River", source)
    (source / "deep").mkdir()
    shutil.copy(source / "River_3.tif", source / "deep")

    def kinds(**given: Any) -> list[str]:  # noqa: ANN401 - passed on
        before, children = everything(tmp_path), psutil.Process().children(recursive=True)
        heard: list[Outcome] = []
        report = run(asyncrgb.convert(source, out, dry_run=True, on_outcome=heard.append, **given))
        assert report.outcomes == tuple(heard)
        assert everything(tmp_path) == before
        assert psutil.Process().children(recursive=True) == children, "no workers"
        (collision,) = report.failed
        assert isinstance(collision.error, CollisionError)
        assert len(report.pending) + len(report.up_to_date) == 30
        return [type(each).__name__ for each in report.outcomes]

    assert kinds() == ["Pending"] * 30 + ["Failed"]
    assert not out.exists()
    run(serial(source, out))
    os.utime(source / "River_10.tif", (2e9, 2e9))
    assert kinds() == ["UpToDate", "Pending", *["UpToDate"] * 28, "Failed"]
    assert kinds(force=True) == ["Pending"] * 30 + ["Failed"]
    assert kinds(options=RenderOptions(bands=(8, 4, 3))) == ["Pending"] * 30 + ["Failed"]


def test_a_rehearsal_of_one_file(chips: Path, tmp_path: Path) -> None:
    source = str(chips / "River" / "River_1.tif")
    for target, picture in [("a.png", "a.png"), ("out", "out/River_1.png")]:
        report = asyncio.run(asyncrgb.convert(source, tmp_path / target, dry_run=True))
        assert report.outcomes == (Pending(source, str(tmp_path / picture)),)
    assert not list(tmp_path.iterdir())


def test_a_rehearsal_measures_a_dataset_only_where_it_depends_on_that(
    chips: Path, tmp_path: Path
) -> None:
    heard: list[Outcome] = []

    def rehearse() -> set[type]:
        heard.clear()
        report = asyncio.run(
            serial(chips, tmp_path, options=DATASET, dry_run=True, on_outcome=heard.append)
        )
        return {type(each) for each in report.outcomes}

    assert rehearse() == {Pending}
    assert not [each for each in heard if isinstance(each, Measured)]
    asyncio.run(serial(chips, tmp_path, options=DATASET))
    assert rehearse() == {UpToDate}
    assert len(heard) == 600


def test_what_is_up_to_date_needs_no_workers(chips: Path, tmp_path: Path, run: Run) -> None:
    run(serial(chips, tmp_path))
    children = psutil.Process().children(recursive=True)
    seen: list[bool] = []

    def look(_: Outcome) -> None:
        seen.append(psutil.Process().children(recursive=True) == children)

    report = run(asyncrgb.convert(chips, tmp_path, limits=TWO, on_outcome=look))
    assert len(report.up_to_date) == 300
    assert all(seen)


# Where the time goes


@pytest.mark.parametrize("workers", ["own", "serial"])
def test_a_trace_says_where_the_time_went(
    workers: str, spoilt: Path, tmp_path: Path, run: Run
) -> None:
    executor = SerialExecutor() if workers == "serial" else None
    options = RenderOptions(worldfile=True)
    given: dict[str, Any] = {"trace": True, "limits": TWO, "executor": executor}
    began = time.perf_counter()
    report = run(asyncrgb.convert(spoilt, tmp_path / "out", options, **given))
    took = time.perf_counter() - began
    assert len(report.converted) == 240
    for outcome in report.outcomes:
        assert isinstance(outcome, (Converted, Failed))
        trace = outcome.trace
        assert isinstance(trace, Trace)
        assert trace.read_bytes == os.stat(outcome.source).st_size
        parts = (trace.read_seconds, trace.wait_seconds, trace.render_seconds, trace.write_seconds)
        assert min(parts) >= 0
        assert 0 < sum(parts) < took
        assert trace.render_seconds > 0, "measured by the worker, of failures too"
        written = 0
        if isinstance(outcome, Converted):
            written = os.stat(outcome.destination).st_size
            assert trace.write_seconds > 0
        assert trace.written_bytes >= written
        assert (trace.written_bytes == 0) == isinstance(outcome, Failed)
    again = run(asyncrgb.convert(spoilt, tmp_path / "out", options, **given))
    assert {each.trace for each in again.up_to_date} == {Trace()}
    assert again.up_to_date[0] == UpToDate(
        again.up_to_date[0].source, again.up_to_date[0].destination
    )


def test_the_time_that_a_worker_spends_on_an_image_is_its_render_time(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asyncrgb.imaging import chip  # noqa: PLC0415 - to be replaced

    picture = chip.picture

    def slow(*args: Any, **given: Any) -> Any:  # noqa: ANN401 - passed on
        time.sleep(0.02)
        return picture(*args, **given)

    monkeypatch.setattr(chip, "picture", slow)
    report = asyncio.run(serial(chips / "River", tmp_path, trace=True))
    for each in report.converted:
        assert 0.02 < each.trace.render_seconds < 0.04
        assert each.trace.read_seconds < 0.02


def test_without_trace_there_is_none(spoilt: Path, tmp_path: Path, run: Run) -> None:
    for _ in range(2):
        report = run(serial(spoilt, tmp_path / "out"))
        assert {each.trace for each in report.outcomes} == {None}


# Misuse that must not hang


@pytest.mark.parametrize("error", [asyncio.CancelledError, StopIteration, ZeroDivisionError])
def test_whatever_a_callback_raises_comes_out(
    error: type[BaseException], chips: Path, tmp_path: Path, run: Run
) -> None:
    def fail(_: Outcome) -> None:
        raise error

    async def convert() -> None:
        async with Converter(limits=ONE, executor=SerialExecutor()) as converter:
            expected = RuntimeError if error is StopIteration else error
            with pytest.raises(expected):
                await asyncio.wait_for(converter.convert(chips, tmp_path, on_outcome=fail), 20)
            report = await converter.convert(chips / "River", tmp_path, force=True)
            assert len(report.converted) == 30, "the Converter remains usable"

    run(convert())


def test_jobs_that_raise_a_cancellation_end(chips: Path, tmp_path: Path, run: Run) -> None:
    def jobs() -> Iterator[Job]:
        yield Job(str(chips / "River" / "River_1.tif"), str(tmp_path / "a.png"))
        raise asyncio.CancelledError

    async def convert() -> None:
        async with Converter(limits=ONE, executor=SerialExecutor()) as converter:
            with pytest.raises(asyncio.CancelledError):
                _ = [each async for each in converter.convert_many(jobs())]

    run(asyncio.wait_for(convert(), 20))


def test_a_second_cancellation_leaves_nothing_registered(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    async def stubborn() -> AsyncIterator[Job]:
        try:
            yield Job(str(chips / "River" / "River_1.tif"), str(tmp_path / "a.png"))
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.3)  # takes its time to end

    async def convert() -> None:
        async with Converter(limits=ONE, executor=SerialExecutor()) as converter:

            async def consume() -> None:
                async for _ in converter.convert_many(stubborn()):
                    pass

            task = asyncio.ensure_future(consume())
            await asyncio.sleep(0.1)
            for _ in range(2):
                task.cancel()
                await asyncio.sleep(0.05)
            await asyncio.wait([task], timeout=0.1)
            flow = converter._started()  # noqa: SLF001 - to see what is left
            assert isinstance(flow, Flow)
            assert not flow._streams  # noqa: SLF001 - the same
            assert not len(converter._calls)  # noqa: SLF001 - the same
            await asyncio.sleep(0.3)

    run(convert())


def test_a_second_event_loop_is_refused(chips: Path) -> None:
    data = (chips / "River" / "River_1.tif").read_bytes()
    converter = Converter(limits=ONE, executor=SerialExecutor())
    uses: list[Callable[[], Any]] = [
        lambda: converter.render(data),
        lambda: converter.convert(chips, chips / "out"),
        converter.aclose,
    ]
    with asyncio.Runner() as first:
        first.run(converter.render(data))
        with asyncio.Runner() as second:
            for use in uses:
                with pytest.raises(AsyncRgbError, match="another event loop"):
                    in_thread(second, use)
        first.run(converter.aclose())
    asyncio.run(rendered_and_closed(converter, data))


def in_thread(runner: asyncio.Runner, use: Callable[[], Any]) -> None:
    async def used() -> None:
        await use()

    runner.run(used())


async def rendered_and_closed(converter: Converter, data: bytes) -> None:
    options = RenderOptions(stretch=FixedStretch(0, 3000))
    assert await converter.render(data, options) == asyncrgb.render(data, options)
    await converter.aclose()
