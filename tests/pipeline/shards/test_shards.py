"""Several event loops that share the work: all is as with one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    Converted,
    Converter,
    Counters,
    Event,
    Failed,
    Job,
    Limits,
    OptionsError,
    Outcome,
    PercentileStretch,
    Report,
    SceneAdvanced,
    SerialExecutor,
    UpToDate,
    WorkerCrashError,
    WorkersStarted,
)
from asyncrgb.pipeline.meters.figures import Figures
from asyncrgb.pipeline.shards.dealing import CommonMeter
from asyncrgb.pipeline.shards.division import divided
from asyncrgb.pipeline.shards.slices import Passage
from asyncrgb.pipeline.shards.slicing import Dealt, Size, fitting
from asyncrgb.pipeline.stream import FileTask, Stream
from tests.pipeline.conftest import Run
from tests.pipeline.shards.results import pictures

TWO = Limits(shards=2, workers=2)
PLAIN = Limits(workers=2)
CHIPS = 600
DATASET = asyncrgb.RenderOptions(stretch=PercentileStretch(2, 98, "dataset"))


@pytest.fixture
def run() -> Iterator[Run]:
    """Run coroutines in one kind of loop: shards, where most happens, choose theirs themselves."""
    with asyncio.Runner(debug=True) as runner:
        yield runner.run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give chips, one that is broken, and two that lead to one picture."""
    folder = tmp_path_factory.mktemp("shards") / "data"
    asyncrgb.write_samples(folder, CHIPS - 2, seed=5)
    (folder / "Forest" / "Forest_bad.tif").write_bytes(b"no TIFF")
    first = min((folder / "River").iterdir())
    (folder / "River" / "again").mkdir()
    (folder / "River" / "again" / first.name).write_bytes(first.read_bytes())
    return folder


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".asyncrgb*") if path.name != ".asyncrgb.json"]


def told(report: Report, folder: Path) -> list[tuple[str, str, str]]:
    """Give what a report says of each source, whatever folder it was for."""
    return [
        (
            type(each).__name__,
            each.source,
            str(getattr(each, "error", getattr(each, "destination", ""))).replace(str(folder), ""),
        )
        for each in report.outcomes
    ]


def shard_processes() -> list[int]:
    return [each.pid or 0 for each in active_children() if "shard" in each.name]


def test_pictures_and_report_are_those_of_one_loop(run: Run, data: Path, tmp_path: Path) -> None:
    seen: list[Outcome] = []
    plain = run(asyncrgb.convert(data, tmp_path / "plain", limits=PLAIN))
    report = run(asyncrgb.convert(data, tmp_path / "two", limits=TWO, on_outcome=seen.append))

    assert told(report, tmp_path / "two") == told(plain, tmp_path / "plain")
    assert Counter(map(type, seen)) == {Converted: CHIPS - 2, Failed: 2}
    assert pictures(tmp_path / "two") == pictures(tmp_path / "plain")
    assert not left_behind(tmp_path / "two")
    assert report.insight is not None
    assert report.insight.images == CHIPS - 1
    assert (report.insight.workers, report.insight.reads) == (2, PLAIN.reads)


def test_a_second_run_finds_all_up_to_date_unless_it_is_forced(
    run: Run, data: Path, tmp_path: Path
) -> None:
    async def thrice() -> list[Report]:
        async with Converter(limits=TWO) as converter:
            first = await converter.convert(data, tmp_path)
            second = await converter.convert(data, tmp_path)
            third = await converter.convert(data, tmp_path, force=True)
            assert converter.counters() == Counters(0, 0, 0, 0, 0)
            assert not left_behind(tmp_path)
            return [first, second, third]

    first, second, third = run(thrice())
    assert len(first.converted) == len(second.up_to_date) == len(third.converted) == CHIPS - 2
    assert isinstance(second.outcomes[0], UpToDate)


def test_each_shard_is_known_as_a_run_of_its_own(run: Run, data: Path, tmp_path: Path) -> None:
    """Temporary files bear the name of their process: who finds some has to know if it lives."""
    runs: set[str] = set()
    see = lambda _: runs.update(os.listdir(tmp_path / ".asyncrgb-runs"))  # noqa: E731 - in short
    run(asyncrgb.convert(data, tmp_path, limits=TWO, on_outcome=see))

    pids = {int(name.partition("-")[0]) for name in runs}
    assert len(pids) == len(runs) == 3
    assert os.getpid() in pids


def test_percentiles_of_a_dataset_merge(run: Run, data: Path, tmp_path: Path) -> None:
    run(asyncrgb.convert(data, tmp_path / "plain", DATASET, limits=PLAIN))
    run(asyncrgb.convert(data, tmp_path / "two", DATASET, limits=TWO))

    assert pictures(tmp_path / "two") == pictures(tmp_path / "plain")
    plain, two = (run(asyncrgb.measure(data, limits=limits)) for limits in (PLAIN, TWO))
    assert two.to_json() == plain.to_json()


def test_a_shard_that_is_killed_costs_nothing(
    run: Run, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def convert_and_kill() -> Report:
        seen = 0

        def kill(_: Outcome) -> None:
            nonlocal seen
            seen += 1
            if seen == 20:
                os.kill(shard_processes()[0], signal.SIGKILL)

        return await asyncrgb.convert(data, tmp_path, limits=TWO, on_outcome=kill)

    report = run(convert_and_kill())

    assert [each.source for each in report.outcomes] == sorted(
        {each.source for each in report.outcomes}, key=[o.source for o in report.outcomes].index
    )
    assert len(report.converted) == CHIPS - 2
    assert len(report.failed) == 2
    assert len(pictures(tmp_path)) == CHIPS - 2
    assert not left_behind(tmp_path)
    assert "a shard process died (exit code -9)" in caplog.text


def test_shards_that_die_again_and_again_are_an_error(run: Run, data: Path, tmp_path: Path) -> None:
    async def convert_and_kill() -> None:
        task = asyncio.ensure_future(asyncrgb.convert(data, tmp_path, limits=TWO))
        while not task.done():
            for pid in shard_processes():
                with suppress(ProcessLookupError):  # it may have gone since it was listed
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0)
        await task

    with pytest.raises(AsyncRgbError, match=r"shard processes died 6 times in a row"):
        run(convert_and_kill())


@pytest.mark.parametrize(
    "moment",
    [
        'multiprocessing.current_process()._config["tempdir"] = "/nowhere"',
        "signal.pthread_sigmask(signal.SIG_BLOCK, OURS); os.kill(os.getpid(), signal.SIGTERM)",
    ],
    ids=["its starter has gone", "a signal to all is held back"],
)
def test_a_shard_that_starts_when_all_is_over_leaves_quietly(moment: str) -> None:
    """It has lost its fork server's folder with its starter, or is not yet deaf to signals."""
    code = f"""
import multiprocessing, os, signal
from asyncrgb import Limits, RenderOptions
from asyncrgb.pipeline.shards import shard_process
OURS = {{signal.SIGINT, signal.SIGTERM, signal.SIGHUP}}
if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    {moment}
    shard_process.main(ours, shard_process.Setup("shard", RenderOptions(), Limits(), False, 20))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_enough_errors_end_it(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncrgb.write_samples(data, 1, seed=1)
    (sample,) = data.rglob("*.tif")
    for number in range(2000):
        (data / f"sample-{number}.tif").hardlink_to(sample)
    for number in range(5):
        (data / f"{number}.tif").write_bytes(b"no TIFF")

    report = run(asyncrgb.convert(data, tmp_path / "out", limits=TWO, max_errors=3))

    assert report.stopped
    assert len(report.failed) == 3
    assert len(report.converted) == len(pictures(tmp_path / "out")) < 2001


def test_jobs_of_any_kind_go_through_shards(run: Run, data: Path, tmp_path: Path) -> None:
    sources = sorted((data / "Forest").glob("Forest_*.tif"))[:40]
    infrared = asyncrgb.RenderOptions(bands=(8, 4, 3))

    async def jobs() -> AsyncIterator[Job]:
        for number, source in enumerate(sources):
            options = infrared if number % 2 else None
            yield Job(str(source), str(tmp_path / f"{number}.png"), options)
            await asyncio.sleep(0)

    async def convert() -> list[Outcome]:
        async with Converter(limits=TWO) as converter:
            found = [each async for each in converter.convert_many(jobs(), trace=True)]
            picture = await converter.render(sources[0].read_bytes())
            assert picture == (tmp_path / "0.png").read_bytes()
            return found

    found = run(convert())
    converted = [each for each in found if isinstance(each, Converted)]
    assert len(converted) == len(list(tmp_path.glob("*.png")))
    assert len(found) == len(sources)
    assert all(each.trace is not None and each.trace.render_seconds > 0 for each in converted)
    for number in (0, 1):
        expected = asyncrgb.render(
            sources[number].read_bytes(), infrared if number else asyncrgb.RenderOptions()
        )
        assert (tmp_path / f"{number}.png").read_bytes() == expected


def test_events_and_parts_of_scenes_come_through(run: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (2000, 1500, 3), "u2")
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="rgb", tile=(256, 256))
    events: list[Event] = []

    limits = Limits(shards=2, workers=2, memory=8 * 2**20)
    report = run(
        asyncrgb.convert(tmp_path, tmp_path / "out", limits=limits, on_event=events.append)
    )

    assert len(report.converted) == 2
    shares = [each.share for each in events if isinstance(each, SceneAdvanced)]
    assert max(shares) == 1
    assert len(shares) > 4
    assert any(isinstance(each, WorkersStarted) for each in events)


def test_cancelled_it_leaves_nothing(run: Run, data: Path, tmp_path: Path) -> None:
    async def cancel() -> None:
        task = asyncio.ensure_future(asyncrgb.convert(data, tmp_path, limits=TWO))
        while not pictures(tmp_path):
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel())

    assert not left_behind(tmp_path)
    assert len(pictures(tmp_path)) < CHIPS
    assert not shard_processes()


def test_a_dry_run_starts_no_shards(run: Run, data: Path, tmp_path: Path) -> None:
    report = run(asyncrgb.convert(data, tmp_path / "out", limits=TWO, dry_run=True))

    assert len(report.pending) == CHIPS - 1
    assert not (tmp_path / "out").exists()


def test_what_shards_share_adds_up() -> None:
    whole = Limits(workers=7, reads=64, writes=9, memory=2**27, shards=3)
    parts = divided(whole)

    assert [each.workers for each in parts] == [3, 2, 2]
    for name in ("reads", "writes"):
        assert sum(getattr(each, name) for each in parts) == getattr(whole, name)
    assert 0.99 * whole.memory < sum(each.memory for each in parts) <= whole.memory
    assert all(each.shards == 1 and each.batch == whole.batch for each in parts)


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(shards=3, workers=2), "workers"),
        (Limits(shards=3, workers=3, reads=2), "reads"),
        (Limits(shards=3, workers=3, writes=2), "writes"),
        (Limits(shards=3, workers=3, memory=2**21), "MiB of memory"),
    ],
)
def test_each_shard_needs_a_part(run: Run, limits: Limits, what: str, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=f"shards 3: each takes some of the {what}"):
        run(asyncrgb.convert(tmp_path, tmp_path / "out", limits=limits))


def test_shards_have_no_executor(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="leave out the shards, or the executor"):
        run(asyncrgb.convert(tmp_path, tmp_path, limits=TWO, executor=SerialExecutor()))


def test_slices_take_the_time_they_should() -> None:
    """Whatever a job takes, from microseconds to seconds."""
    for each in (0.0001, 0.01, 1.0):
        size = Size(0.25)
        for _ in range(20):
            size.learn(size.count, each * size.count, first=False)
        assert size.count == 1 or 0.05 < each * size.count < 0.6
    assert fitting([10, 30], 100) == 5
    assert fitting([1000], 100) == 1


def stream_of(count: int, ended: list[Any]) -> tuple[Stream, list[FileTask]]:
    stream = Stream(lambda index, outcome: ended.append((index, outcome)))
    stream.feed([Job(f"{number}.tif", "") for number in range(count)])
    tasks = [stream.take(1)[0] for _ in range(count)]
    return stream, tasks


def test_a_job_that_kills_each_shard_is_found_out(run: Run) -> None:
    """The others of its slice are dealt again until it is alone."""

    async def deal() -> tuple[list[Any], int]:
        ended: list[Any] = []
        waiting = [Dealt(*stream_of(100, ended))]
        deaths = 0
        while waiting:
            dealt = waiting.pop()
            if any(task.index == 41 for task in dealt.left):
                deaths += 1
                waiting += dealt.again()
            else:
                for task in dealt.left:
                    task.stream.end(task.index, Converted(task.job.source, ""))
        return ended, deaths

    ended, deaths = run(deal())
    assert sorted(index for index, _ in ended) == list(range(100))
    (failed,) = [(index, each) for index, each in ended if isinstance(each, Failed)]
    assert failed[0] == 41
    assert isinstance(failed[1].error, WorkerCrashError)
    assert deaths <= 4


def test_slices_at_once_may_tell_of_their_shard_in_any_order() -> None:
    """What a Dask worker tells comes when a task ends, whichever began first."""
    nothing = Figures(**dict.fromkeys(Figures._fields, 0))
    meter = CommonMeter()
    sum_up = meter.begin()
    moments = [
        nothing._replace(moment=each, began=0.0, workers=1, images=each) for each in range(6)
    ]
    for before, now in ((2, 5), (0, 3), (1, 4)):
        meter.take(Passage("one", moments[before], moments[now]))
    assert sum_up().images == 5
