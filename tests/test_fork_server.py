"""The parent of the workers begins to load before the command does, and never outlives it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from asyncrgb import write_samples
from asyncrgb.__main__ import _will_convert
from tests.cli.commands import running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{}", "out"], True),
        (["convert", "{}", "out"], True),
        (["{}", "out", "--workers", "2", "--percentile", "2", "98"], True),
        ([], False),
        (["--help"], False),
        (["--version"], False),
        (["{}"], False),
        (["info", "{}"], False),
        (["sample", "{}", "--count", "3"], False),
        (["nowhere", "out"], False),
        (["{}", "out", "--help"], False),
        (["{}", "out", "--dry-run"], False),
        (["{}", "out", "--executor=thread"], False),
        (["{}", "out", "--shards", "2"], False),
        (["{}", "out", "--dask", "local"], False),
    ],
)
def test_who_looks_as_if_images_were_rendered(
    arguments: list[str], expected: bool, tmp_path: Path
) -> None:
    assert _will_convert([each.format(tmp_path) for each in arguments]) is expected


@pytest.mark.parametrize("wrong", [["--workers", "none"], ["--layout", "heap"]])
def test_a_guess_in_vain_leaves_nothing(wrong: list[str], tmp_path: Path) -> None:
    with running(tmp_path, tmp_path / "out", *wrong) as run:
        while run.process.poll() is None:
            run.note_family()
        run.finish()
    assert run.process.returncode == 2
    assert run.family, "nothing had been started"
    assert not run.orphans()


HOST = """
import sys
import threading
from multiprocessing import forkserver, get_context
from asyncrgb.cli import main

def start_one():
    process = get_context("forkserver").Process(target=print, args=["alive"])
    process.start()
    process.join()
    assert process.exitcode == 0

if __name__ == "__main__":
    source, target, before = sys.argv[1:]
    if before:
        start_one()
    server = forkserver._forkserver._forkserver_pid
    try:
        main([source, target, "--workers", "1"])
    except SystemExit as end:
        assert end.code == 0
    start_one()
    assert threading.active_count() == 1
    assert server in (None, forkserver._forkserver._forkserver_pid)
"""


@pytest.mark.parametrize("before", ["", "before"])
def test_a_host_keeps_its_fork_server_and_no_thread_of_ours(before: str, tmp_path: Path) -> None:
    write_samples(tmp_path / "data", 3, seed=1)
    script = tmp_path / "host.py"
    script.write_text(HOST, encoding="utf-8")
    line = [sys.executable, *map(str, (script, tmp_path / "data", tmp_path / "out", before))]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("alive") == 1 + bool(before)
    assert "3 converted" in done.stdout
