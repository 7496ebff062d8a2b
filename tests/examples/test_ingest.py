"""The daemon, as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import asyncrgb
from tests.examples import EXAMPLES
from tests.examples.serving import SECONDS, eventually


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def move_in(folder: Path, name: str, data: bytes) -> None:
    (folder.parent / name).write_bytes(data)
    (folder.parent / name).rename(folder / name)


@contextmanager
def daemon(
    watched: Path, results: Path, end: signal.Signals = signal.SIGTERM
) -> Iterator[Callable[[str], None]]:
    """Run it; give what waits until it has said something; end it, and see that it ends well."""
    command: list[str | Path] = [sys.executable, EXAMPLES / "ingest.py", watched, results]
    log = watched.parent / "log"
    with (
        log.open("wb") as writing,
        subprocess.Popen(command, stderr=writing, cwd=watched.parent) as process,
    ):
        try:
            yield lambda words: eventually(lambda: words in log.read_text())
            process.send_signal(end)
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()
    assert "Traceback" not in log.read_text()
    assert "Warning" not in log.read_text()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_what_is_there_and_what_appears_is_converted(
    end: signal.Signals, watched: Path, results: Path, make_chip: Callable[..., bytes]
) -> None:
    chips = {f"chip_{seed}": make_chip(seed=seed) for seed in range(6)}
    first, *others = chips
    move_in(watched, f"{first}.tif", chips[first])
    with daemon(watched, results, end) as says:
        says(f"INFO {watched}/{first}.tif")
        for name in others:
            move_in(watched, f"{name}.tif", chips[name])
        eventually(lambda: len(names(results)) == len(chips))
    assert names(results) == {f"{name}.png" for name in chips}
    for name, chip in chips.items():
        assert (results / f"{name}.png").read_bytes() == asyncrgb.render(chip)


def test_a_file_that_fails_is_logged_and_stops_nobody(
    watched: Path, results: Path, chip: bytes
) -> None:
    with daemon(watched, results) as says:
        move_in(watched, "bad.tif", chip[:1000])
        says(f"ERROR {watched}/bad.tif: ")
        move_in(watched, "good.tif", chip)
        says(f"INFO {watched}/good.tif")
    assert names(results) == {"good.png"}


def test_a_file_that_is_replaced_is_converted_again(
    watched: Path, results: Path, make_chip: Callable[..., bytes]
) -> None:
    old, new = make_chip(seed=1), make_chip(seed=2)
    with daemon(watched, results) as says:
        move_in(watched, "chip.tif", old)
        says("chip.tif")
        move_in(watched, "chip.tif", new)
        eventually(lambda: (results / "chip.png").read_bytes() == asyncrgb.render(new))


def test_a_new_daemon_goes_on_where_the_last_one_stopped(
    watched: Path, results: Path, chip: bytes
) -> None:
    move_in(watched, "one.tif", chip)
    with daemon(watched, results) as says:
        says("one.tif")
    before = (results / "one.png").stat().st_mtime_ns
    move_in(watched, "two.tif", chip)
    with daemon(watched, results) as says:
        says("two.tif")
    assert names(results) == {"one.png", "two.png"}
    assert (results / "one.png").stat().st_mtime_ns == before


def test_the_end_comes_at_once_even_under_load(watched: Path, results: Path, chip: bytes) -> None:
    """More than the queue holds: what was begun is whole, and of the others there is nothing."""
    count = 10_000
    for number in range(count):
        (watched / f"{number}.tif").hardlink_to(_stored(watched.parent, chip))
    with daemon(watched, results) as says:
        says("INFO")
    expected = asyncrgb.render(chip)
    assert 0 < len(names(results)) < count
    assert {path.read_bytes() for path in results.iterdir()} == {expected}


def _stored(folder: Path, chip: bytes) -> Path:
    path = folder / "stored"
    if not path.exists():
        path.write_bytes(chip)
    return path


def test_it_says_how_it_is_used(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        EXAMPLES / "ingest.py",
        tmp_path / "none",
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: ingest.py WATCHED RESULTS")
