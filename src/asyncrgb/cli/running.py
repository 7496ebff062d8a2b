"""How a run goes on: its limits, its workers, its event loop, and Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from asyncrgb.cli.parameters import GroupedOption, byte_size, default_of, in_order, shown_size
from asyncrgb.options import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Executor

_T = TypeVar("_T")

_option = partial(click.option, cls=GroupedOption)
_limit = partial(_option, group="Limits")
_terminal = partial(_option, group="Terminal")
_default = partial(default_of, Limits)

size_options = in_order(
    _limit(
        "--limit-pixels",
        "max_pixels",
        type=int,
        metavar="N",
        default=_default("max_pixels"),
        show_default=True,
        help="Largest height times width of an image; 0: any.",
    ),
    _limit(
        "--limit-bands",
        "max_bands",
        type=int,
        metavar="N",
        default=_default("max_bands"),
        show_default=True,
        help="Most bands of an image; 0: any number.",
    ),
    _limit(
        "--limit-expansion",
        "max_expansion",
        type=int,
        metavar="N",
        default=_default("max_expansion"),
        show_default=True,
        help="Most decoded bytes for each byte of a file, where they are more than 64 MiB; 0: any.",
    ),
)

limit_options = in_order(
    _limit(
        "--workers",
        type=int,
        metavar="N",
        show_default="one for each processor",
        help="Renderers at work at once.",
    ),
    _limit(
        "--reads",
        type=int,
        metavar="N",
        default=_default("reads"),
        show_default=True,
        help="Most reads in flight; fast storage never needs as many.",
    ),
    _limit(
        "--writes",
        type=int,
        metavar="N",
        default=_default("writes"),
        show_default=True,
        help="Most writes in flight.",
    ),
    _limit(
        "--memory",
        type=byte_size,
        metavar="SIZE",
        default=shown_size(_default("memory")),
        show_default=True,
        help="Image data held at any moment.",
    ),
    size_options,
    _limit(
        "--executor",
        type=click.Choice(["process", "thread", "serial"]),
        default="process",
        show_default=True,
        help="Where to render: in processes, in threads, or in the main thread.",
    ),
)

terminal_options = in_order(
    _terminal(
        "--progress/--no-progress", default=True, help="Bar on stderr, where it is a terminal."
    ),
    _terminal("-q", "--quiet", is_flag=True, help="No bar and no summary; failures only."),
    _terminal("-v", "--verbose", is_flag=True, help="Say with which settings the run goes on."),
)

_LIMITS = ("workers", "reads", "writes", "memory", "max_pixels", "max_bands", "max_expansion")


def limits(given: Mapping[str, Any]) -> Limits:
    """Turn what was given on the command line into limits.

    Raises:
        OptionsError: a value cannot be used.

    """
    return Limits(**{name: given[name] for name in _LIMITS})


def logger(*, verbose: bool) -> logging.Logger:
    """Let the program's log go to the terminal."""
    logging.basicConfig(format="asyncrgb: %(message)s", stream=sys.stderr)
    log = logging.getLogger("asyncrgb")
    log.setLevel(logging.INFO if verbose else logging.WARNING)
    return log


def run(work: Callable[[Executor | None], Coroutine[Any, Any, _T]], kind: str, most: Limits) -> _T:
    """Run ``work`` in an event loop, uvloop's where it is installed.

    Args:
        work: is given the executor to use; None: worker processes.
        kind: of executor: process, thread or serial.
        most: number of threads.

    Raises:
        KeyboardInterrupt: Ctrl-C.

    """
    if kind == "process":
        _start_fork_server()
    import asyncio  # noqa: PLC0415 - 60 ms that --help does not need

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_until_interrupted(work(_executor(kind, most))))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def _until_interrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Cancel ``work`` at the first Ctrl-C; impatient ones do not disturb its clearing up."""
    import asyncio  # noqa: PLC0415 - loaded already

    task = asyncio.ensure_future(work)
    with contextlib.suppress(NotImplementedError):  # Windows has only the interpreter's way
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _once(task.cancel))
    return await task


def _once(action: Callable[[], object]) -> Callable[[], None]:
    actions = [action]

    def act() -> None:
        if actions:
            actions.pop()()

    return act


def _start_fork_server() -> None:
    """Let the parent of the workers load what they need while this process loads the rest.

    Loaded once, it is shared by all of them. Not for the library to do: a process has only
    one fork server, and its host may want it otherwise.
    """
    import multiprocessing  # noqa: PLC0415 - 20 ms that --help does not need

    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver  # noqa: PLC0415 - not there on Windows

        multiprocessing.set_forkserver_preload(["asyncrgb.pipeline.worker", "asyncrgb.imaging"])
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is ours alone
        forkserver.ensure_running()
        signal.signal(signal.SIGINT, handler)


def _loop_factory() -> Callable[[], Any] | None:
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _executor(kind: str, most: Limits) -> Executor | None:
    if kind == "process":
        return None
    if kind == "thread":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - needed only here

        return ThreadPoolExecutor(most.worker_count)
    from asyncrgb import SerialExecutor  # noqa: PLC0415 - needed only here

    return SerialExecutor()
