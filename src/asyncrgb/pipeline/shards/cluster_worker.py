"""What runs inside a Dask worker: one shard, warm from task to task, which ends with the worker.

A worker takes part in a run by a plugin, which holds its flow. Tasks are slices; a task that runs
once more, as the worker that had it is lost, leaves alone what that one has done. No image leaves
the worker but to its place in the storage.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from distributed import WorkerPlugin, get_worker, secede

from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.loops import loop_factory
from asyncrgb.pipeline.run import Brake
from asyncrgb.pipeline.shards.repeating import completed, part_of, places_left
from asyncrgb.pipeline.shards.shard import Shard
from asyncrgb.pipeline.storage.storage import LocalFiles
from asyncrgb.pipeline.workers.orders import Measure
from asyncrgb.pipeline.workers.pool import SerialExecutor
from asyncrgb.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from distributed import Worker

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.shards.slices import Slice, Tidings

_CLOSING_SECONDS: Final = 5.0
_FEW: Final = 128  # jobs of a slice: some hundredths of a second, in which the next one can come


class Setup(NamedTuple):
    """What a Dask worker is to do in a run.

    Attributes:
        name: of the plugin; no other run has it.
        options: how to render, where a job does not say otherwise.
        limits: of each worker.
        fsync: whether a picture that is said to be there is to survive a power cut.

    """

    name: str
    options: RenderOptions
    limits: Limits
    fsync: bool


class Reach(NamedTuple):
    """What a worker has to reach.

    Attributes:
        version: of the program.
        source: that it is to read.
        token: a file that was just written to the folder of the results; None: there is none.

    """

    version: str
    source: str
    token: str | None


class Pipeline(WorkerPlugin):  # type: ignore[misc] # of a library without types
    """A shard in a Dask worker.

    Args:
        setup: what it is to do.

    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def setup(self, worker: Worker) -> None:
        """Get ready; called by Dask."""
        self._name = str(worker.address)
        self._threads = int(worker.state.nthreads)
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._brakes: dict[int, Brake] = {}
        self._stopped: set[int] = set()

    async def teardown(self, worker: Worker) -> None:
        """End the flow; called by Dask."""
        del worker
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            closing = asyncio.run_coroutine_threadsafe(self._flow.aclose(), loop)
            await asyncio.wait([asyncio.wrap_future(closing)], timeout=_CLOSING_SECONDS)
            loop.call_soon_threadsafe(loop.stop)

    def carry_out(self, piece: Slice) -> list[Tidings]:
        """Carry out a slice, and let the next one in at its end; called on threads of tasks."""
        told: list[Tidings] = []
        left, nearly = len(piece.sources), Event()

        def tell(results: Tidings) -> None:
            nonlocal left
            told.append(results)
            left -= len(results.usual) + len(results.others)
            if left <= _FEW:
                nearly.set()

        with self._lock:
            brake = self._brakes[piece.number] = Brake()
            if piece.number in self._stopped:
                return told
            loop = self._started()
        try:
            work = self._shard.carry_out(piece, tell, brake)
            ending = asyncio.run_coroutine_threadsafe(work, loop)
            ending.add_done_callback(lambda _: nearly.set())
            nearly.wait()
            secede()
            ending.result()
        finally:
            del self._brakes[piece.number]
        return told

    def stop(self, numbers: Sequence[int]) -> None:
        """Let no more jobs of slices be begun, whether they have come or not."""
        with self._lock:
            self._stopped.update(numbers)
            brakes = [self._brakes[each] for each in numbers if each in self._brakes]
            if self._loop is not None:
                for brake in brakes:
                    self._loop.call_soon_threadsafe(brake.pull)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = (loop_factory() or asyncio.new_event_loop)()
            Thread(target=self._run, args=[self._loop], name="asyncrgb", daemon=True).start()
            making = asyncio.run_coroutine_threadsafe(self._make(), self._loop)
            making.result()
        return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        loop.run_forever()
        loop.close()

    async def _make(self) -> None:
        setup = self._setup
        limits = replace(setup.limits, workers=setup.limits.workers or self._threads)
        storage = LocalFiles(fsync=setup.fsync)
        self._flow = Flow(setup.options, limits, _executor(limits), storage)
        self._shard = Shard(self._name, self._flow)


def _executor(limits: Limits) -> Executor:
    """Render in this process: Dask's may not have children, and crashes are made up for by Dask.

    With one renderer for each event loop, children would gain nothing either: two single-threaded
    workers converted 2,700 chips/s so, 2,100 with children.
    """
    if limits.worker_count == 1:
        return SerialExecutor()
    return ThreadPoolExecutor(limits.worker_count, thread_name_prefix="asyncrgb-render")


def carry_out(plugin: str, data: bytes, since: int | None) -> list[Tidings]:
    """Carry out a slice; a task.

    Args:
        plugin: of the run.
        data: the slice, pickled.
        since: results of it that are newer have been made in this run, by the clock of their
            storage, in nanoseconds; None: nothing is known of that.

    """
    piece: Slice = pickle.loads(data)  # noqa: S301 - our own bytes
    pipeline = cast("Pipeline", get_worker().plugins[plugin])
    if since is None or isinstance(piece.action, Measure):
        return pipeline.carry_out(piece)
    left = places_left(piece, since)
    if len(left) == len(piece.sources):
        return pipeline.carry_out(piece)
    return completed(piece, left, pipeline.carry_out(part_of(piece, left)) if left else [])


def stop(plugin: str, numbers: Sequence[int], dask_worker: Worker) -> None:
    """Let no more jobs of slices be begun in this worker."""
    pipeline = dask_worker.plugins.get(plugin)
    if pipeline is not None:
        pipeline.stop(numbers)


def look(reach: Reach) -> str | None:
    """Find out whether this worker reaches what it has to; say what is wrong."""
    ours = version("asyncrgb")
    if reach.version != ours:
        return f"there is asyncrgb {ours}, and here {reach.version}: install the same there"
    try:
        if not is_url(reach.source):  # a store says itself what is wrong, image by image
            os.stat(reach.source)
            if not os.access(reach.source, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        return f"{reach.source}: {error.strerror}"
    if reach.token is None:
        return None
    folder = os.path.dirname(reach.token)
    if not os.path.exists(reach.token):
        return f"{folder}: what is written there from here does not appear there"
    if not os.access(folder, os.W_OK):
        return f"{folder}: it cannot be written to"
    return None
