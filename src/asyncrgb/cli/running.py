"""How a run goes on: its log, its workers, its event loop, its end."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from asyncrgb.fork_server import end_fork_server, start_fork_server

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from distributed import Client

    from asyncrgb import Converter, Event
    from asyncrgb.cli.stopping import Stopper, Voice
    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions

_T = TypeVar("_T")

_WRITE_SECONDS: Final = 1.0
_PAUSE: Final = 0.002


class Setting(NamedTuple):
    """What a run goes on with.

    Attributes:
        options: how to render.
        limits: how much of the machine to use.
        executor: where to render: process, thread or serial.
        fsync: whether a file is only said to be there when it is on the disk.
        on_event: hears of what happens on the way.
        cluster: on whose workers to go on.

    """

    options: RenderOptions
    limits: Limits
    executor: str
    fsync: bool = False
    on_event: Callable[[Event], None] | None = None
    cluster: Client | None = None


def logger(*, verbose: bool) -> logging.Logger:
    """Let the program's log go to the terminal."""
    logging.basicConfig(format="asyncrgb: %(message)s", stream=sys.stderr)
    log = logging.getLogger("asyncrgb")
    log.setLevel(logging.INFO if verbose else logging.WARNING)
    return log


def run(
    setting: Setting,
    job: Callable[[Converter], Coroutine[Any, Any, _T]],
    stopper: Stopper | None,
    voice: Voice,
) -> _T | None:
    """Run ``job`` in an event loop, uvloop's where it is installed.

    Args:
        setting: what it goes on with.
        job: is given the Converter to use.
        stopper: takes the signals meanwhile, and afterwards; None: whoever calls does.
        voice: says that a signal has come.

    Returns:
        What the job did; None: a signal came, and it was dropped.

    Raises:
        KeyboardInterrupt: Ctrl-C, where there is no stopper.

    """
    if setting.executor == "process" and setting.cluster is None:
        _start_fork_server(setting.limits)
    try:
        with _executor(setting.executor, setting.limits) as executor:
            return _run(_converter(setting, executor), job, stopper, voice)
    finally:
        if stopper is not None:
            end_fork_server()


def _run(
    converter: Converter,
    job: Callable[[Converter], Coroutine[Any, Any, _T]],
    stopper: Stopper | None,
    voice: Voice,
) -> _T | None:
    import asyncio  # noqa: PLC0415 - 60 ms that --help does not need

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_carry_out(converter, job, stopper, voice))
        except asyncio.CancelledError:
            if stopper is None:
                raise KeyboardInterrupt from None
            return None


async def _carry_out(
    converter: Converter,
    job: Callable[[Converter], Coroutine[Any, Any, _T]],
    stopper: Stopper | None,
    voice: Voice,
) -> _T:
    """Carry out the job, which alone is cancelled: the clearing up after it is not."""
    import asyncio  # noqa: PLC0415 - loaded already

    async with converter:
        task = asyncio.ensure_future(job(converter))
        if stopper is None:
            return await task
        with stopper.guarding(_Work(converter, task), asyncio.get_running_loop(), voice):
            return await task


class _Work:
    """What the stopper stops."""

    def __init__(self, converter: Converter, task: Task[Any]) -> None:
        self._converter = converter
        self._task = task
        self._until: float | None = None

    def drain(self) -> None:
        self._converter.drain()

    def cancel(self) -> None:
        """Drop what is under way; not what is being written, which would be there, uncounted."""
        loop = self._task.get_loop()
        self._until = self._until or loop.time() + _WRITE_SECONDS
        if self._converter.counters().writing and loop.time() < self._until:
            loop.call_later(_PAUSE, self.cancel)
        else:
            self._task.cancel()


def _start_fork_server(limits: Limits) -> None:
    """Let the parent of the workers load what they need while this process loads the rest."""
    if limits.shards > 1:
        start_fork_server(["asyncrgb.pipeline.shards.shard_process"])
    else:
        start_fork_server()


def _loop_factory() -> Callable[[], Any] | None:
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _converter(setting: Setting, executor: Executor | None) -> Converter:
    from asyncrgb import Converter  # noqa: PLC0415 - what --help does not need

    return Converter(
        setting.options,
        limits=setting.limits.for_itself(),
        executor=executor,
        cluster=setting.cluster,
        fsync=setting.fsync,
        on_event=setting.on_event,
    )


def _executor(kind: str, most: Limits) -> AbstractContextManager[Executor | None]:
    """Give the executor, which is to be left when it has come to rest."""
    if kind == "process":
        return nullcontext()
    if kind == "thread":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - needed only here

        return ThreadPoolExecutor(most.worker_count)
    from asyncrgb import SerialExecutor  # noqa: PLC0415 - needed only here

    return SerialExecutor()
