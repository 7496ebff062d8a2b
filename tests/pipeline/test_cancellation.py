"""Calls that are cancelled at any moment, and what must not be left of them.

ASYNCRGB_CANCELLATIONS says how many, of each event loop; ASYNCRGB_SEED which.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import psutil
import pytest

import asyncrgb
from asyncrgb import Converter, Counters, Job, Limits
from tests.pipeline.conftest import Run

pytestmark = pytest.mark.both_loops

COUNT: Final = int(os.environ.get("ASYNCRGB_CANCELLATIONS", "150"))
SEED: Final = int(os.environ.get("ASYNCRGB_SEED", "20261122"))
LIMITS: Final = Limits(workers=2, batch=8, reads=4, writes=2, memory=16 * 2**20)
REST: Final = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 100, seed=7)
    return folder


class Torment:
    """Calls a Converter, and cancels what it has called.

    Attributes:
        ends: how many calls ended in which way.

    """

    def __init__(self, chips: Path, out: Path, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - no secret
        self._chips = chips
        self._out = out
        self._one = chips / "River" / "River_1.tif"
        self._data = self._one.read_bytes()
        self._picture = asyncrgb.render(self._data)
        self._converter = Converter(limits=LIMITS)
        self._left = COUNT
        self.ends: Counter[str] = Counter()

    async def run(self) -> None:
        """Let several victims suffer at once, and see that nothing is left of them."""
        await self._converter.render(self._data)  # the first has to wait for the workers
        while self._left > 0:
            await asyncio.gather(*(self._victims(slot) for slot in range(4)))
            await self._close() if self._random.random() < 0.7 else await self._look()
        gc.collect()  # generators that were just left are closed by the loop, while it runs
        await self._look()
        await self._converter.aclose()

    async def _victims(self, slot: int) -> None:
        for _ in range(self._random.randrange(1, 12)):
            self._left -= 1
            await self._victim(slot)

    async def _victim(self, slot: int) -> None:
        call = self._random.choice(
            [self._render, self._file, self._many, self._folder, self._count]
        )
        way = self._random.choice([self._time_out, self._cancel, self._cancel_twice, self._let_be])
        try:
            await way(lambda: call(slot))
            self.ends["done"] += 1
        except TimeoutError:
            self.ends["timed out"] += 1
        except asyncio.CancelledError:
            self.ends["cancelled"] += 1

    def _moment(self) -> float:
        return float(10 ** self._random.uniform(-5, -1.2))

    async def _time_out(self, call: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.timeout(self._moment()):
            await call()

    async def _cancel(self, call: Callable[[], Awaitable[None]], times: int = 1) -> None:
        task = asyncio.ensure_future(call())
        for _ in range(times):
            await asyncio.sleep(self._random.choice([0, self._moment()]))
            task.cancel()
        await task

    async def _cancel_twice(self, call: Callable[[], Awaitable[None]]) -> None:
        await self._cancel(call, times=2)

    async def _let_be(self, call: Callable[[], Awaitable[None]]) -> None:
        await call()

    async def _render(self, _: int) -> None:
        assert await self._converter.render(self._data) == self._picture

    async def _file(self, slot: int) -> None:
        await self._converter.convert_file(self._one, self._out / str(slot) / "one.png")

    async def _folder(self, slot: int) -> None:
        report = await self._converter.convert(self._chips, self._out / f"all{slot}", force=True)
        assert len(report.converted) == 100

    async def _count(self, _: int) -> None:
        assert (await self._converter.measure(self._chips)).images == 100

    async def _many(self, slot: int) -> None:
        jobs = (Job(str(self._one), str(self._out / f"{slot}" / f"{n}.png")) for n in range(200))
        outcomes = self._converter.convert_many(jobs)
        enough = self._random.randrange(150)
        # Most people just leave a loop; but that crashes uvloop in debug mode now and then.
        just_leaves = self._random.random() < 0.5
        if just_leaves and isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
            await self._take(outcomes, enough)
        else:
            async with aclosing(outcomes):
                await self._take(outcomes, enough)

    async def _take(self, outcomes: Any, enough: int) -> None:  # noqa: ANN401 - a generator
        count = 0
        async for outcome in outcomes:
            assert isinstance(outcome, asyncrgb.Converted)
            count += 1
            if count > enough:
                break

    async def _look(self) -> None:
        """See that it comes to rest, and renders as ever."""
        async with asyncio.timeout(20):
            while self._converter.counters() != REST:
                await asyncio.sleep(0.001)
            await self._render(0)

    async def _close(self) -> None:
        """Close it, in the middle of something, and perhaps be cancelled over that."""
        wait = self._random.random() < 0.5
        rendering = asyncio.ensure_future(self._render(0))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._moment()):
                await self._converter.aclose(wait=wait)
        with suppress(asyncrgb.AsyncRgbError):
            await rendering
        await self._look()


def belongings() -> dict[str, Any]:
    """Write down what this process has, but for the fork server and what is the test's."""
    gc.collect()
    memory = [each for each in os.listdir("/dev/shm") if "asyncrgb" in each]  # noqa: S108
    grandchildren = [
        each.pid for child in psutil.Process().children() for each in alive_children(child)
    ]
    return {
        "descriptors": psutil.Process().num_fds(),
        "threads": sorted(each.name for each in threading.enumerate() if "uvloop" not in each.name),
        "grandchildren": grandchildren,
        "memory": memory,
    }


def alive_children(process: psutil.Process) -> list[psutil.Process]:
    return [each for each in process.children() if each.status() != psutil.STATUS_ZOMBIE]


def test_nothing_is_left_of_what_was_cancelled(
    chips: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    run: Run,
) -> None:
    caplog.set_level(logging.WARNING)
    run(asyncrgb.convert(chips, tmp_path / "first", limits=LIMITS))  # brings up a fork server
    before = belongings()
    torment = Torment(chips, tmp_path, SEED)
    run(torment.run())
    del torment._converter  # noqa: SLF001 - what it has is to go
    end = time.monotonic() + 20
    while (after := belongings()) != before and time.monotonic() < end:
        time.sleep(0.05)  # threads that are idle take a moment to end
    assert after == before
    assert not list(tmp_path.rglob(".asyncrgb-*"))
    complaints = [each.getMessage() for each in caplog.records if "took" not in each.getMessage()]
    assert not complaints, "a slow callback is not what is looked for here"
    assert torment.ends["timed out"] > COUNT / 10
    assert torment.ends["cancelled"] > COUNT / 4
    assert torment.ends["done"] > COUNT / 10
