"""Converter: owns the arena, the workers and the threads, and lends them to conversions."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from asyncrgb.checks import view_of
from asyncrgb.errors import AsyncRgbError
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.pipeline.arguments import check_options, check_terms, checked
from asyncrgb.pipeline.calls import Calls
from asyncrgb.pipeline.closings import Closings
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.folders.folder import Terms, convert_folder
from asyncrgb.pipeline.folders.measuring import measure_folder
from asyncrgb.pipeline.outcomes import Counters, Job
from asyncrgb.pipeline.run import running, slices
from asyncrgb.pipeline.storage.storage import LocalFiles
from asyncrgb.pipeline.stream import Stream
from asyncrgb.pipeline.workers.process import leave_if_starting
from asyncrgb.pipeline.workers.timing import Timed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
    from concurrent.futures import Executor
    from types import TracebackType
    from typing import Self

    from distributed import Client
    from typing_extensions import Buffer

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.pipeline.engine import Engine
    from asyncrgb.pipeline.events import Event
    from asyncrgb.pipeline.folders.folder import OnError
    from asyncrgb.pipeline.folders.plan import Layout
    from asyncrgb.pipeline.outcomes import Outcome, Report


class Converter:
    """Renders images with workers that stay warm between calls.

    An asynchronous context manager; its workers start when there is a first image for them, and
    it can be used by any number of tasks of one event loop at once. Several can live in one loop.
    Leaving the context, as leaving that of an HTTP client, drops what is still under way;
    ``aclose(wait=True)`` lets it end first.

    Args:
        options: how to render, where a call does not say otherwise.
        limits: how much of the machine to use.
        executor: where to render, instead of worker processes of its own: any
            ``concurrent.futures.Executor``. It is not shut down. Where its workers cannot reach
            the memory of this machine, images are sent to them.
        cluster: a ``distributed.Client``, synchronous or asynchronous, on whose workers to convert:
            each reads, renders and writes by itself, within ``limits``, so that sources and results
            have to be where all of them reach. It is not closed.
        fsync: whether a picture that is said to be converted is to survive a power cut: each
            is brought to the disk before it gets its name, and its name after that. That
            costs some milliseconds for each on most disks.
        on_event: called in the event loop with ``WorkersStarted``, ``WorkersReplaced``,
            ``WorkersFailed``, ``MemoryReduced`` and ``SceneAdvanced`` as they happen. What it
            raises goes to the loop's exception handler, as from any callback, and the work goes
            on. The logger ``asyncrgb`` gets the same, but for ``SceneAdvanced``.

    Raises:
        OptionsError: ``options``, ``limits`` or ``executor`` is something else.

    """

    def __init__(  # noqa: PLR0913 - each option stands for itself
        self,
        options: RenderOptions = RenderOptions(),  # noqa: B008 - frozen, so sharing it is safe
        *,
        limits: Limits = Limits(),  # noqa: B008 - the same
        executor: Executor | None = None,
        cluster: Client | None = None,
        fsync: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        check_terms(options, limits, executor)
        self._options = options
        self._limits = limits
        self._executor = executor
        self._cluster = cluster
        self._fsync = fsync
        self._on_event = on_event
        self._flow: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls = Calls()
        self._closings = Closings()

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
            DecodeError, BandError, LimitError, EncodeError, WorkerCrashError,
                RenderTimeoutError: about this image.
            OptionsError: the stretch is that of a dataset.
            AsyncRgbError: there are no workers, or the Converter is being closed; so may all
                that it does.

        """
        if options is not None:
            check_options(options)
        with self._calls.call():
            return await self._started().render(view_of(data), options)

    async def convert_file(
        self,
        source: str | os.PathLike[str],
        destination: str | os.PathLike[str],
        options: RenderOptions | None = None,
        *,
        trace: bool = False,
    ) -> Outcome:
        """Convert the TIFF ``source`` to the picture ``destination``, whatever is there.

        The format is that of the options; a name that ends as pictures of another do is refused.

        Args:
            source: the TIFF: a path, or a URL.
            destination: the picture; its folder is made if there is none.
            options: instead of those of the Converter.
            trace: whether the outcome is to say where its time went.

        Returns:
            ``Converted`` or ``Failed``; errors of the image are not raised.

        Raises:
            AsyncRgbError: it has not been begun, as the Converter was told to end.

        """
        job = Job(os.fsdecode(source), os.fsdecode(destination), options)
        outcomes = [each async for each in self.convert_many([job], trace=trace)]
        if not outcomes:
            raise AsyncRgbError(
                f"{job.source}: not begun, as the Converter has been told to end (drain, aclose)"
            )
        return outcomes[0]

    async def convert_many(
        self, jobs: Iterable[Job] | AsyncIterable[Job], *, trace: bool = False
    ) -> AsyncGenerator[Outcome, None]:
        """Convert jobs as they come, and yield their outcomes as they complete.

        Args:
            jobs: an iterable or asynchronous iterable, of any length. No more are taken from
                it than are needed to keep busy, and none while outcomes are left lying. Two
                that are under way at the same time should not have one destination: the last
                one to be written is kept.
            trace: whether each outcome is to say where its time went.

        Yields:
            The outcome of each job, in the order in which they complete. Leaving the loop
            drops what is under way.

        Raises:
            OptionsError: something that is no ``Job`` was among them.

        """
        unread = 2 * self._limits.batch
        arrived: deque[Outcome] = deque()
        news = asyncio.Event()

        def deliver(_: int, outcome: Outcome) -> None:
            arrived.append(outcome)
            stream.paused = len(arrived) >= unread
            news.set()

        action = Timed(self._options) if trace else None
        stream = Stream(deliver, enough=unread, action=action, trace=trace)
        stream.when_done(news.set)
        given = slices(jobs, partial(checked, options=self._options))
        with self._calls.call() as brake:
            # What has arrived can be taken from a Converter that has been closed too.
            stream.when_done(partial(self._calls.end, brake))
            async with running(self._started(), stream, given, brake) as flow:
                while arrived or not stream.is_done:
                    while arrived:
                        yield arrived.popleft()
                    if not stream.is_done:
                        stream.paused = False
                        flow.poke()
                        news.clear()
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
            source: folder whose .tif and .tiff files, at any depth, are converted; or one file;
                or the URL of objects, or of one.
            destination: folder of the results, made if there is none, or a URL; it may lie in
                ``source``. For a single file it may also be the name of the result, with the
                suffix of its format, which is then written however old that is.
            layout: "flat": all results in one folder; "tree": folders as in ``source``.
            force: convert also what is up to date, and what takes the place of a picture that
                asyncrgb has not made (a PNG or TIFF on this machine), which fails otherwise.
            dry_run: only say what would be done: outcomes are ``Pending``, ``UpToDate`` and
                ``Failed``, and nothing is written or made.
            on_error: "continue": a source that fails costs itself only; "stop": it ends the
                conversion, as ``max_errors=1`` does.
            max_errors: when as many sources have failed, no new work is begun, and what is
                under way ends; should more of that fail, they count as not begun. None: any
                number may.
            trace: whether each outcome is to say where its time went.
            on_outcome: called in the event loop with each outcome as it completes; what it
                raises ends the conversion, and comes out of it. With a
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
            dry_run=dry_run,
            on_error=on_error,
            max_errors=max_errors,
            trace=trace,
            on_outcome=on_outcome,
        )
        flow = self._started()
        with self._calls.call() as brake:
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
            source: folder whose .tif and .tiff files, at any depth, are measured; or one file; or
                a URL.
            on_outcome: called in the event loop with ``Measured`` or ``Failed`` for each.

        Returns:
            The statistics of all bands, by their numbers, over all images that did not fail;
            after ``drain``, over those that were counted until then.

        Raises:
            OptionsError: ``source`` holds no TIFF.
            OSError: ``source`` cannot be read.

        """
        flow = self._started()
        with self._calls.call() as brake:
            return await measure_folder(flow, os.fsdecode(source), self._options, on_outcome, brake)

    def drain(self) -> None:
        """Take no more jobs in any conversion under way; to be called in the event loop.

        They end when what is under way has ended: ``convert`` returns its Report with what there
        is, ``convert_many`` ends after its last outcome. The Converter remains usable.
        """
        self._calls.drain()

    def counters(self) -> Counters:
        """Count what is being read, waits, is rendered, is written; all zero at rest."""
        return self._flow.counters() if self._flow is not None else Counters(0, 0, 0, 0, 0)

    async def aclose(self, *, wait: bool = False) -> None:
        """End the workers; using the Converter afterwards starts it again.

        Called while another call of it is under way, it waits for that. Cancelled, it returns at
        once, and the workers are ended all the same.

        Args:
            wait: False: what is under way is dropped, and whoever awaits it gets an
                AsyncRgbError. True: as ``drain``, but then wait for every image that has been
                begun, and every ``render``; calls that come meanwhile are refused with an
                AsyncRgbError. Outcomes of ``convert_many`` may be taken afterwards. Cancelled
                while it waits, as by a timeout, it closes nothing: call it without ``wait``.

        """
        if self._flow is not None:
            self._check_loop()
            if wait:
                await self._calls.finish()
        flow, self._flow = self._flow, None
        if flow is not None:
            self._closings.begin(flow.aclose)
        await self._closings.ended()

    def _engine(self) -> Engine:
        if self._limits.shards > 1 or self._cluster is not None:
            from asyncrgb.pipeline.shards.sharing import shared  # noqa: PLC0415 - few ask for it

            given = self._options, self._limits, self._executor, self._cluster
            return shared(*given, fsync=self._fsync, hook=self._on_event)
        storage = LocalFiles(fsync=self._fsync)
        return Flow(self._options, self._limits, self._executor, storage, on_event=self._on_event)

    def _started(self) -> Engine:
        if self._flow is None:
            if self._executor is None:
                leave_if_starting()
            self._flow = self._engine()
            self._loop = asyncio.get_running_loop()
        self._check_loop()
        return self._flow

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise AsyncRgbError(
                "this Converter is in use in another event loop: make one for each loop, or "
                "close it there before that loop ends"
            )
