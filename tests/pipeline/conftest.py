"""Both event loops."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

# Each test starts workers of its own; what they import is loaded once for all of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
multiprocessing.set_forkserver_preload(
    ["asyncrgb.pipeline.workers.worker", "asyncrgb.imaging.chip"]
)

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run coroutines on each of the two event loops, in debug mode."""
    with asyncio.Runner(loop_factory=request.param, debug=True) as runner:
        yield runner.run
