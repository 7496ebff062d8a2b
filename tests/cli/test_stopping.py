"""Ctrl-C and SIGTERM, at every moment of a run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

import asyncrgb
from asyncrgb.cli import command
from tests.cli.commands import (
    COMMAND,
    Run,
    catches_signals,
    pictures,
    running,
    wait_for,
)

CHIPS = 1500
FEW = CHIPS // 10  # in the folder of each class
SHARED = "/dev/shm"  # noqa: S108 - only looked at
SLOW = ["--compress-level", "9", "--batch", "8"]
BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips") / "data"
    asyncrgb.write_samples(folder, CHIPS, seed=7)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give images that take many seconds each."""
    folder = tmp_path_factory.mktemp("large")
    pixels = np.random.default_rng(0).integers(0, 4000, (3200, 3200, 3), "u2")
    for name in "abc":
        tifffile.imwrite(
            folder / f"{name}.tif", pixels, photometric="minisblack", planarconfig="contig"
        )
    return folder


def check_end(run: Run, number: int, out: Path) -> None:
    """Check all that holds, whenever the signal came."""
    assert run.process.returncode == 128 + number, run.stderr
    for word in ("Traceback", "Exception", "Error", "leaked"):
        assert word not in run.stderr
    assert not run.orphans()
    assert (run.counted() or 0) == pictures(out), run.stdout
    assert run.counted("failed") in (None, 0), run.stdout
    assert not list(out.rglob(".asyncrgb-*"))


@pytest.mark.alone
@pytest.mark.parametrize("group", [False, True], ids=["alone", "all"])
@pytest.mark.parametrize("number", BOTH)
def test_a_signal_at_any_moment(number: int, group: bool, data: Path, tmp_path: Path) -> None:
    """Through start-up, fork server, work and clearing up; from a terminal all processes get it."""
    summed_up = 0
    for step in range(8):
        out = tmp_path / str(step)
        # Not below tmp_path: the name of a socket has to be short.
        with (
            TemporaryDirectory() as folder,
            running(data, out, env={**os.environ, "TMPDIR": folder}) as run,
        ):
            wait_for(lambda: catches_signals(run.process.pid))
            time.sleep(step * 0.075)
            run.send(number, group=group)
            run.finish()
            left = os.listdir(folder)
        assert not left
        if run.process.returncode == 0:  # it had been faster
            assert run.counted() == CHIPS
            continue
        check_end(run, number, out)
        assert run.seconds < 3
        summed_up += run.counted() is not None
    assert summed_up, "no signal came while anything was under way"


@pytest.mark.parametrize("number", BOTH)
def test_one_is_enough_and_the_run_can_be_taken_up(number: int, data: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "out", data / "River"
    with running(data, out, *SLOW) as run:
        wait_for(lambda: pictures(out) > 3)
        run.send(number)
        run.finish()
    check_end(run, number, out)
    done = pictures(out)
    assert 3 < done < FEW
    assert run.stderr.splitlines() == [
        "stopping: what is under way is finished; again, and it is dropped",
        "interrupted: the same command goes on from here",
    ]
    with running(data, out, *SLOW) as again:
        assert again.finish(60) == 0
    assert f"{FEW - done} converted, {done} up to date, 0 failed" in again.stdout


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.4])
def test_impatience_ends_it_in_good_order_too(gap: float, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(data, out, *SLOW) as run:
        wait_for(lambda: pictures(out) > 3)
        for _ in range(4):
            run.send(signal.SIGINT, group=True)
            time.sleep(gap)
        run.finish()
    check_end(run, signal.SIGINT, out)


def test_a_signal_that_comes_twice_at_once_is_one(large: Path, tmp_path: Path) -> None:
    """``timeout`` sends it to its child, and to the group that its child is in."""
    with running(large, tmp_path / "out", *SLOW) as run:
        wait_for(lambda: len(children(run)) > 2)
        time.sleep(0.5)
        os.kill(run.process.pid, signal.SIGTERM)
        os.killpg(run.process.pid, signal.SIGTERM)
        run.finish()
    assert run.process.returncode == 143
    assert run.seconds > 1.5, "the second one was taken for impatience"


@pytest.mark.alone
@pytest.mark.parametrize(("gap", "most"), [(None, 3.5), (0.3, 1.5)], ids=["once", "twice"])
def test_what_takes_longer_is_dropped(
    gap: float | None, most: float, large: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with running(large, out, *SLOW) as run:
        wait_for(lambda: len(children(run)) > 2)
        time.sleep(0.5)
        run.send(signal.SIGINT)
        if gap is not None:
            time.sleep(gap)
            run.send(signal.SIGINT)
        run.finish()
    check_end(run, signal.SIGINT, out)
    assert run.counted() == 0
    assert run.seconds < most


@pytest.mark.parametrize("executor", ["thread", "serial"])
def test_what_cannot_be_dropped_is_left_behind(executor: str, large: Path, tmp_path: Path) -> None:
    with running(large, tmp_path / "out", *SLOW, "--executor", executor) as run:
        wait_for((tmp_path / "out").is_dir)
        run.send(signal.SIGINT)
        run.send(signal.SIGINT)
        run.finish(30)
    assert run.process.returncode == 130
    assert run.counted() == pictures(tmp_path / "out")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("number", BOTH)
def test_no_statistics_of_a_part(number: int, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "stats.json"
    with running("stats", data, "-o", output) as run:
        wait_for(lambda: len(children(run)) > 2)
        time.sleep(0.1)
        run.send(number, group=True)
        run.finish()
    assert run.process.returncode == 128 + number
    assert "no statistics have been written" in run.stderr
    measured = run.counted("measured")
    assert measured is not None
    assert measured < CHIPS
    assert not list(tmp_path.iterdir())
    assert not run.orphans()


def test_nothing_is_converted_by_statistics_of_a_part(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(data, out, "--percentile", "2", "98", "--scope", "dataset") as run:
        wait_for(lambda: len(children(run)) > 2)
        run.send(signal.SIGINT)
        run.finish()
    check_end(run, signal.SIGINT, out)
    assert pictures(out) == 0


def test_a_signal_that_is_ignored_stays_ignored(data: Path, tmp_path: Path) -> None:
    """As under ``nohup``, and in the background of a shell without job control."""
    code = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(*ARGS)"
    arguments = [*COMMAND, str(data / "River"), str(tmp_path / "out"), *SLOW]
    code = code.replace("*ARGS", f"{sys.executable!r}, {arguments!r}")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        wait_for(lambda: pictures(tmp_path / "out") > 3)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert pictures(tmp_path / "out") == FEW


def test_a_terminal_that_is_closed_ends_it(data: Path, tmp_path: Path) -> None:
    with running(data, tmp_path / "out", *SLOW) as run:
        wait_for(lambda: pictures(tmp_path / "out") > 3)
        run.send(signal.SIGHUP, group=True)
        run.finish()
    check_end(run, signal.SIGHUP, tmp_path / "out")


def test_a_host_keeps_its_handlers(data: Path, tmp_path: Path) -> None:
    """Who calls a command from Python has handlers of its own, and may be in any thread."""
    before = [signal.getsignal(number) for number in (*BOTH, signal.SIGHUP)]
    seen = []

    def call() -> None:
        source = data / "River" / "River_1.tif"
        arguments = [str(source), str(tmp_path / "one.png"), "--executor", "thread"]
        done = CliRunner().invoke(command, arguments, standalone_mode=False)
        seen.append((done.return_value, done.exception))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    call()
    assert seen == [(0, None), (0, None)]
    assert [signal.getsignal(number) for number in (*BOTH, signal.SIGHUP)] == before


def test_nothing_is_left_in_shared_memory(data: Path, tmp_path: Path) -> None:
    with running(data, tmp_path / "out", *SLOW) as run:
        wait_for(lambda: pictures(tmp_path / "out") > 3)
        maps = Path(f"/proc/{run.process.pid}/maps").read_text(encoding="utf-8")
        run.send(signal.SIGINT, group=True)
        run.finish()
    assert "memfd:asyncrgb" in maps, "which is gone with its processes"
    named = {Path(path) for path in re.findall(rf"{SHARED}/\S+", maps)}
    assert named, "what is looked for cannot be seen"
    wait_for(lambda: not any(path.exists() for path in named), 3)
    assert not run.orphans()


def children(run: Run) -> list[int]:
    text = Path(f"/proc/{run.process.pid}/stat")
    if not text.exists():
        return []
    run.note_family()
    return [each.pid for each in {*run.family} if each.is_running()]
