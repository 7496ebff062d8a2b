"""Converter: owns the arena, the workers and the threads, and lends them to conversions."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from asyncrgb.errors import AsyncRgbError
from asyncrgb.options import Limits, RenderOptions
from asyncrgb.pipeline.files import LocalFiles
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.folder import Terms, convert_folder
from asyncrgb.pipeline.measuring import measure_folder
from asyncrgb.pipeline.outcomes import Counters, Job
from asyncrgb.pipeline.run import Brake, running, slices
from asyncrgb.pipeline.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.pipeline.folder import OnError
    from asyncrgb.pipeline.outcomes import Outcome, Report
    from asyncrgb.pipeline.plan import Layout


class Converter:
    """Renders images with workers that stay warm between calls.

    An asynchronous context manager; its workers start when there is a first image for them, and
    it can be used by any number of tasks of one event loop at once. Several can live in one loop.

    Args:
        options: how to render, where a call does not say otherwise.
        limits: how much of the machine to use.
        executor: where to render, instead of worker processes of its own: any
            ``concurrent.futures.Executor`` on this machine. It is not shut down.
        fsync: whether a picture that is said to be converted is to survive a power cut: each
            is brought to the disk before it gets its name, and its name after that. That
            costs some milliseconds for each on most disks.

    """

    def __init__(
        self,
        options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
        *,
        limits: Limits = Limits(),  # noqa: B008 - the same
        executor: Executor | None = None,
        fsync: bool = False,
    ) -> None:
        self._options = options
        self._limits = limits
        self._executor = executor
        self._fsync = fsync
        self._flow: Flow | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._brakes: set[Brake] = set()

    async def __aenter__(self) -> Self:
        self._started()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def render(self, data: Buffer, options: RenderOptions | None = None) -> bytes:
        """Render one TIFF from memory; as ``asyncrgb.render``, but in a worker.

        Args:
            data: the whole TIFF, any bytes-like object; not to be changed meanwhile.
            options: instead of those of the Converter.

        Returns:
            A file of the format of the options.

        Raises:
            DecodeError, BandError, LimitError, EncodeError, WorkerCrashError: about this image.
            OptionsError: the stretch is that of a dataset.

        """
        return await self._started().render(memoryview(data).cast("B"), options)

    async def convert_file(
        self,
        source: str | os.PathLike[str],
        destination: str | os.PathLike[str],
        options: RenderOptions | None = None,
    ) -> Outcome:
        """Convert the TIFF ``source`` to the picture ``destination``, whatever is there.

        The format is that of the options, whatever the name says.

        Returns:
            ``Converted`` or ``Failed``; errors of the image are not raised.

        """
        job = Job(os.fsdecode(source), os.fsdecode(destination), options)
        (outcome,) = [each async for each in self._convert_many([job], Brake())]
        return outcome

    async def convert_many(
        self, jobs: Iterable[Job] | AsyncIterable[Job]
    ) -> AsyncGenerator[Outcome, None]:
        """Convert jobs as they come, and yield their outcomes as they complete.

        Args:
            jobs: an iterable or asynchronous iterable, of any length. No more are taken from
                it than are needed to keep busy, and none while outcomes are left lying.

        Yields:
            The outcome of each job, in the order in which they complete. Leaving the loop
            drops what is under way.

        """
        with self._brake() as brake:
            async with aclosing(self._convert_many(jobs, brake)) as outcomes:
                async for outcome in outcomes:
                    yield outcome

    async def _convert_many(
        self, jobs: Iterable[Job] | AsyncIterable[Job], brake: Brake
    ) -> AsyncGenerator[Outcome, None]:
        unread = 2 * self._limits.batch
        arrived: deque[Outcome] = deque()
        news = asyncio.Event()

        def deliver(_: int, outcome: Outcome) -> None:
            arrived.append(outcome)
            stream.paused = len(arrived) >= unread
            news.set()

        stream = Stream(deliver, enough=unread)
        stream.when_done(news.set)
        async with running(self._started(), stream, slices(jobs), brake) as flow:
            while arrived or not stream.is_done:
                while arrived:
                    yield arrived.popleft()
                stream.paused = False
                flow.poke()
                news.clear()
                if not stream.is_done:
                    await news.wait()
            await stream.done()

    async def convert(  # noqa: PLR0913 - each option stands for itself
        self,
        source: str | os.PathLike[str],
        destination: str | os.PathLike[str],
        *,
        layout: Layout = "flat",
        force: bool = False,
        dry_run: bool = False,
        on_error: OnError = "continue",
        max_errors: int | None = None,
        trace: bool = False,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> Report:
        """Bring a folder of pictures up to date with a folder of TIFFs.

        Args:
            source: folder whose .tif and .tiff files, at any depth, are converted; or one file.
            destination: folder of the results, made if there is none; it may lie in
                ``source``. For a single file it may also be the name of the result, with the
                suffix of its format, which is then written whatever is there.
            layout: "flat": all results in one folder; "tree": folders as in ``source``.
            force: convert also what is up to date.
            dry_run: only say what would be done: outcomes are ``Pending``, ``UpToDate`` and
                ``Failed``, and nothing is written or made.
            on_error: "continue": a source that fails costs itself only; "stop": it ends the
                conversion, as ``max_errors=1`` does.
            max_errors: when as many sources have failed, no new work is begun, and what is
                under way ends; None: any number may.
            trace: whether each outcome is to say where its time went.
            on_outcome: called in the event loop with each outcome as it completes. With a
                stretch of scope "dataset" it gets a ``Measured`` for each image before that.

        Returns:
            All outcomes, in the order of the input: folder by folder, by name.

        Raises:
            OptionsError: ``source`` holds no TIFF; ``layout`` is unknown; results that are
                TIFFs could take the places of sources.
            OSError: ``source`` cannot be read; ``destination`` cannot be written, or has no
                room for more: then no new work is begun, and it is raised when what was under
                way has ended.

        """
        terms = Terms(
            layout=layout,
            force=force,
            fsync=self._fsync,
            dry_run=dry_run,
            on_error=on_error,
            max_errors=max_errors,
            trace=trace,
            on_outcome=on_outcome,
        )
        flow = self._started()
        with self._brake() as brake:
            return await convert_folder(
                flow, os.fsdecode(source), os.fsdecode(destination), terms, brake
            )

    async def measure(
        self,
        source: str | os.PathLike[str],
        *,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> Statistics:
        """Count the values of all images of a folder, band by band.

        What the values stand for (``offset``, ``unscale``) and which are data (``nodata``) is
        as the options of the Converter say.

        Args:
            source: folder whose .tif and .tiff files, at any depth, are measured; or one file.
            on_outcome: called in the event loop with ``Measured`` or ``Failed`` for each.

        Returns:
            The statistics of all bands, by their numbers, over all images that did not fail;
            after ``drain``, over those that were counted until then.

        Raises:
            OptionsError: ``source`` holds no TIFF.
            OSError: ``source`` cannot be read.

        """
        flow = self._started()
        with self._brake() as brake:
            return await measure_folder(flow, os.fsdecode(source), self._options, on_outcome, brake)

    def drain(self) -> None:
        """Take no more jobs in any conversion under way; to be called in the event loop.

        They end when what is under way has ended: ``convert`` returns its Report with what there
        is, ``convert_many`` ends after its last outcome. The Converter remains usable.
        """
        for brake in tuple(self._brakes):
            brake.pull()

    def counters(self) -> Counters:
        """Count what is being read, waits, is rendered, is written; all zero at rest."""
        return self._flow.counters() if self._flow is not None else Counters(0, 0, 0, 0, 0)

    async def aclose(self) -> None:
        """Drop what is under way, and end the workers; using the Converter starts it again."""
        if self._flow is not None:
            self._check_loop()
            flow, self._flow = self._flow, None
            await asyncio.shield(asyncio.ensure_future(flow.aclose()))

    def _started(self) -> Flow:
        if self._flow is None:
            storage = LocalFiles(fsync=self._fsync)
            self._flow = Flow(self._options, self._limits, self._executor, storage)
            self._loop = asyncio.get_running_loop()
        self._check_loop()
        return self._flow

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise AsyncRgbError(
                "this Converter is in use in another event loop: make one for each loop, or "
                "close it there first"
            )

    @contextmanager
    def _brake(self) -> Iterator[Brake]:
        brake = Brake()
        self._brakes.add(brake)
        try:
            yield brake
        finally:
            self._brakes.discard(brake)


async def convert(  # noqa: PLR0913 - each option stands for itself
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    limits: Limits = Limits(),  # noqa: B008 - the same
    executor: Executor | None = None,
    fsync: bool = False,
    layout: Layout = "flat",
    force: bool = False,
    dry_run: bool = False,
    on_error: OnError = "continue",
    max_errors: int | None = None,
    trace: bool = False,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Report:
    """Bring a folder of pictures up to date with a folder of TIFFs, and clean up.

    ``Converter.convert`` with a Converter of its own: see there.
    """
    async with Converter(options, limits=limits, executor=executor, fsync=fsync) as converter:
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


async def measure(
    source: str | os.PathLike[str],
    options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
    *,
    limits: Limits = Limits(),  # noqa: B008 - the same
    executor: Executor | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Statistics:
    """Count the values of all images of a folder, and clean up.

    ``Converter.measure`` with a Converter of its own: see there.
    """
    async with Converter(options, limits=limits, executor=executor) as converter:
        return await converter.measure(source, on_outcome=on_outcome)
