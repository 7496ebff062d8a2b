"""What conversions need of whatever carries them out: one flow, or several that share the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.meters.insight import Insight
    from asyncrgb.pipeline.outcomes import Counters
    from asyncrgb.pipeline.storage.places import Places
    from asyncrgb.pipeline.stream import Stream

_A = TypeVar("_A")
_T = TypeVar("_T")
_P = ParamSpec("_P")


class Gauge(Protocol):
    """Knows where the time goes."""

    def begin(self) -> Callable[[], Insight]:
        """Measure from now on; what this gives sums up."""


class Engine(Protocol):
    """Carries out the jobs of streams; lives in one event loop."""

    options: RenderOptions
    places: Places

    @property
    def meter(self) -> Gauge:
        """Where the time goes."""

    def open(self, stream: Stream) -> None:
        """Take jobs from ``stream`` too, in turn with the others."""

    def close(self, stream: Stream) -> None:
        """Take no more jobs from ``stream``."""

    def poke(self) -> None:
        """Set going whatever can go; to be called when a stream has got jobs."""

    async def reach(self, source: str, folder: str | None) -> None:
        """Make sure that whoever carries jobs out reaches the sources and the results.

        Raises:
            OptionsError: somebody does not.

        """

    async def render(self, data: memoryview, options: RenderOptions | None) -> bytes:
        """Render an image from memory.

        Raises:
            AsyncRgbError: as ``asyncrgb.render`` does, or the image is larger than the memory.

        """

    async def on_thread(
        self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run blocking work on the thread for fast storage.

        Raises:
            AsyncRgbError: the Converter has been closed.

        """

    async def on_threads(self, function: Callable[[_A], _T], items: Iterable[_A]) -> list[_T]:
        """Run blocking work on many threads at once: for storage that makes it wait."""

    def counters(self) -> Counters:
        """Count what is where."""

    async def aclose(self) -> None:
        """Drop what is under way, end the workers, free the memory."""
