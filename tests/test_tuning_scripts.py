"""The scripts that measure what tuning spares and what a chip costs, on a few chips."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import asyncrgb

SCRIPTS = Path(__file__).parents[1] / "scripts"


def script(name: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, SCRIPTS / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncrgb.write_samples(tmp_path / "data", 60)
    return tmp_path / "data"


def test_the_sweep_measures_all_and_compares_a_file_with_the_best(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "tuned.toml").write_text("[limits]\nreads = 3\nworkers = 1\n")
    before = sorted(tmp_path.rglob("*"))
    printed = script(
        "sweep.py",
        data,
        tmp_path / "out",
        *("--reads", "1,4", "--workers", "1,2", "--seconds", "0.3", "--rounds", "1"),
        *("--check", tmp_path / "tuned.toml"),
    )
    rows = re.findall(r"^ *(\d+) readers +(\d+) workers +([\d,]+)$", printed, re.MULTILINE)
    assert [row[:2] for row in rows] == [("1", "1"), ("4", "1"), ("1", "2"), ("4", "2")]
    rates = [int(row[2].replace(",", "")) for row in rows]
    assert all(rates)
    assert f"best: {max(rates):,} images/s" in printed
    last = printed.splitlines()[-1]
    checked = re.search(r"tuned.toml: ([\d,]+) images/s, 3 readers, 1 workers: ([\d.]+)$", last)
    assert checked is not None, last
    share = int(checked[1].replace(",", "")) / max(rates)
    assert float(checked[2]) == pytest.approx(share, abs=0.01)
    assert sorted(tmp_path.rglob("*")) == before


def test_limits_of_a_point_are_measured_with_it(data: Path, tmp_path: Path) -> None:
    """Measured by themselves they differ by noise, and the best would not be the best."""
    usual = asyncrgb.Limits().worker_count
    (tmp_path / "tuned.toml").write_text("[limits]\nreads = 4\n")
    printed = script(
        "sweep.py",
        data,
        *("--reads", "4", "--workers", str(usual), "--seconds", "0.3", "--rounds", "1"),
        *("--check", tmp_path / "tuned.toml"),
    )
    assert re.search(
        rf"tuned.toml: [\d,]+ images/s, 4 readers, {usual} workers: 1.00$", printed.strip()
    )


def test_the_cost_model_adds_up(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvloop")
    options: list[str | Path] = [
        "--count",
        "300",
        "--rounds",
        "1",
        "--workers",
        "1",
        "--work",
        tmp_path,
    ]
    printed = script("cost_model.py", *options, "--source", data)
    costs = re.search(
        r"median: main process (\d+) in Python \+ (\d+) in the system \(event loop (\d+) of these\)"
        r", a worker (\d+); ([\d,]+) chips/s",
        printed,
    )
    assert costs is not None, printed
    python, system, loop, worker = map(int, costs.groups()[:4])
    assert python > 0
    assert worker > 0
    assert 0 < loop <= python + system + 1
    most = re.search(r"one loop: ([\d,]+) chips/s at most", printed)
    assert most is not None
    assert int(most[1].replace(",", "")) == pytest.approx(1e6 / python, rel=0.6 / python + 0.01)
    fed = re.search(r"one loop feeds ([\d.]+) workers", printed)
    assert fed is not None
    assert float(fed[1]) == pytest.approx(worker / python, rel=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
