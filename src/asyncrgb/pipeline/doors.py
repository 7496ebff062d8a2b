"""Functions for a single call, with a Converter of their own; one with an event loop too."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asyncrgb.errors import AsyncRgbError
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.pipeline.converter import Converter
from asyncrgb.pipeline.loops import loop_factory

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from distributed import Client

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.folders.folder import OnError
    from asyncrgb.pipeline.folders.plan import Layout
    from asyncrgb.pipeline.outcomes import Outcome, Report

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def convert(  # noqa: PLR0913 - each option stands for itself
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    limits: Limits = Limits(),  # noqa: B008 - the same
    executor: Executor | None = None,
    cluster: Client | None = None,
    fsync: bool = False,
    layout: Layout = "flat",
    force: bool = False,
    dry_run: bool = False,
    on_error: OnError = "continue",
    max_errors: int | None = None,
    trace: bool = False,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Report:
    """Bring a folder of pictures up to date with a folder of TIFFs, and clean up.

    ``Converter.convert`` with a Converter of its own: see there.
    """
    async with Converter(
        options,
        limits=limits,
        executor=executor,
        cluster=cluster,
        fsync=fsync,
        on_event=on_event,
    ) as converter:
        return await converter.convert(
            source,
            destination,
            layout=layout,
            force=force,
            dry_run=dry_run,
            on_error=on_error,
            max_errors=max_errors,
            trace=trace,
            on_outcome=on_outcome,
        )


async def measure(  # noqa: PLR0913 - the same
    source: str | os.PathLike[str],
    options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    limits: Limits = Limits(),  # noqa: B008 - the same
    executor: Executor | None = None,
    cluster: Client | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Statistics:
    """Count the values of all images of a folder, and clean up.

    ``Converter.measure`` with a Converter of its own: see there.
    """
    async with Converter(
        options, limits=limits, executor=executor, cluster=cluster, on_event=on_event
    ) as converter:
        return await converter.measure(source, on_outcome=on_outcome)


def _synchronous(
    function: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[[Callable[[], None]], Callable[_P, _T]]:
    """Make a function with the parameters of ``function`` that runs it in an event loop.

    Name and docstring are those of what is decorated: the parameters are written once.
    """

    def decorated(door: Callable[[], None]) -> Callable[_P, _T]:
        @wraps(function)
        def run_it(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            _refuse_if_running(function.__name__)
            limits = kwargs.get("limits", Limits())
            if isinstance(limits, Limits):  # what is none is refused inside
                kwargs["limits"] = limits.for_itself()
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                return runner.run(function(*args, **kwargs))

        run_it.__name__, run_it.__qualname__ = door.__name__, door.__qualname__
        run_it.__doc__, run_it.__module__ = door.__doc__, door.__module__
        return run_it

    return decorated


@_synchronous(convert)
def run() -> None:
    """Bring a folder of pictures up to date with a folder of TIFFs, and wait for it.

    ``convert`` for scripts without an event loop: the same parameters, the same Report. It has an
    event loop of its own, uvloop's where that is installed. Ctrl-C drops what is under way, ends
    the workers and is raised as KeyboardInterrupt; the same call goes on from there.

    Workers import the script that calls it: keep the call under ``if __name__ == "__main__":``.

    Returns:
        All outcomes, in the order of the input: folder by folder, by name.

    Raises:
        AsyncRgbError: an event loop is running in this thread already; the script has no
            ``if __name__ == "__main__":``.
        OptionsError, OSError: as ``Converter.convert``.

    """


def _refuse_if_running(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise AsyncRgbError(
        "asyncrgb.run starts an event loop, and one is running here already: "
        f"await asyncrgb.{name}(...) instead"
    )
