"""A Converter that is closed: at once, or when what has been begun has ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    Converted,
    Converter,
    Counters,
    Job,
    Limits,
    RenderOptions,
    SerialExecutor,
)
from asyncrgb.pipeline.workers.processes import Processes
from tests.pipeline.conftest import Run
from tests.pipeline.faults import faulty

pytestmark = pytest.mark.both_loops

ONE = Limits(workers=1, batch=4, reads=1, writes=1)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 200, seed=7)
    return folder


@pytest.fixture(scope="module")
def data(chips: Path) -> bytes:
    return (chips / "River" / "River_1.tif").read_bytes()


def hesitant(seconds: float) -> RenderOptions:
    """Take so long in the worker before anything is rendered."""
    time.sleep(seconds)
    return RenderOptions()


def slow(seconds: float) -> RenderOptions:
    return faulty(hesitant, seconds)


def jobs(chips: Path, out: Path) -> Iterator[Job]:
    for n in range(1000):
        yield Job(str(chips / "River" / "River_1.tif"), str(out / f"{n}.png"))


async def collected(outcomes: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in outcomes]


def pictures(folder: Path) -> int:
    return sum(each.suffix == ".png" for each in folder.iterdir()) if folder.exists() else 0


def children() -> list[psutil.Process]:
    return [
        each
        for child in psutil.Process().children()
        for each in child.children()
        if each.status() != psutil.STATUS_ZOMBIE
    ]


def calls(converter: Converter, chips: Path, data: bytes, out: Path) -> dict[str, Any]:
    return {
        "render": converter.render(data),
        "convert_file": converter.convert_file(chips / "River" / "River_1.tif", out / "x.png"),
        "convert_many": collected(converter.convert_many(jobs(chips, out / "many"))),
        "convert": converter.convert(chips, out / "folder"),
        "measure": converter.measure(chips),
    }


def test_closing_can_wait_for_what_has_been_begun(
    chips: Path, data: bytes, tmp_path: Path, run: Run
) -> None:
    async def close() -> None:
        before = len(children())
        converter = Converter(limits=ONE)
        under_way = {
            name: asyncio.ensure_future(call)
            for name, call in calls(converter, chips, data, tmp_path).items()
        }
        under_way["slow"] = asyncio.ensure_future(converter.render(data, slow(0.5)))
        while not pictures(tmp_path / "many") or not pictures(tmp_path / "folder"):
            await asyncio.sleep(0.01)
        await converter.aclose(wait=True)
        assert converter.counters() == REST
        assert len(children()) == before
        ended = {name: await asyncio.wait_for(task, 1) for name, task in under_way.items()}
        picture = asyncrgb.render(data)
        assert ended["render"] == ended["slow"] == picture
        assert isinstance(ended["convert_file"], Converted)
        assert {type(each) for each in ended["convert_many"]} == {Converted}
        assert len(ended["convert_many"]) == pictures(tmp_path / "many") < 1000
        assert ended["convert"].stopped
        assert len(ended["convert"].converted) == pictures(tmp_path / "folder")
        assert await converter.render(data) == picture, "it starts again"
        await converter.aclose(wait=True)
        await converter.aclose(wait=True)

    run(close())
    assert not list(tmp_path.glob("*/.asyncrgb-*"))


def test_calls_are_refused_while_it_waits(
    chips: Path, data: bytes, tmp_path: Path, run: Run
) -> None:
    async def close() -> None:
        async with Converter(limits=ONE) as converter:
            rendering = asyncio.ensure_future(converter.render(data, slow(0.3)))
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(converter.aclose(wait=True))
            await asyncio.sleep(0)
            for call in calls(converter, chips, data, tmp_path).values():
                with pytest.raises(AsyncRgbError, match="being closed"):
                    await call
            assert await rendering
            await closing

    run(close())
    assert not list(tmp_path.iterdir())


def test_outcomes_can_be_taken_after_it_has_closed(chips: Path, tmp_path: Path, run: Run) -> None:
    async def close() -> None:
        converter = Converter(limits=ONE, executor=SerialExecutor())
        outcomes = converter.convert_many(jobs(chips, tmp_path))
        first = await anext(outcomes)
        await asyncio.wait_for(converter.aclose(wait=True), 20)
        rest = await collected(outcomes)
        assert {type(each) for each in [first, *rest]} == {Converted}
        assert 1 + len(rest) == pictures(tmp_path)

    run(close())


def test_it_can_be_closed_from_inside_its_own_loop(chips: Path, tmp_path: Path, run: Run) -> None:
    async def close() -> int:
        count = 0
        async with Converter(limits=ONE, executor=SerialExecutor()) as converter:
            async for _ in converter.convert_many(jobs(chips, tmp_path)):
                count += 1
                if count == 5:
                    await converter.aclose(wait=True)
        return count

    assert run(asyncio.wait_for(close(), 20)) == pictures(tmp_path) < 1000


def test_a_closing_that_is_given_up_closes_nothing(data: bytes, run: Run) -> None:
    async def close() -> None:
        converter = Converter(limits=ONE)
        endless = asyncio.ensure_future(converter.render(data, slow(60)))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await converter.aclose(wait=True)
        assert not endless.done()
        another = asyncio.ensure_future(converter.render(data))
        waiting = asyncio.ensure_future(converter.aclose(wait=True))
        await asyncio.sleep(0)
        await converter.aclose()  # no longer
        for task in (endless, another):
            with pytest.raises(AsyncRgbError, match="has been closed"):
                await task
        await asyncio.wait_for(waiting, 1)
        assert converter.counters() == REST

    run(close())


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_leaving_the_context_drops_what_is_under_way(
    error: type[Exception] | None, data: bytes, run: Run
) -> None:
    async def leave() -> None:
        tasks = []
        try:
            async with Converter(limits=ONE) as converter:
                tasks = [asyncio.ensure_future(converter.render(data, slow(60)))]
                await asyncio.sleep(0.1)
                if error is not None:
                    raise error
        except ZeroDivisionError:
            assert error
        with pytest.raises(AsyncRgbError, match="has been closed"):
            await tasks[0]

    run(asyncio.wait_for(leave(), 30))


def test_closing_what_was_never_used_is_nothing(run: Run) -> None:
    uses: list[Callable[[Converter], Any]] = [
        lambda converter: converter.aclose(),
        lambda converter: converter.aclose(wait=True),
    ]
    for use in uses:
        run(use(Converter()))


def test_who_closes_while_it_is_being_closed_waits_too(data: bytes, run: Run) -> None:
    async def close() -> None:
        converter = Converter(limits=ONE)
        await converter.render(data)
        first = asyncio.ensure_future(converter.aclose())
        await asyncio.sleep(0)
        await converter.aclose()
        assert not children()
        await first

    run(close())


@pytest.mark.parametrize("after", range(12))
@pytest.mark.parametrize("shards", [1, 2])
def test_a_loop_that_ends_meanwhile_leaves_no_workers(data: bytes, after: int, shards: int) -> None:
    """It cancels all tasks, that of the closing too."""

    async def close() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        async with Converter(limits=Limits(workers=2, shards=shards)) as converter:
            await converter.render(data)
            loop.call_later(after / 2000, task.cancel) if after else loop.call_soon(task.cancel)
        await asyncio.sleep(1)  # the end of the loop comes while it is closed, or after that

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(close())
    assert not children()


def test_it_can_be_closed_with_patience_in_one_loop_after_the_other(data: bytes) -> None:
    converter = Converter(limits=ONE)

    async def use() -> None:
        rendering = asyncio.ensure_future(converter.render(data))
        await asyncio.sleep(0)
        await converter.aclose(wait=True)
        await rendering

    for _ in range(2):
        asyncio.run(use())


def test_a_process_that_the_host_forks_holds_up_nothing(
    data: bytes, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has all that was open; what workers keep open until they end would seem to be theirs."""
    killed = []
    monkeypatch.setattr(Processes, "_kill", lambda _, processes: killed.append(processes))

    async def close() -> None:
        async with Converter(limits=ONE) as converter:
            await converter.render(data)
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            child.start()
        child.kill()
        child.join()

    run(close())
    assert not killed
