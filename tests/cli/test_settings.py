"""``--config FILE``: limits from a file, which the command line overrules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import asyncrgb
from asyncrgb import Limits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncrgb.write_samples(tmp_path / "data", 4, seed=1)
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text('[limits]\nworkers = 1\nreads = 5\nmemory = "16M"\nbatch = 3\ntimeout = 30\n')
    return path


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asyncrgb", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def used(stderr: str) -> str:
    """Give the limits that ``--verbose`` shows."""
    found = re.search(r"Limits\(.*?\)", stderr)
    assert found is not None, stderr
    return found[0]


CONFIGURED = Limits(workers=1, reads=5, memory=2**24, batch=3, timeout=30)


@pytest.mark.parametrize("first", [True, False], ids=["ahead", "behind"])
def test_convert_takes_limits_from_a_file(
    first: bool, data: Path, config: Path, tmp_path: Path
) -> None:
    words: list[str | Path] = [data, tmp_path / "out"]
    options: list[str | Path] = ["--config", config, "-v"]
    done = command(*(options + words if first else words + options))
    assert done.returncode == 0, done.stderr
    assert used(done.stderr) == repr(CONFIGURED)
    assert done.stdout.startswith("4 converted")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--reads", "7"], Limits(workers=1, reads=7, memory=2**24, batch=3, timeout=30)),
        (["--reads=64"], Limits(workers=1, reads=64, memory=2**24, batch=3, timeout=30)),
        (["--memory", "128M"], Limits(workers=1, reads=5, batch=3, timeout=30)),
        (["--timeout", "0"], Limits(workers=1, reads=5, memory=2**24, batch=3)),
        (["--batch", "9", "--limit-bands", "20"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_line_counts_more(
    options: list[str], expected: Limits | None, data: Path, config: Path, tmp_path: Path
) -> None:
    """Also where it says what is the default anyway, such as --reads 64."""
    done = command(data, tmp_path / "out", "-v", "--config", config, *options)
    assert done.returncode == 0, done.stderr
    if expected is None:
        expected = Limits(workers=1, reads=5, memory=2**24, batch=9, timeout=30, max_bands=20)
    assert used(done.stderr) == repr(expected)


def test_stats_takes_it_too(data: Path, config: Path) -> None:
    done = command("stats", data, "--config", config, "-v")
    assert done.returncode == 0, done.stderr
    assert used(done.stderr) == repr(CONFIGURED)


@pytest.mark.parametrize("name", ["convert", "stats", "tune"])
def test_a_mistake_in_it_ends_the_run_before_it_begins(
    name: str, data: Path, config: Path, tmp_path: Path
) -> None:
    config.write_text("[limits]\nreaders = 5\n")
    words: list[str | Path] = [name, data]
    words += [tmp_path / "out"] if name != "stats" else []
    done = command(*words, "--config", config)
    assert done.returncode == 2
    assert done.stderr.startswith(f"asyncrgb: {config}: [limits] readers: no such limit: choose")
    assert not (tmp_path / "out").exists()
    assert done.stdout == ""


def test_a_file_that_is_not_there(data: Path, tmp_path: Path) -> None:
    done = command(data, tmp_path / "out", "--config", tmp_path / "none.toml")
    assert done.returncode == 2
    problem = f"{tmp_path}/none.toml: No such file or directory: check the path"
    assert done.stderr == f"asyncrgb: {problem}\n"


def test_memory_of_workers_needs_processes(data: Path, config: Path, tmp_path: Path) -> None:
    config.write_text('[limits]\nworker_memory = "512M"\n')
    done = command(data, tmp_path / "out", "--config", config, "--executor", "thread")
    assert done.returncode == 2
    assert "--worker-memory: only processes have one" in done.stderr
