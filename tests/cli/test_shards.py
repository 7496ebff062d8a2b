"""``--shards``: signals, full disks, reports and settings are as without."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import asyncrgb
from tests.cli.commands import (
    Run,
    asyncrgb_command,
    catches_signals,
    pictures,
    running,
    wait_for,
)

CHIPS = 800
# Python 3.11 says so where the socket of a fork server goes as its folder is removed at the end.
LISTENER = re.compile(
    r"Traceback \(most recent call last\):\n(?:  .*\n)+FileNotFoundError: .*listener-.*\n"
)
TWO = ("--shards", "2", "--workers", "2")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips") / "data"
    asyncrgb.write_samples(folder, CHIPS, seed=7)
    return folder


def check_end(run: Run, number: int, out: Path) -> None:
    assert run.process.returncode == 128 + number, run.stderr
    told = run.stderr
    if number == signal.SIGTERM:  # workers die of one that reaches all, as without shards
        told = re.sub(r"a worker process died \(exit codes (\d+: -15(, )?)+\)", "", told)
    told = LISTENER.sub("", told)
    for word in ("Traceback", "Exception", "Error", "leaked", "died"):
        assert word not in told
    assert not run.orphans()
    assert (run.counted() or 0) == pictures(out), run.stdout + run.stderr
    assert run.counted("failed") in (None, 0), run.stdout
    assert not list(out.rglob(".asyncrgb-*"))


def workers(run: Run) -> list[psutil.Process]:
    """Find those who render, who are nicer than all others."""
    family = psutil.Process(run.process.pid).children(recursive=True)
    return [each for each in family if each.nice() == psutil.Process().nice() + 1]


@pytest.mark.alone
@pytest.mark.parametrize("group", [False, True], ids=["alone", "all"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment(number: int, group: bool, data: Path, tmp_path: Path) -> None:
    for step in range(4):
        out = tmp_path / str(step)
        with running(data, out, *TWO) as run:
            wait_for(lambda: catches_signals(run.process.pid))
            time.sleep(step * 0.2)
            run.send(number, group=group)
            run.finish()
        assert run.seconds < 6
        if run.process.returncode == 0:  # it had been faster
            assert run.counted() == CHIPS
        else:
            check_end(run, number, out)


def test_a_second_signal_drops_what_is_under_way(data: Path, tmp_path: Path) -> None:
    with running(data, tmp_path, *TWO) as run:
        wait_for(lambda: pictures(tmp_path))
        run.send(signal.SIGINT)
        time.sleep(0.1)
        run.send(signal.SIGINT)
        run.finish()
    check_end(run, signal.SIGINT, tmp_path)


def test_a_shard_whose_worker_hangs_leaves_nothing(data: Path, tmp_path: Path) -> None:
    """Killed with its worker it would leave its locks to be cleared up, which is said aloud."""
    with running(data, tmp_path, *TWO) as run:
        wait_for(lambda: pictures(tmp_path))
        for worker in workers(run):
            worker.suspend()
        run.send(signal.SIGINT)
        time.sleep(0.1)
        run.send(signal.SIGINT)
        run.finish()
    check_end(run, signal.SIGINT, tmp_path)


def test_shards_leave_when_whoever_started_them_is_killed(data: Path, tmp_path: Path) -> None:
    with running(data, tmp_path, *TWO) as run:
        wait_for(lambda: pictures(tmp_path) > 50)
        run.send(signal.SIGKILL)
        run.finish()

    assert len(run.family) > 4
    assert not run.orphans()
    done = asyncrgb_command(data, tmp_path, *TWO)
    assert done.returncode == 0, done.stderr
    assert pictures(tmp_path) == CHIPS
    assert not list(tmp_path.rglob(".asyncrgb-*"))


@pytest.mark.alone
def test_a_shard_that_is_killed_costs_nothing(data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    with running(data, tmp_path / "out", *TWO, "--report", report) as run:
        wait_for(lambda: pictures(tmp_path / "out") > 50)
        run.note_family()
        forks = [each for each in run.family if len(each.children()) == 2]
        (server,) = [each for each in forks if each.ppid() == run.process.pid]
        server.children()[0].send_signal(signal.SIGKILL)
        code = run.finish()

    assert code == 0, run.stderr
    assert "a shard process died (exit code -9): another one starts" in run.stderr
    assert run.counted() == CHIPS == pictures(tmp_path / "out")
    sources = [json.loads(line)["source"] for line in report.read_text().splitlines()]
    assert len(sources) == len(set(sources)) == CHIPS
    assert not run.orphans()


def test_reports_and_insight_are_of_all_shards(data: Path, tmp_path: Path) -> None:
    (data / "bad.tif").write_bytes(b"no TIFF")
    found = []
    for name, more in (("plain", TWO[2:]), ("two", TWO)):
        lines, figures = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.json"
        files = ("--report", lines, "--insight", figures)
        done = asyncrgb_command(data, tmp_path / "out", "--force", *files, *more)
        assert done.returncode == 1
        records = [json.loads(line) for line in lines.read_text().splitlines()]
        assert all(each["render_ms"] for each in records if each["outcome"] == "converted")
        keys = ("source", "destination", "outcome", "error", "message")
        found.append(sorted([str(each[key]) for key in keys] for each in records))
        insight = json.loads(figures.read_text())
        assert (insight["images"], insight["workers"]) == (CHIPS + 1, 2)
    (data / "bad.tif").unlink()
    assert found[0] == found[1]


def test_the_first_error_may_end_it(data: Path, tmp_path: Path) -> None:
    (data / "AnnualCrop" / "A.tif").write_bytes(b"no TIFF")
    done = asyncrgb_command(data, tmp_path, *TWO, "--on-error", "stop")
    (data / "AnnualCrop" / "A.tif").unlink()

    assert done.returncode == 1
    assert "stopped by errors" in done.stderr
    assert f"{pictures(tmp_path)} converted" in done.stdout
    assert pictures(tmp_path) < CHIPS


def test_a_full_disk_ends_the_run(data: Path, tmp_path: Path) -> None:
    unshare = ["unshare", "-Urm", "sh", "-c"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no disk can be made here")
    command = " ".join([sys.executable, "-m", "asyncrgb", str(data), "small/out", *TWO])
    script = f"mkdir small; mount -t tmpfs -o size=512k tmpfs small; {command}; ls -A small/out"
    done = subprocess.run(
        [*unshare, script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stderr.count("No space left on device: free some space") == 1
    assert "0 failed" in done.stdout
    left = [each for each in done.stdout.splitlines() if each.startswith(".asyncrgb")]
    assert left == [".asyncrgb.json"]


def test_what_cannot_be_shared_is_said_before_anything_begins(data: Path, tmp_path: Path) -> None:
    done = asyncrgb_command(data, tmp_path / "out", "--shards", "3", "--workers", "2")
    assert (done.returncode, pictures(tmp_path)) == (2, 0)
    assert "shards 3: each takes some of the workers, and there are 2: give fewer" in done.stderr

    done = asyncrgb_command(data, tmp_path / "out", *TWO, "--executor", "thread")
    assert done.returncode == 2
    assert "leave out the shards, or the executor" in done.stderr


def test_statistics_are_those_of_one_loop(data: Path, tmp_path: Path) -> None:
    for name, more in (("plain", ()), ("two", TWO)):
        done = asyncrgb_command("stats", data, "-o", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "two").read_bytes() == (tmp_path / "plain").read_bytes()


def test_the_bound_on_memory_and_workers_holds(data: Path, tmp_path: Path) -> None:
    """Of the two workers that --help speaks of each shard has one."""
    seen = {0}
    with running(data, tmp_path, *TWO) as run:

        def look() -> bool:
            with suppress(psutil.NoSuchProcess):
                seen.add(len(workers(run)))
            return pictures(tmp_path) == CHIPS

        wait_for(look)
        run.finish()
    assert 0 < max(seen) <= 2
