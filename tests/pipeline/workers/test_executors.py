"""Executors that users bring: the real ones, and workers that share no memory with us."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import loky
import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster

import asyncrgb.imaging
from asyncrgb import (
    AsyncRgbError,
    Converter,
    Counters,
    DecodeError,
    Limits,
    RenderOptions,
    Report,
    SerialExecutor,
    Statistics,
    WorkerCrashError,
)
from asyncrgb.pipeline.memory import arena as arena_module
from asyncrgb.pipeline.memory.shared import Memory, create_memory
from tests.pipeline import faults
from tests.pipeline.conftest import Run
from tests.pipeline.doubles import Container, Dropping, Elsewhere, Forgetful, Remembering

TWO = Limits(workers=2, batch=8)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)
NOBODY = 65534
SENT = "images are sent through the executor"
INFRARED = RenderOptions(bands=(8, 4, 3))

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),  # it is what users do
]


def processes(method: str) -> Callable[[], Executor]:
    return lambda: ProcessPoolExecutor(2, multiprocessing.get_context(method))


@contextmanager
def dask(*, processes: bool) -> Iterator[Executor]:
    with (
        LocalCluster(
            processes=processes, n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


@contextmanager
def reusable_loky() -> Iterator[Executor]:
    executor = loky.get_reusable_executor(2)
    yield executor
    executor.shutdown(kill_workers=True)


def somebody_else() -> Executor:
    """Workers of another user, who may not look at our memory."""
    return ProcessPoolExecutor(
        2, multiprocessing.get_context("spawn"), initializer=become_somebody_else
    )


def become_somebody_else() -> None:
    # That user may not be able to read any code: all that will be needed is loaded before.
    for each in walk_packages(asyncrgb.imaging.__path__, "asyncrgb.imaging."):
        import_module(each.name)
    for name in ("tifffile", "imagecodecs._lzma", "xml.etree.ElementTree"):
        import_module(name)
    os.setuid(NOBODY)


NEAR: dict[str, Callable[[], AbstractContextManager[Executor]]] = {
    "serial": SerialExecutor,
    "threads": lambda: ThreadPoolExecutor(2),
    "fork": processes("fork"),
    "spawn": processes("spawn"),
    "forkserver": processes("forkserver"),
    "loky": lambda: loky.ProcessPoolExecutor(2),
    "loky-reusable": reusable_loky,
    "dask-processes": lambda: dask(processes=True),
    "dask-threads": lambda: dask(processes=False),
}


@pytest.fixture(scope="module", params=NEAR)
def near(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with NEAR[request.param]() as executor:
        yield executor


def contained() -> bool:
    try:
        return subprocess.run([*Container.COMMAND, "true"], check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module", params=["somebody else", "container", "stale name"])
def far(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if request.param == "stale name":
        other = tmp_path_factory.mktemp("other") / "file"
        other.write_bytes(b"not an arena" * 1000)
        with other.open("r+b") as file:
            yield Elsewhere(f"/proc/{os.getpid()}/fd/{file.fileno()}#0123456789abcdef")
        return
    if request.param == "container" and not contained():
        pytest.skip("there are no name spaces to be had here")
    if request.param == "somebody else" and os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    with Container() if request.param == "container" else somebody_else() as executor:
        yield executor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 chips, and three files that are none."""
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 40, seed=7)
    for number in range(3):
        (folder / f"damaged_{number}.tif").write_bytes(b"II*\0" + bytes(5000))
    return folder


def check(report: Report) -> None:
    """Hold a report on ``folder`` against the renderer itself."""
    assert len(report.converted) == 40
    for outcome in report.converted:
        written = Path(outcome.destination).read_bytes()
        assert written == asyncrgb.render(Path(outcome.source).read_bytes())
    assert [type(each.error) for each in report.failed] == [DecodeError] * 3


def chips(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*/*.tif"))]


async def use(executor: Executor | None, folder: Path, out: Path, limits: Limits = TWO) -> Report:
    """Convert a folder, and render chips one by one meanwhile."""
    data = chips(folder)[:12]
    async with Converter(limits=limits, executor=executor) as converter:
        report, *pictures = await asyncio.gather(
            converter.convert(folder, out),
            *(converter.render(each) for each in data),
            *(converter.render(each, INFRARED) for each in data),
        )
        with pytest.raises(DecodeError):
            await converter.render(b"not a TIFF")
        assert converter.counters() == REST
    assert pictures[:12] == [asyncrgb.render(each) for each in data]
    assert pictures[12:] == [asyncrgb.render(each, INFRARED) for each in data]
    assert isinstance(report, Report)
    return report


def test_pictures_are_those_of_the_renderer_and_travel_in_the_arena(
    near: Executor, folder: Path, tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    check(run(use(near, folder, tmp_path)))
    assert SENT not in caplog.text
    assert near.submit(abs, -1).result() == 1, "an executor that was given stays open"


def test_where_memory_cannot_be_shared_the_pictures_are_the_same(
    far: Executor, folder: Path, tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    check(run(use(far, folder, tmp_path)))
    assert caplog.text.count(SENT) == 1
    assert far.submit(abs, -1).result() == 1 if not isinstance(far, Elsewhere) else True


def test_all_that_is_measured_comes_back_too(far: Executor, folder: Path, run: Run) -> None:
    expected: Statistics = run(asyncrgb.measure(folder, executor=SerialExecutor()))
    found: Statistics = run(asyncrgb.measure(folder, limits=TWO, executor=far))
    assert len(found.bands) == 13
    for band, histogram in expected.bands.items():
        assert found.bands[band].percentiles((0, 2, 50, 98, 100)) == histogram.percentiles(
            (0, 2, 50, 98, 100)
        )


def test_world_files_and_times_come_back_too(
    far: Executor, tmp_path: Path, write_tiff: Callable[..., bytes], run: Run
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    tags = [(33550, 12, 3, (10.0, 10.0, 0.0)), (33922, 12, 6, (0.0, 0, 0, 500.0, 900.0, 0))]
    data = write_tiff(np.zeros((16, 16, 4), np.uint16), extratags=[(*tag, True) for tag in tags])
    (source / "a.tif").write_bytes(data)
    options = RenderOptions(worldfile=True)
    (outcome,) = run(
        asyncrgb.convert(source, tmp_path / "out", options, executor=far, trace=True)
    ).converted
    lines = (tmp_path / "out" / "a.pgw").read_text().split()
    assert [float(line) for line in lines] == [10, 0, 0, -10, 505, 895]
    assert outcome.trace is not None
    assert outcome.trace.render_seconds > 0


def test_pictures_larger_than_their_images_come_back_too(
    far: Executor, write_tiff: Callable[..., bytes], run: Run
) -> None:
    noise = np.random.default_rng(1).integers(0, 4000, (64, 256, 3), np.uint16)
    repeated = np.concatenate([noise] * 4)  # which PNG does not see
    data = write_tiff(repeated, compression="lzma", rowsperstrip=256)
    options = RenderOptions(bands=(1, 2, 3))
    expected = asyncrgb.render(data, options)
    assert len(expected) > 2 * len(data)

    async def render() -> bytes:
        async with Converter(executor=far) as converter:
            return await converter.render(data, options)

    assert run(render()) == expected


def test_what_a_stale_name_leads_to_is_left_alone(folder: Path, tmp_path: Path, run: Run) -> None:
    """Above all where it could be taken for an arena: another one, and a file of our own."""
    other = arena_module.Arena(2**20)
    other.memory[:4] = b"mine"
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10**6)
    with path.open("r+b") as file:
        names = [other.name[:-1] + "_", f"/proc/{os.getpid()}/fd/{file.fileno()}#{'0' * 16}"]
        before = path.stat()
        for number, name in enumerate(names):
            check(run(use(Elsewhere(name), folder, tmp_path / f"{number}")))
    assert path.read_bytes() == b"x" * 10**6
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert bytes(other.memory) == b"mine" + bytes(2**20 - 4)
    other.close()


def test_some_workers_far_and_some_near(
    folder: Path, tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Elsewhere(None, None, None, "/proc/0/fd/0#0")
    check(run(use(executor, folder, tmp_path)))
    assert caplog.text.count(SENT) == 1
    kinds = [order.images is None for order in executor.orders]
    assert kinds == sorted(kinds, reverse=True), "once far, always far"
    assert any(kinds)
    assert not all(kinds)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no process attach the memory of this one but itself."""

    def create(size: int) -> Memory:
        memory = create_memory(size)
        memory.name += "0"
        return memory

    monkeypatch.setattr(arena_module, "create_memory", create)


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("kind", [*NEAR, "own"])
def test_each_kind_sends_images_where_it_must(
    kind: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with NEAR[kind]() if kind != "own" else nullcontext() as executor:
        check(asyncio.run(use(executor, folder, tmp_path)))
    shares = kind in {"serial", "threads", "dask-threads", "fork"}  # a fork has what we have
    assert caplog.text.count(SENT) == (0 if shares else 1)


@pytest.mark.usefixtures("unreachable")
def test_a_crash_far_away_costs_its_own_image(folder: Path, run: Run) -> None:
    data = chips(folder)[0]

    async def render() -> None:
        async with Converter(limits=TWO) as converter:
            results = await asyncio.gather(
                *(converter.render(data) for _ in range(5)),
                converter.render(data, faults.faulty(faults.killed)),
                *(converter.render(data) for _ in range(5)),
                return_exceptions=True,
            )
            assert isinstance(results.pop(5), WorkerCrashError)
            assert results == [asyncrgb.render(data)] * 10
            assert converter.counters() == REST

    run(render())


@pytest.mark.usefixtures("unreachable")
def test_a_timeout_takes_memory_in_common(folder: Path, run: Run) -> None:
    async def render() -> None:
        async with Converter(limits=Limits(workers=1, timeout=60)) as converter:
            with pytest.raises(AsyncRgbError, match=r"timeout: .* leave out the timeout"):
                await converter.render(chips(folder)[0])

    run(render())


def test_work_that_is_repeated_after_a_death_spoils_nothing(
    folder: Path, tmp_path: Path, run: Run
) -> None:
    """The images of the worker that died have been overwritten by their pictures."""
    data = chips(folder)[0]

    async def convert() -> Report:
        async with Converter(limits=TWO, executor=Forgetful()) as converter:
            assert await converter.render(data) == asyncrgb.render(data)
            return await converter.convert(folder, tmp_path)

    report = run(convert())
    assert len(report.converted) == 40
    for outcome in report.converted:
        expected = asyncrgb.render(Path(outcome.source).read_bytes())
        assert Path(outcome.destination).read_bytes() == expected


def test_equal_orders_are_not_one_and_the_same(folder: Path, run: Run) -> None:
    """Dask takes functions for pure: images of one size have the same places, one by one."""
    data = chips(folder)[:6]

    async def render() -> list[bytes]:
        async with Converter(limits=TWO, executor=Remembering()) as converter:
            return [await converter.render(each) for each in data]

    assert run(render()) == [asyncrgb.render(each) for each in data]


def test_work_that_is_dropped_is_an_error(folder: Path, tmp_path: Path, run: Run) -> None:
    async def convert() -> None:
        async with asyncio.timeout(60), Converter(limits=TWO, executor=Dropping()) as converter:
            report = await converter.convert(folder, tmp_path)
            assert len(report.failed) == 43
            assert {type(each.error) for each in report.failed} == {AsyncRgbError}
            assert "dropped" in str(report.failed[0].error)
            assert converter.counters() == REST

    run(convert())


def test_closing_takes_back_what_a_busy_executor_has_not_begun(folder: Path, run: Run) -> None:
    data = next(folder.rglob("*.tif")).read_bytes()
    release = threading.Event()

    async def render(executor: Executor) -> None:
        async with Converter(limits=TWO, executor=executor) as converter:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await converter.render(data)
        assert not release.is_set(), "nobody has waited for the other work"

    with ThreadPoolExecutor(1) as executor:
        executor.submit(release.wait, 60)
        try:
            run(asyncio.wait_for(render(executor), 30))
        finally:
            release.set()


class Nonsense(Executor):
    """Calls nothing, and says so many times that all is well."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401, ARG002
        self.calls += 1
        future: Future[Any] = Future()
        future.set_result(42)
        return future


def test_an_executor_that_answers_with_something_else_is_an_error(folder: Path, run: Run) -> None:
    data = next(folder.rglob("*.tif")).read_bytes()
    executor = Nonsense()

    async def render() -> None:
        async with asyncio.timeout(30), Converter(limits=TWO, executor=executor) as converter:
            with pytest.raises(AsyncRgbError, match="the executor gave 42"):
                await converter.render(data)
            assert converter.counters() == REST

    run(render())
    assert executor.calls < 5


def test_a_cluster_that_is_gone_is_an_error(folder: Path, tmp_path: Path) -> None:
    async def convert(close: Callable[[], Any], executor: Executor) -> None:
        async with asyncio.timeout(60), Converter(limits=TWO, executor=executor) as converter:
            data = chips(folder)[0]
            await converter.render(data)
            await asyncio.to_thread(close)
            with pytest.raises(AsyncRgbError):
                await converter.render(data)
            report = await converter.convert(folder, tmp_path)
            assert {type(each.error) for each in report.failed} == {AsyncRgbError}
            assert len(report.failed) == 43

    with LocalCluster(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        client = Client(cluster)
        asyncio.run(convert(client.close, client.get_executor()))


def test_workers_of_dask_that_die_are_made_up_for(folder: Path, tmp_path: Path) -> None:
    async def convert(executor: Executor) -> None:
        async with Converter(limits=TWO, executor=executor) as converter:
            pids = {executor.submit(os.getpid).result()}
            killed = False

            def kill(_: object) -> None:
                nonlocal killed
                while not killed and pids:
                    psutil.Process(pids.pop()).kill()
                    killed = True

            report = await converter.convert(folder, tmp_path, on_outcome=kill)
            assert killed
            check(report)

    with dask(processes=True) as executor:
        asyncio.run(convert(executor))


def test_an_executor_that_breaks_is_an_error_and_another_one_goes_on(
    folder: Path, tmp_path: Path, run: Run
) -> None:
    data = chips(folder)[0]

    async def crash(executor: Executor) -> None:
        async with asyncio.timeout(60), Converter(limits=TWO, executor=executor) as converter:
            assert await converter.render(data) == asyncrgb.render(data)
            with pytest.raises(AsyncRgbError, match="TerminatedWorkerError"):
                await converter.render(data, faults.faulty(faults.killed))
            with pytest.raises(AsyncRgbError, match="TerminatedWorkerError"):
                await converter.render(data)
            assert converter.counters() == REST

    with reusable_loky() as executor:
        run(crash(executor))
        check(run(use(loky.get_reusable_executor(2), folder, tmp_path)))


# What loky says of a worker that leaves as it is given work; as an error, it would end loky.
@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs were given")
def test_idle_workers_that_leave_come_back(folder: Path, run: Run) -> None:
    data = chips(folder)[0]
    others = loky_workers()

    async def render(executor: Executor) -> None:
        async with Converter(limits=TWO, executor=executor) as converter:
            for _ in range(2):
                assert await converter.render(data) == asyncrgb.render(data)
                there = loky_workers() - others
                assert there
                psutil.wait_procs(there, timeout=30)
                assert not loky_workers() - others

    with loky.ProcessPoolExecutor(2, timeout=0.2) as executor:
        run(render(executor))


def loky_workers() -> set[psutil.Process]:
    found = set()
    for each in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it may end at any moment
            if "popen_loky_posix" in " ".join(each.cmdline()):
                found.add(each)
    return found


def test_workers_of_others_keep_none_of_our_memory(folder: Path, run: Run) -> None:
    before = arenas()

    async def render(executor: Executor) -> int:
        async with Converter(limits=TWO, executor=executor) as converter:
            await converter.render(chips(folder)[0])
            (number, *_) = [each for each in arenas() if each not in before]
            kept = os.dup(int(number))
            assert os.fstat(kept).st_blocks > 0
        return kept

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        kept = run(render(executor))
        worker = executor.submit(os.getpid).result()
        assert "memfd:asyncrgb" in Path(f"/proc/{worker}/maps").read_text()
        assert os.fstat(kept).st_blocks == 0
        os.close(kept)


def arenas() -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            if "memfd:asyncrgb" in os.readlink(f"/proc/self/fd/{number}"):
                found.append(number)
    return found


def test_nothing_of_ours_stays_behind(near: Executor, folder: Path, run: Run) -> None:
    async def render() -> None:
        async with Converter(limits=TWO, executor=near) as converter:
            await converter.render(chips(folder)[0])

    run(render())  # what the executor starts itself is there after this
    gc.collect()  # an error of an earlier test may hold on to its image, and that to the arena
    before = children(), arenas()
    run(render())
    assert (children(), arenas()) == before
    for thread in threading.enumerate():
        if "asyncrgb" in thread.name:  # told to end, and perhaps not done with it
            thread.join(30)
            assert not thread.is_alive()


def children() -> set[int]:
    return {each.pid for each in psutil.Process().children(recursive=True)}
