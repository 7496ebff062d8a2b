"""Runs that die, runs that live, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import asyncrgb
from asyncrgb import Limits, RenderOptions, SerialExecutor
from asyncrgb.pipeline.storage import runs
from asyncrgb.pipeline.storage.files import Owner
from asyncrgb.pipeline.storage.runs import RUNS, Run

ONE = Limits(workers=1, batch=4)

# converts, and dies in the middle of the n-th picture: the kill comes before it gets its name
DYING = """
import asyncio, os, signal, sys, asyncrgb
left, replace = [int(sys.argv[3])], os.replace
def dying(source, target):
    if target.endswith(".png"):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dying
asyncio.run(asyncrgb.convert(sys.argv[1], sys.argv[2], executor=asyncrgb.SerialExecutor()))
"""

# is at work in a folder, with a picture half written, until it is killed
LIVING = """
import sys, time
from asyncrgb.pipeline.storage.files import Owner, TEMPORARY_PREFIX
from asyncrgb.pipeline.storage.runs import Run
run = Run(sys.argv[1])
run.enter()
open(f"{sys.argv[1]}/{TEMPORARY_PREFIX}{Owner.name}-0", "w").close()
print("at work", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 60, seed=7)
    return folder


@pytest.fixture
def living(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", LIVING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        yield process
        process.kill()


def convert(source: Path, out: Path, **given: object) -> asyncrgb.Report:
    return asyncio.run(
        asyncrgb.convert(source, out, limits=ONE, executor=SerialExecutor(), **given)  # type: ignore[arg-type] # passed on
    )


def die(source: Path, out: Path, after: int) -> None:
    command = [sys.executable, "-c", DYING, str(source), str(out), str(after)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL


def hidden(out: Path) -> list[str]:
    paths = [*out.rglob(".asyncrgb-*"), *out.glob(f"{RUNS}/*")]
    return sorted(os.path.relpath(path, out) for path in paths)


def swept(folder: Path) -> list[str]:
    """Sweep as a run does that begins now, and tell what is hidden in the folder after it."""
    run = Run(str(folder))
    run.enter()
    for _ in run.sweep():
        pass
    run.leave()
    return hidden(folder)


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_the_run_after_a_killed_one_does_the_rest_and_tidies_up(
    layout: str, chips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    die(chips, out, 20)
    assert len(hidden(out)) == 3, "the folder of runs, a run, a temporary file"
    report = convert(chips, out, layout=layout)
    assert len(report.outcomes) == 60
    assert len(report.up_to_date) == (19 if layout == "flat" else 0)
    assert not hidden(out)


def test_a_killed_run_leaves_its_temporary_files_to_be_swept_in_deep_folders_too(
    chips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    die(chips, out, 3)
    (temporary,) = out.glob(".asyncrgb-*-*-*")
    (out / "deep" / "deeper").mkdir(parents=True)
    temporary.rename(out / "deep" / "deeper" / temporary.name)
    others = [".asyncrgb-1-abcd-1", temporary.name + "x", "." + temporary.name, "a.png"]
    for name in others:
        (out / name).touch()
    convert(chips, out)
    assert not list(out.rglob(temporary.name))
    assert all((out / name).exists() for name in others), "what is not that run's stays"
    assert (out / ".asyncrgb.json").exists()


def test_what_a_living_run_has_is_not_touched_until_it_is_dead(
    living: subprocess.Popen[str], tmp_path: Path
) -> None:
    there = hidden(tmp_path)
    assert len(there) == 3
    assert swept(tmp_path) == there
    living.kill()
    living.wait()
    assert swept(tmp_path) == []


def test_without_dead_runs_nothing_is_walked(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walked(*_: object) -> Iterator[None]:
        raise AssertionError

    monkeypatch.setattr(runs, "_remove_temporaries", walked)
    convert(chips / "River", tmp_path)
    convert(chips / "River", tmp_path)
    (tmp_path / RUNS).mkdir()
    (tmp_path / RUNS / "1-abcdef01").touch()  # killed before it wrote anything
    convert(chips / "River", tmp_path)
    assert not hidden(tmp_path)


def test_runs_of_other_machines_are_only_believed_dead_after_a_day(tmp_path: Path) -> None:
    young, old = tmp_path / ".asyncrgb-7-abcdef01-0", tmp_path / ".asyncrgb-7-abcdef01-1"
    run = tmp_path / RUNS / "7-abcdef01"
    run.parent.mkdir()
    run.write_text("another machine")
    for path in (young, old):
        path.touch()
    before_long = time.time() - 2 * 24 * 3600
    os.utime(old, (before_long, before_long))
    assert len(swept(tmp_path)) == 4
    os.utime(run, (before_long, before_long))
    assert swept(tmp_path) == [young.name]


def test_two_conversions_of_a_process_share_its_file(tmp_path: Path) -> None:
    first, second = Run(str(tmp_path)), Run(str(tmp_path))
    first.enter()
    second.enter()
    first.leave()
    assert hidden(tmp_path) == [RUNS, f"{RUNS}/{Owner.name}"]
    second.leave()
    second.leave()
    assert not hidden(tmp_path)


def test_many_runs_at_once_come_and_go(tmp_path: Path) -> None:
    """Each removes the folder that others are just about to use."""
    code = (
        "import sys\nfrom asyncrgb.pipeline.storage.runs import Run\n"
        "for _ in range(300):\n"
        "    run = Run(sys.argv[1]); run.enter(); list(run.sweep())\n"
        "    assert run._fd is not None; run.leave()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert not hidden(tmp_path)


def test_without_locks_nothing_is_swept_and_all_goes_on(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die(chips, tmp_path, 3)
    left = hidden(tmp_path)
    monkeypatch.setattr(runs, "fcntl", None)
    assert len(convert(chips, tmp_path).converted) == 58
    assert hidden(tmp_path) == left


def test_where_locks_are_not_supported_all_goes_on(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", unsupported)
    assert len(convert(chips / "River", tmp_path).converted) == 6
    assert not list(tmp_path.glob(f"{RUNS}/*"))


def test_a_cancelled_run_leaves_nothing(chips: Path, tmp_path: Path) -> None:
    async def cancelled() -> None:
        async with asyncrgb.Converter(limits=ONE, executor=SerialExecutor()) as converter:
            for n in range(30):
                conversion = asyncio.ensure_future(converter.convert(chips, tmp_path, force=True))
                await asyncio.sleep(n / 2000)
                conversion.cancel()
                await asyncio.wait([conversion])

    asyncio.run(cancelled())
    assert not hidden(tmp_path)


def test_runs_with_other_options_at_the_same_time_make_all_of_it_stale(
    chips: Path, tmp_path: Path
) -> None:
    other = RenderOptions(bands=(8, 4, 3))

    def replace_record(outcome: asyncrgb.Outcome) -> None:
        if "Forest_3" in outcome.source:
            (tmp_path / ".asyncrgb.json").write_text("of another run")

    convert(chips, tmp_path, on_outcome=replace_record)
    assert not (tmp_path / ".asyncrgb.json").exists()
    assert len(convert(chips, tmp_path, options=other).converted) == 60
    assert len(convert(chips, tmp_path, options=other).up_to_date) == 60


def test_a_source_folder_that_is_the_destination_shows_no_run(chips: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(chips / "River", tmp_path / "in"))
    (source / RUNS).mkdir()
    (source / RUNS / "a.tif").touch()
    assert len(convert(source, source).outcomes) == 6
