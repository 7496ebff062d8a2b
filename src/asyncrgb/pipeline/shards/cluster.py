"""Shards that are Dask workers: slices are tasks, and Dask repeats those of workers that are lost.

A task is the place of its images and what is to be done with them; workers read and write
themselves. Needs ``distributed`` (the extra ``dask``).
"""

from __future__ import annotations

import asyncio
import os
import pickle
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from distributed import KilledWorker

from asyncrgb.errors import AsyncRgbError, OptionsError
from asyncrgb.pipeline.shards import cluster_worker
from asyncrgb.pipeline.shards.cluster_worker import Pipeline, Reach, Setup
from asyncrgb.pipeline.shards.slices import SliceLostError
from asyncrgb.pipeline.storage.files import make_folder
from asyncrgb.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client, Future

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.shards.slices import Slice, Tidings

_SECONDS: Final = 1.0  # of a task: what Dask needs for one are milliseconds
_BYTES: Final = 256 * 2**20
_THREADS: Final = 64
_WORKERS_SECONDS: Final = 30
_CLOSING_SECONDS: Final = 5.0
_DROPPED: Final = (
    "the Dask cluster has dropped what it was given: its scheduler has ended or was restarted; run "
    "the same again when there is one, it goes on from here"
)
_PREFIX: Final = ".asyncrgb-reach-"


class ClusterShards:
    """Shards that are the workers of a Dask cluster; see ``Shards``.

    Args:
        client: of the cluster, synchronous or asynchronous; it is not closed.
        options: how to render, where a job does not say otherwise.
        limits: of each worker; by default as many renderers as it has threads.
        fsync: whether a picture that is said to be there is to survive a power cut.

    """

    places = 2
    seconds = _SECONDS
    bytes = _BYTES

    def __init__(
        self, client: Client, options: RenderOptions, limits: Limits, *, fsync: bool
    ) -> None:
        self._client = client
        self._name = f"asyncrgb-{uuid4().hex}"
        self._setup = Setup(self._name, options, limits, fsync)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="asyncrgb-cluster")
        self._futures: dict[int, Future] = {}
        self._stopping: set[int] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._since: dict[str, int] = {}
        self._begun = False

    async def reach(self, source: str, folder: str | None) -> None:
        """Have each worker look at the sources, and for a file written to the folder now."""
        here = version("asyncrgb")
        token = None  # who writes to a bucket finds out by doing it
        if folder is not None and not is_url(folder):
            token = await self._on_thread(self._leave_token, folder)
        try:
            await self._wait_for_workers()
            look = partial(cluster_worker.look, Reach(here, absolute(source), token))
            found = await self._ask(self._client.run, look, on_error="return")
        finally:
            if token is not None:
                await self._on_thread(os.unlink, token)
        for worker, problem in found.items():
            if problem is not None:
                raise OptionsError(_unreached(worker, problem))

    async def start(self) -> None:
        """Have each worker, and those that come later, ready for slices."""
        await self._wait_for_workers()
        self._begun = True
        await self._ask(self._client.register_plugin, Pipeline(self._setup), name=self._name)
        workers = await self._workers()
        self.places = sum(1 + each["nthreads"] for each in workers.values())

    async def carry_out(self, piece: Slice, take: Callable[[Tidings], None]) -> None:
        """Have a worker carry out a slice, or another one if that is lost."""
        since = None if piece.folder is None else self._since.get(piece.folder)
        future = self._client.submit(
            cluster_worker.carry_out,
            self._name,
            pickle.dumps(_anywhere(piece)),
            since,
            key=f"{self._name}-{piece.number}",
            pure=False,
        )
        self._futures[piece.number] = future
        try:
            for results in await self._ask(future.result):
                take(results)
        except KilledWorker:
            raise SliceLostError from None
        except (CancelledError, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if piece.number not in self._stopping:
                raise AsyncRgbError(_DROPPED) from error
        finally:
            del self._futures[piece.number]

    def drain(self, number: int) -> None:
        """Let no more jobs of a slice be begun."""
        self._stop({number})

    def cancel(self, number: int) -> None:
        """Let a slice be dropped."""
        self._stop({number})

    async def close(self) -> None:
        """Let the workers forget the run; the cluster and its client go on."""
        self._stop(set(self._futures))
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                while self._sending:
                    await asyncio.wait(self._sending)
                if self._futures:
                    await self._ask(self._client.cancel, list(self._futures.values()))
                if self._begun:
                    await self._ask(self._client.unregister_worker_plugin, self._name)
        self._threads.shutdown(wait=False)

    def _stop(self, numbers: set[int]) -> None:
        numbers = numbers - self._stopping
        if numbers:
            self._stopping |= numbers
            task = asyncio.get_running_loop().create_task(self._tell(list(numbers)))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _tell(self, numbers: list[int]) -> None:
        stop = partial(_stop_in, self._name, numbers)
        with suppress(OSError):  # a worker that is lost has stopped
            await self._ask(self._client.run, stop, on_error="ignore")

    async def _wait_for_workers(self) -> None:
        try:
            await self._ask(self._client.wait_for_workers, 1, _WORKERS_SECONDS)
        except TimeoutError:
            raise OptionsError(
                f"the Dask cluster has no workers after {_WORKERS_SECONDS} s: start some with "
                "`dask worker ADDRESS`"
            ) from None

    async def _workers(self) -> dict[str, Any]:
        info = await self._ask(self._client.scheduler_info, n_workers=-1)
        return dict(info["workers"])

    def _leave_token(self, folder: str) -> str:
        """Write a file to the folder of the results, which tells the time there, too."""
        make_folder(folder)
        token = os.path.join(os.path.abspath(folder), f"{_PREFIX}{uuid4().hex}")
        with open(token, "wb") as file:
            file.write(b"asyncrgb")
        self._since[folder] = os.stat(token).st_mtime_ns
        return token

    async def _on_thread(self, work: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - whatever comes of it
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    async def _ask(self, method: Callable[..., Any], *args: object, **given: object) -> Any:  # noqa: ANN401 - the same
        """Have the client do something: it is synchronous, or lives in this event loop."""
        call = partial(method, *args, **given)
        if self._client.asynchronous:
            found = call()
            return (
                await found if asyncio.iscoroutine(found) or hasattr(found, "__await__") else found
            )
        return await self._on_thread(call)


def absolute(path: str) -> str:
    """Give a path as it is from any folder; what is no path but an address stays."""
    return path if is_url(path) else os.path.abspath(path)


def _anywhere(piece: Slice) -> Slice:
    """Give a slice for processes that are in other folders; of most only the prefix changes."""
    here = os.getcwd()

    def named(path: str) -> str:
        return path if is_url(path) else os.path.join(here, path)

    return piece._replace(
        sources=[named(path) for path in piece.sources],
        destinations=[named(path) for path in piece.destinations],
        folder=None if piece.folder is None else named(piece.folder),
    )


def _stop_in(plugin: str, numbers: list[int], dask_worker: Any) -> None:  # noqa: ANN401 - Dask gives it by this name
    cluster_worker.stop(plugin, numbers, dask_worker)


def _unreached(worker: str, problem: object) -> str:
    if isinstance(problem, ModuleNotFoundError):
        return f"the Dask worker {worker} lacks {problem.name}: install asyncrgb there"
    return (
        f"the Dask worker {worker} does not reach what this machine does: {problem}: name paths "
        "that all workers share"
    )
