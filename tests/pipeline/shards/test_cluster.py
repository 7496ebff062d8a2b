"""Conversions on the workers of a Dask cluster: the real library, two single-threaded workers."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client, LocalCluster

import asyncrgb
from asyncrgb import (
    Converted,
    Converter,
    Failed,
    Job,
    Limits,
    OptionsError,
    Outcome,
    PercentileStretch,
    Report,
    SerialExecutor,
    WorkerCrashError,
)
from asyncrgb.cli.cluster import cluster
from asyncrgb.pipeline.shards.cluster_worker import Reach, look
from asyncrgb.pipeline.shards.repeating import completed, part_of, places_left
from asyncrgb.pipeline.shards.slices import Slice, Tidings
from tests.cli.commands import wait_for
from tests.pipeline import faults
from tests.pipeline.shards.results import pictures

CHIPS = 400
PLAIN = Limits(workers=2)
DATASET = asyncrgb.RenderOptions(stretch=PercentileStretch(2, 98, "dataset"))


@contextmanager
def two_workers() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with two_workers() as client:
        yield client


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give chips, and one that is broken."""
    folder = tmp_path_factory.mktemp("cluster") / "data"
    asyncrgb.write_samples(folder, CHIPS - 1, seed=5)
    (folder / "Forest" / "Forest_bad.tif").write_bytes(b"no TIFF")
    return folder


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


def check_folder(folder: Path) -> None:
    assert len(pictures(folder)) == CHIPS - 1
    assert sorted(path.name for path in folder.glob(".*")) == [".asyncrgb.json"]


@pytest.mark.parametrize("options", [asyncrgb.RenderOptions(), DATASET], ids=["fixed", "dataset"])
def test_pictures_and_report_are_those_of_this_machine(
    options: asyncrgb.RenderOptions, client: Client, data: Path, tmp_path: Path
) -> None:
    seen: list[Outcome] = []
    plain = asyncrgb.run(data, tmp_path / "plain", options, limits=PLAIN)
    report = asyncrgb.run(data, tmp_path / "dask", options, cluster=client, on_outcome=seen.append)

    assert told(report, tmp_path / "dask") == told(plain, tmp_path / "plain")
    assert sum(isinstance(each, Converted) for each in seen) == CHIPS - 1
    assert pictures(tmp_path / "dask") == pictures(tmp_path / "plain")
    check_folder(tmp_path / "dask")
    assert report.insight is not None
    assert report.insight.workers == 2
    passes = 2 if options is DATASET else 1
    assert report.insight.images == passes * CHIPS
    assert all(not plugins for plugins in client.run(plugins_of).values())


def plugins_of(dask_worker: object) -> list[str]:
    return [name for name in getattr(dask_worker, "plugins", ()) if name.startswith("asyncrgb")]


def test_a_client_of_the_same_event_loop(client: Client, data: Path, tmp_path: Path) -> None:
    async def convert() -> Report:
        async with Client(client.scheduler.address, asynchronous=True) as ours:
            async with Converter(cluster=ours) as converter:
                first = await converter.convert(data, tmp_path)
                second = await converter.convert(data, tmp_path)
            assert len(second.up_to_date) == CHIPS - 1
            return first

    assert len(asyncio.run(convert()).converted) == CHIPS - 1
    check_folder(tmp_path)


def test_paths_are_those_of_the_client(
    client: Client, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    report = asyncrgb.run("data", os.path.relpath(tmp_path), cluster=client)

    assert len(report.converted) == len(pictures(tmp_path)) == CHIPS - 1
    assert all(each.source.startswith("data/") for each in report.outcomes)


def test_a_worker_that_is_killed_costs_nothing(data: Path, tmp_path: Path) -> None:
    seen: list[Outcome] = []

    with two_workers() as client:
        pids = list(client.run(os.getpid).values())

        def kill(outcome: Outcome) -> None:
            seen.append(outcome)
            if len(seen) == 40:
                psutil.Process(pids[0]).send_signal(signal.SIGKILL)

        report = asyncrgb.run(data, tmp_path, cluster=client, on_outcome=kill)

    sources = [each.source for each in seen]
    assert len(sources) == len(set(sources)) == len(report.outcomes) == CHIPS
    assert len(report.converted) == CHIPS - 1
    assert len(pictures(tmp_path)) == CHIPS - 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_image_that_kills_each_worker_is_found_out(data: Path, tmp_path: Path) -> None:
    sources = sorted((data / "River").glob("*.tif"))[:4]
    fatal = faults.faulty(faults.leave)
    jobs = [
        Job(str(source), str(tmp_path / source.with_suffix(".png").name), options)
        for source, options in zip(sources, (None, fatal, None, None), strict=True)
    ]

    async def convert(client: Client) -> list[Outcome]:
        async with Converter(cluster=client) as converter:
            return [each async for each in converter.convert_many(jobs)]

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), two_workers() as client:
        outcomes = asyncio.run(convert(client))

    assert len(outcomes) == 4
    (failed,) = [each for each in outcomes if isinstance(each, Failed)]
    assert failed.source == str(sources[1])
    assert isinstance(failed.error, WorkerCrashError)


@pytest.mark.parametrize("what", ["source", "destination"])
def test_what_workers_do_not_reach_is_said_at_once(
    what: str, client: Client, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has a working directory of its own; this one has what others have not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chips").symlink_to(data)
    here = "/proc/self/cwd"
    source = f"{here}/chips" if what == "source" else str(data)
    destination = f"{here}/out" if what == "destination" else str(tmp_path / "out")

    with pytest.raises(OptionsError, match="does not reach what this machine does") as caught:
        asyncrgb.run(source, destination, cluster=client)
    assert "/proc/self/cwd" in str(caught.value)
    assert "name paths that all workers share" in str(caught.value)
    assert not pictures(tmp_path)


def test_other_versions_are_refused(tmp_path: Path) -> None:
    found = look(Reach("0.0.0", str(tmp_path), None))

    assert found is not None
    assert "and here 0.0.0: install the same" in found


def test_the_first_error_may_end_it(client: Client, tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncrgb.write_samples(data, 300, seed=1)
    (data / "0.tif").write_bytes(b"no TIFF")

    report = asyncrgb.run(data, tmp_path / "out", cluster=client, on_error="stop")

    assert report.stopped
    assert len(report.failed) == 1
    assert len(report.converted) == len(pictures(tmp_path / "out"))


def test_a_cluster_renders_by_itself(client: Client, data: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="leave out the executor"):
        asyncrgb.run(data, tmp_path, cluster=client, executor=SerialExecutor())
    with pytest.raises(OptionsError, match="leave out --timeout"):
        asyncrgb.run(data, tmp_path, cluster=client, limits=Limits(timeout=1))


def test_a_slice_that_is_repeated_leaves_what_was_done(tmp_path: Path) -> None:
    """Results of this run stay; older ones, those older than their source, and folders do not."""
    for number in range(5):
        (tmp_path / f"{number}.tif").touch()
        os.utime(tmp_path / f"{number}.tif", ns=(100, 100 + 1000 * (number == 2)))
    for number, moment in enumerate((500, 300, 600)):
        (tmp_path / f"{number}.png").touch()
        os.utime(tmp_path / f"{number}.png", ns=(moment, moment))
    (tmp_path / "3.png").mkdir()
    names = [str(tmp_path / f"{number}") for number in range(5)]
    sources, destinations = [f"{n}.tif" for n in names], [f"{n}.png" for n in names]
    piece = Slice(1, sources, destinations, None, None, trace=False, folder=str(tmp_path))

    left = places_left(piece, 400)
    assert left == [1, 2, 3, 4]
    part = part_of(piece, left)
    assert part.sources == sources[1:]
    failed = Failed(sources[4], ValueError())
    whole = completed(piece, left, [Tidings([0, 1]), Tidings([2], [(3, failed)])])
    assert sorted(place for each in whole for place in each.usual) == [0, 1, 2, 3]
    assert [other for each in whole for other in each.others] == [(4, failed)]


@pytest.mark.parametrize(("made", "looks"), [(None, 16), (17, 16), (15, 16 + 32)])
def test_a_slice_that_nobody_has_begun_is_not_looked_through(
    made: int | None, looks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(tmp_path / f"{number}") for number in range(32)]
    results = [f"{name}.png" for name in names]
    piece = Slice(1, names, results, None, None, trace=False, folder=str(tmp_path))
    if made is not None:
        Path(names[made]).touch()
        os.utime(names[made], ns=(100, 100))
        Path(f"{names[made]}.png").touch()
    seen: list[str] = []
    stat = os.stat

    def count(path: str) -> os.stat_result:
        seen.append(path)
        return stat(path)

    monkeypatch.setattr(os, "stat", count)
    left = places_left(piece, 400)
    monkeypatch.undo()
    assert list(left) == [place for place in range(32) if place != made or made > 16]
    assert sum(path.endswith(".png") for path in seen) == looks


def surroundings() -> tuple[str | None, int, int, int]:
    return (
        os.environ.get("MALLOC_TRIM_THRESHOLD_"),
        gc.get_threshold()[0],
        os.nice(0),
        logging.getLogger("distributed.worker").level,
    )


def test_workers_that_the_command_starts_are_set_up_for_much_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A cluster that was started here before has set it for whatever comes after it.
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with socket.socket() as other:
        with suppress(OSError):  # it is taken already, which is the point
            other.bind(("localhost", 8787))  # Dask's usual port
            other.listen()
        with cluster("local", Limits(workers=1, nice=3), quiet=True) as client:
            assert client is not None
            (at_first,) = client.run(surroundings).values()
            client.restart()
            (replaced,) = client.run(surroundings).values()
    assert at_first == replaced == (None, 50_000, os.nice(0) + 3, logging.CRITICAL)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_without_a_cluster_nothing_of_dask_is_imported(data: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from asyncrgb.cli import main
if __name__ == "__main__":
    try:
        main([{str(data / "Forest")!r}, {str(tmp_path)!r}])
    finally:
        import json
        print(json.dumps([name for name in sys.modules if name.split(".")[0] in
                          ("dask", "distributed", "tornado", "cloudpickle")]))
"""
    done = run_python(code)
    assert json.loads(done.stdout.splitlines()[-1]) == [], done.stderr
    assert "converted" in done.stdout


def test_where_dask_is_missing_the_command_says_how_to_get_it(data: Path, tmp_path: Path) -> None:
    done = run_python(f"""
import sys
sys.modules["distributed"] = None
from asyncrgb.cli import main
main([{str(data)!r}, {str(tmp_path)!r}, "--dask", "local"])
""")
    assert done.returncode == 2
    assert "pip install distributed" in done.stderr
    assert "Traceback" not in done.stderr


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "asyncrgb", *map(str, arguments)]


def test_the_command_starts_a_cluster_and_sums_up(data: Path, tmp_path: Path) -> None:
    arguments = (data, tmp_path / "out", "--workers", "2", "--report", tmp_path / "report")
    done = subprocess.run(
        command(*arguments, "--dask", "local"), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert f"{CHIPS - 1} converted, 0 up to date, 1 failed" in done.stdout
    assert "a Dask cluster of 2 workers, at hand after" in done.stderr
    assert len((tmp_path / "report").read_text().splitlines()) == CHIPS
    check_folder(tmp_path / "out")


def workers_below(pid: int) -> list[psutil.Process]:
    """Give the processes of a local cluster that do the work."""
    family = psutil.Process(pid).children(recursive=True)
    return [each for each in family if "spawn_main" in " ".join(each.cmdline())]


def test_the_command_succeeds_though_a_worker_is_killed(tmp_path: Path) -> None:
    data, out, report = tmp_path / "data", tmp_path / "out", tmp_path / "report"
    asyncrgb.write_samples(data, count := 150, seed=6)
    slow = ("--workers", "2", "--dask", "local", "--compress-level", "9")
    with subprocess.Popen(
        command(data, out, *slow, "--report", report),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: len(pictures(out)) > 5)
        victim = workers_below(process.pid)[0]
        victim.kill()
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert f"{count} converted, 0 up to date, 0 failed" in stdout
    sources = [json.loads(line)["source"] for line in report.read_text().splitlines()]
    assert len(sources) == len(set(sources)) == len(pictures(out)) == count


@pytest.mark.parametrize("group", [False, True], ids=["alone", "all"])
def test_a_signal_cancels_the_tasks(group: bool, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(
        command(data, out, "--workers", "2", "--dask", "local", "--compress-level", "9"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        wait_for(lambda: len(pictures(out)) > 5)
        family = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    # A busy machine may not hear of all pictures in time; the next run finds them there.
    (said,) = re.findall(r"^(\d+) converted", stdout)
    assert int(said) <= len(pictures(out)) < CHIPS - 1
    assert all(picture.endswith(b"IEND\xaeB`\x82") for picture in pictures(out).values())
    wait_for(lambda: not any(each.is_running() for each in family))
