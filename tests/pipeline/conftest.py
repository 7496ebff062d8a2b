"""The event loops that tests run on."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from types import AsyncGeneratorType
from typing import Any, Final
from zlib import crc32

import pytest
import uvloop

# Each test starts workers of its own; what they import is loaded once for all of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
multiprocessing.set_forkserver_preload(
    ["asyncrgb.pipeline.workers.worker", "asyncrgb.imaging.chip"]
)

Run = Callable[[Coroutine[Any, Any, Any]], Any]
LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test one of the event loops, by its name, or both where it asks for them."""
    if "run" in metafunc.fixturenames:
        name = metafunc.definition.nodeid
        both = "THOROUGH" in os.environ or metafunc.definition.get_closest_marker("both_loops")
        one = sorted(LOOPS)[crc32(name.encode()) % len(LOOPS)]
        metafunc.parametrize("run", sorted(LOOPS) if both else [one], indirect=True)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run coroutines on an event loop in debug mode: each test on one, some on both.

    No asynchronous generator is to be left for the collector of garbage to close: in debug mode,
    that crashes uvloop now and then (MagicStack/uvloop issues 611 and 730).
    """
    left: list[str] = []
    with asyncio.Runner(loop_factory=LOOPS[request.param], debug=True) as runner:
        yield lambda coroutine: runner.run(_watched(coroutine, left))
    assert not left


async def _watched(coroutine: Coroutine[Any, Any, Any], left: list[str]) -> Any:  # noqa: ANN401
    """Note which asynchronous generators nobody closes; the event loop has just set its hooks."""
    bears_it = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    close = sys.get_asyncgen_hooks().finalizer

    def note(generator: AsyncGenerator[Any, Any]) -> None:
        assert isinstance(generator, AsyncGeneratorType)
        if bears_it and close and generator.__name__ == "convert_many":
            close(generator)  # most people just leave its loop
        else:
            left.append(f"{generator.__qualname__}, in {generator.ag_frame}")

    sys.set_asyncgen_hooks(finalizer=note)
    return await coroutine
