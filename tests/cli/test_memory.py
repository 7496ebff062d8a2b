"""Memory is a promise: that of all processes together stays below what the README says."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import asyncrgb
from tests.cli.commands import pictures, running

CHIPS = 1500

# the formula of the README, in bytes
PROGRAM = 60e6
WORKER = 12e6
SHARD = 30e6
OUTCOME = 300

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells shares of memory")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips") / "data"
    asyncrgb.write_samples(folder, CHIPS, seed=7)
    return folder


def tree_bytes(pid: int) -> int:
    """Add up the proportional set sizes of a process and all below it."""
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


@pytest.mark.parametrize(
    ("mebibytes", "workers", "shards"),
    [
        *[
            (1, 1, 1),
            (1, 3, 1),
            (8, 1, 1),
            (8, 3, 1),
            (32, 1, 1),
            (32, 3, 1),
            (128, 1, 1),
            (128, 3, 1),
        ],
        *[(2, 2, 2), (8, 4, 2), (32, 3, 3)],
    ],
)
def test_all_processes_together_stay_below_the_formula(
    mebibytes: int, workers: int, shards: int, data: Path, tmp_path: Path
) -> None:
    out, peak = tmp_path / "out", 0
    limits = f"--memory {mebibytes}M --workers {workers} --shards {shards}"
    with running(data, out, *limits.split()) as run:
        while run.process.poll() is None:
            peak = max(peak, tree_bytes(run.process.pid))
        run.finish()
    assert run.process.returncode == 0, run.stderr
    assert run.counted() == pictures(out) == CHIPS
    assert peak > 30e6, "it was not looked at"
    most = PROGRAM + mebibytes * 2**20 + workers * WORKER + CHIPS * OUTCOME
    assert peak < most + (shards * SHARD if shards > 1 else 0)
