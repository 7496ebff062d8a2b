"""What who runs a service hears of: a hook, the log, and traces."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import logging
import os
import signal
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pytest

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    Converted,
    Converter,
    Event,
    Failed,
    Job,
    Limits,
    MemoryReduced,
    RenderOptions,
    SerialExecutor,
    Trace,
    WorkersFailed,
    WorkersReplaced,
    WorkersStarted,
)
from asyncrgb.pipeline.workers.processes import Processes
from tests.pipeline.conftest import Run
from tests.pipeline.faults import die_once, faulty

TWO = Limits(workers=2)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 20, seed=7)
    return folder


@pytest.fixture(scope="module")
def data(chips: Path) -> bytes:
    return (chips / "River" / "River_1.tif").read_bytes()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(each.levelno, each.message) for each in caplog.records if each.name == "asyncrgb"]


def test_the_start_of_workers_is_an_event(
    chips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    caplog.set_level(logging.INFO, "asyncrgb")  # which the command may have set
    heard: list[Event] = []
    began = time.perf_counter()
    run(asyncrgb.convert(chips, tmp_path, limits=TWO, on_event=heard.append))
    (event,) = heard
    assert isinstance(event, WorkersStarted)
    assert event.workers == 2
    assert 0 < event.seconds < time.perf_counter() - began
    assert logged(caplog) == [(logging.INFO, str(event))]
    run(asyncrgb.convert(chips, tmp_path, limits=TWO, on_event=heard.append))
    assert heard == [event], "everything was up to date: no workers"
    run(asyncrgb.measure(chips, limits=TWO, on_event=heard.append))
    assert len(heard) == 2


def test_an_executor_that_was_given_has_no_events(chips: Path, tmp_path: Path, run: Run) -> None:
    heard: list[Event] = []
    run(asyncrgb.convert(chips, tmp_path, executor=SerialExecutor(), on_event=heard.append))
    assert heard == []


def test_a_worker_that_dies_is_an_event(
    data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    heard: list[Event] = []

    async def render() -> None:
        async with Converter(limits=TWO, on_event=heard.append) as converter:
            deadly = faulty(die_once, str(tmp_path / "mark"))
            assert await converter.render(data, deadly) == asyncrgb.render(data)

    run(render())
    started, replaced = heard
    assert isinstance(started, WorkersStarted)
    assert isinstance(replaced, WorkersReplaced)
    assert replaced.workers == 2
    assert -signal.SIGKILL in replaced.exits.values()
    assert len(replaced.exits) == 2
    assert replaced.seconds > 0
    assert logged(caplog) == [(logging.WARNING, str(replaced))]


def test_workers_that_cannot_be_had_are_an_event(
    data: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    def fail(_: Processes) -> None:
        raise BrokenExecutor

    heard: list[Event] = []

    async def render() -> None:
        async with Converter(limits=TWO, on_event=heard.append) as converter:
            with monkeypatch.context() as patch:
                patch.setattr(Processes, "start", fail)
                with pytest.raises(AsyncRgbError, match="die as they start") as raised:
                    await converter.render(data)
            await asyncio.sleep(0)
            assert heard == [WorkersFailed(raised.value)]
            with pytest.raises(AsyncRgbError, match="die as they start"):
                await converter.render(data)
            await converter.aclose()
            assert await converter.render(data), "closed, it tries again"
            assert [type(each) for each in heard] == [WorkersFailed, WorkersStarted]

    run(render())
    assert logged(caplog) == [], "the error was raised"


def test_memory_that_cannot_be_had_is_an_event(
    data: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    reserve = os.posix_fallocate

    def reserve_little(fd: int, start: int, size: int) -> None:
        if start < 2**30 and start + size > 5 * 2**20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve(fd, start, size)

    monkeypatch.setattr(os, "posix_fallocate", reserve_little)
    heard: list[Event] = []
    limits = Limits(workers=1, memory=2**30)

    async def render() -> None:
        async with Converter(
            limits=limits, executor=SerialExecutor(), on_event=heard.append
        ) as converter:
            await asyncio.gather(*(converter.render(data) for _ in range(100)))

    run(render())
    (event,) = heard
    assert event == MemoryReduced(available=4 * 2**20, wanted=2**30)
    ((level, text),) = logged(caplog)
    assert level == logging.WARNING
    assert "4194304" in text


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), asyncio.CancelledError("mine")])
def test_what_a_hook_raises_is_not_lost_and_does_no_harm(
    error: BaseException, chips: Path, tmp_path: Path, run: Run
) -> None:
    def fail(_: Event) -> None:
        raise error

    async def convert() -> None:
        caught: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))
        report = await asyncrgb.convert(chips, tmp_path, limits=TWO, on_event=fail)
        assert len(report.converted) == 20
        assert [each["exception"] for each in caught] == [error]

    run(convert())


def test_a_hook_may_use_the_converter(chips: Path, tmp_path: Path, run: Run) -> None:
    async def convert() -> None:
        heard: list[Event] = []

        def stop(event: Event) -> None:
            heard.append(event)
            converter.drain()

        async with Converter(limits=Limits(workers=1, batch=1), on_event=stop) as converter:
            report = await converter.convert(chips, tmp_path)
            assert report.stopped
            assert len(heard) == 1

    run(convert())


def test_events_are_values() -> None:
    event = WorkersStarted(2, 0.5)
    assert event == WorkersStarted(workers=2, seconds=0.5)
    assert str(event) == "2 worker processes at work after 0.50 s"
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.workers = 3  # type: ignore[misc] # that is the test


# Traces


@pytest.mark.parametrize("workers", ["own", "serial"])
@pytest.mark.parametrize("options", [None, RenderOptions(bands=(8, 4, 3), worldfile=True)])
def test_single_files_and_streams_can_be_traced_too(
    workers: str, options: RenderOptions | None, chips: Path, tmp_path: Path, run: Run
) -> None:
    sources = [*map(str, sorted(chips.glob("*/*.tif"))), str(tmp_path / "missing.tif")]
    jobs = [Job(each, str(tmp_path / f"{n}.png"), options) for n, each in enumerate(sources)]

    async def convert() -> None:
        executor = SerialExecutor() if workers == "serial" else None
        async with Converter(limits=TWO, executor=executor) as converter:
            outcomes = [each async for each in converter.convert_many(jobs, trace=True)]
            one = await converter.convert_file(sources[0], tmp_path / "a.png", options, trace=True)
            outcomes.append(one)
            assert len(outcomes) == 22
            for outcome in outcomes:
                look_at(outcome)
            plain = [each async for each in converter.convert_many(jobs)]
            plain.append(await converter.convert_file(sources[0], tmp_path / "a.png", options))
            for outcome in plain:
                assert isinstance(outcome, (Converted, Failed))
                assert outcome.trace is None

    def look_at(outcome: object) -> None:
        assert isinstance(outcome, (Converted, Failed))
        trace = outcome.trace
        assert isinstance(trace, Trace)
        if isinstance(outcome, Converted):
            assert trace.read_bytes == os.stat(outcome.source).st_size
            assert trace.written_bytes >= os.stat(outcome.destination).st_size
            assert min(trace.read_seconds, trace.render_seconds, trace.write_seconds) > 0
        else:
            assert outcome.source.endswith("missing.tif")

    run(convert())
    expected = asyncrgb.render(Path(sources[0]).read_bytes(), options or RenderOptions())
    assert (tmp_path / "a.png").read_bytes() == expected
