"""A good guest: in whatever event loop it lives, it changes nothing that is the host's."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import asyncrgb
from asyncrgb import (
    Converted,
    Converter,
    Counters,
    DecodeError,
    Job,
    Limits,
    RenderOptions,
    SerialExecutor,
)
from tests.pipeline.conftest import LOOPS, Run
from tests.pipeline.faults import faulty

pytestmark = pytest.mark.both_loops

TWO = Limits(workers=2)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 300, seed=7)
    return folder


@pytest.fixture(scope="module")
def data(chips: Path) -> bytes:
    return (chips / "River" / "River_1.tif").read_bytes()


def hesitant(seconds: float, _: int) -> RenderOptions:
    """Take so long in the worker before anything is rendered."""
    time.sleep(seconds)
    return RenderOptions()


numbers = count()


def slow(seconds: float) -> RenderOptions:
    return faulty(hesitant, seconds, next(numbers))  # no two are the same to a worker


async def at_rest(converter: Converter) -> None:
    while converter.counters() != REST:
        await asyncio.sleep(0.001)


async def everything(converter: Converter, chips: Path, out: Path, look: Callable[[], Any]) -> None:
    """Use all that a Converter can do, several things at a time."""
    one = chips / "River" / "River_1.tif"
    image = one.read_bytes()
    jobs = [Job(str(one), str(out / "many" / f"{n}.png")) for n in range(30)]

    async def many() -> int:
        return len([look() async for _ in converter.convert_many(jobs)])

    await asyncio.gather(
        converter.convert(chips, out / "folder", on_outcome=lambda _: look()),
        converter.convert_file(one, out / "one.png"),
        many(),
        *(converter.render(image) for _ in range(10)),
    )
    look()
    await converter.measure(chips / "River", on_outcome=lambda _: look())
    await converter.aclose()
    look()


# What is the host's


def surroundings() -> dict[str, Any]:
    """Write down what belongs to the host; to be called in the main thread."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    loggers = [logging.getLogger(name) for name in (None, "asyncrgb", "asyncio", "tifffile")]
    from multiprocessing import forkserver  # noqa: PLC0415 - for its private parts

    return {
        "signals": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "wakeup": fd,
        "loggers": [
            (each.level, each.handlers[:], each.filters[:], each.propagate) for each in loggers
        ],
        "disabled": logging.root.manager.disable,
        "policy": asyncio.get_event_loop_policy(),
        "filters": warnings.filters[:],
        "showwarning": warnings.showwarning,
        "switch interval": sys.getswitchinterval(),
        "recursion": sys.getrecursionlimit(),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "preload": list(forkserver._forkserver._preload_modules),  # type: ignore[attr-defined] # noqa: SLF001
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.callbacks[:]),
        "priority": os.nice(0),
        "memory": resource.getrlimit(resource.RLIMIT_AS),
        "path": sys.path[:],
        "numpy": np.geterr(),
    }


@pytest.mark.parametrize("workers", ["own", "serial"])
def test_what_is_the_hosts_stays_as_it_was(
    workers: str, chips: Path, tmp_path: Path, run: Run
) -> None:
    async def visit() -> None:
        before = surroundings()

        def look() -> None:
            assert surroundings() == before

        executor = SerialExecutor() if workers == "serial" else None
        await everything(Converter(limits=TWO, executor=executor), chips, tmp_path, look)

    before = surroundings()
    run(visit())
    if workers == "own":
        asyncrgb.run(chips, tmp_path / "run", limits=TWO)
    assert surroundings() == before


class Reserved(ThreadPoolExecutor):
    """The host's own threads."""

    def submit(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("somebody has used the default executor")


def test_the_default_executor_is_left_to_the_host(chips: Path, tmp_path: Path, run: Run) -> None:
    async def visit() -> None:
        asyncio.get_running_loop().set_default_executor(Reserved(1))
        await everything(Converter(limits=TWO), chips, tmp_path, lambda: None)

    run(visit())


@pytest.mark.alone
def test_no_callback_is_slow(
    chips: Path, data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, run: Run
) -> None:
    """A machine that others use may be slow once, but not each time."""

    async def visit(out: Path) -> None:
        assert asyncio.get_running_loop().get_debug()
        async with Converter(limits=TWO) as converter:
            report = await converter.convert(chips, out)
            assert len(report.converted) == 300
            await asyncio.gather(*(converter.render(data) for _ in range(64)))

    def complaints(attempt: int) -> list[str]:
        caplog.clear()
        run(visit(tmp_path / str(attempt)))
        return [each.message for each in caplog.records if each.name == "asyncio"]

    assert any(not complaints(attempt) for attempt in range(5)), caplog.text


# Other loops, other threads


def in_thread(work: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()

    def target() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it comes out in the test
            future.set_exception(error)

    threading.Thread(target=target).start()
    return future


def in_loop(kind: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401
    with asyncio.Runner(loop_factory=LOOPS[kind], debug=True) as runner:
        return runner.run(work())


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_in_another_thread_will_do(kind: str, chips: Path, tmp_path: Path) -> None:
    def visit() -> Coroutine[Any, Any, None]:
        return everything(Converter(limits=TWO), chips, tmp_path, lambda: None)

    in_thread(lambda: in_loop(kind, visit)).result(60)
    assert len(list(tmp_path.glob("folder/*.png"))) == 300


def test_run_works_in_another_thread(chips: Path, tmp_path: Path) -> None:
    report = in_thread(lambda: asyncrgb.run(chips, tmp_path, limits=TWO)).result(60)
    assert len(report.converted) == 300


@pytest.mark.parametrize("kinds", [("asyncio", "uvloop"), ("asyncio", "asyncio")])
def test_two_loops_in_two_threads_have_a_converter_each(
    kinds: tuple[str, str], chips: Path, data: bytes, tmp_path: Path
) -> None:
    async def visit(number: int) -> list[bytes]:
        async with Converter(limits=Limits(workers=1)) as converter:
            report = await converter.convert(chips, tmp_path / str(number))
            assert len(report.converted) == 300
            return await asyncio.gather(*(converter.render(data) for _ in range(20)))

    def in_loop_of(kind: str, number: int) -> Any:  # noqa: ANN401 - what comes of it
        return in_loop(kind, lambda: visit(number))

    futures = [in_thread(partial(in_loop_of, kind, number)) for number, kind in enumerate(kinds)]
    for future in futures:
        assert set(future.result(60)) == {asyncrgb.render(data)}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_notebook_goes_on_in_the_next_cell(
    kind: str, chips: Path, data: bytes, tmp_path: Path
) -> None:
    """Its loop runs while a cell does, and stands still between cells."""
    loop = LOOPS[kind]()
    cell = loop.run_until_complete
    converter = cell(Converter(limits=TWO).__aenter__())
    picture = cell(converter.render(data))
    conversion = loop.create_task(converter.convert(chips, tmp_path))
    cell(asyncio.sleep(0.05))
    time.sleep(0.05)
    assert cell(converter.render(data)) == picture == asyncrgb.render(data)
    report = cell(conversion)
    assert len(report.converted) == 300
    outcomes = converter.convert_many([Job(str(chips / "River/River_1.tif"), f"{tmp_path}/a.png")])
    assert isinstance(cell(anext(outcomes)), Converted)
    cell(outcomes.aclose())
    cell(at_rest(converter))
    cell(converter.aclose())
    cell(loop.shutdown_asyncgens())
    loop.close()


@pytest.mark.alone
@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_that_ends_in_the_middle_ends_quietly(
    kind: str, chips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The error holds on to the frame, and that to what yields outcomes, until the loop ends."""
    one = str(chips / "River" / "River_1.tif")
    jobs = [Job(one, str(tmp_path / f"{n}.png")) for n in range(300)]

    async def visit() -> None:
        converter = Converter(limits=TWO, executor=SerialExecutor())
        outcomes = converter.convert_many(jobs)
        async for _ in outcomes:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:
        in_loop(kind, visit)
    assert raised.value.__traceback__ is not None
    assert not caplog.records, caplog.text


# Structured concurrency


def test_each_call_can_have_a_timeout(chips: Path, data: bytes, tmp_path: Path, run: Run) -> None:
    one = str(chips / "River" / "River_1.tif")

    async def visit() -> None:
        async with Converter(limits=TWO) as converter:
            picture = await converter.render(data)

            async def many() -> None:
                async for _ in converter.convert_many(
                    [Job(one, f"{tmp_path}/m.png", slow(1))] * 100
                ):
                    pass

            async def folder() -> None:
                while True:
                    await converter.convert(chips, tmp_path / "folder", force=True)

            async def measure() -> None:
                while True:
                    await converter.measure(chips)

            calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
                lambda: converter.render(data, slow(1)),
                lambda: converter.convert_file(one, tmp_path / "a.png", slow(1)),
                many,
                folder,
                measure,
                lambda: converter.aclose(wait=True),
            ]
            for call in calls:
                unfinished = asyncio.ensure_future(converter.render(data, slow(1)))
                await asyncio.sleep(0)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await call()
                assert not unfinished.done(), "it did not wait for the worker"
                assert await unfinished == picture
            await at_rest(converter)

    run(asyncio.wait_for(visit(), 60))
    assert not list(tmp_path.rglob(".asyncrgb-*"))


def test_errors_come_out_of_a_task_group_as_themselves(
    chips: Path, data: bytes, tmp_path: Path, run: Run
) -> None:
    async def visit() -> None:
        async with Converter(limits=TWO) as converter:

            async def together() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(converter.convert(chips, tmp_path))
                    group.create_task(converter.render(data, slow(0.2)))
                    group.create_task(converter.render(b"no picture"))

            with pytest.raises(ExceptionGroup) as raised:
                await together()
            (error,) = raised.value.exceptions
            assert isinstance(error, DecodeError)
            await at_rest(converter)
            assert await converter.render(data) == asyncrgb.render(data)

    run(visit())
