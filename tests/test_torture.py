"""The fault tests in short; in full they are ``scripts/torture``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPTS = Path(__file__).parents[1] / "scripts"
if sys.platform != "linux":
    pytest.skip("processes are looked for in /proc", allow_module_level=True)
sys.path.append(str(SCRIPTS))

from torture import RIGS  # noqa: E402 - found there
from torturing import looking  # noqa: E402 - the same
from torturing.bench import Bench, Row  # noqa: E402 - the same
from torturing.table import table  # noqa: E402 - the same


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("torture"), count=300, tries=2, mutants=150, seed=1)


@pytest.mark.parametrize("name", RIGS)
def test_nothing_is_lost(name: str, bench: Bench) -> None:
    row = RIGS[name](bench)
    if row.remarks.startswith("skipped"):
        pytest.skip(row.remarks)
    assert row.lost == []
    assert row.orphaned == 0


def test_what_is_not_whole_or_not_right_is_noticed(tmp_path: Path) -> None:
    for name, grey in (("cut", 1), ("good", 2), ("wrong", 3)):
        Image.new("L", (64, 64), grey).save(tmp_path / f"{name}.png")
    right = looking.tree(tmp_path)
    assert looking.differences(tmp_path, right) == []
    (tmp_path / "cut.png").write_bytes(right["cut.png"][:-20])
    Image.new("L", (64, 64), 4).save(tmp_path / "wrong.png")
    (tmp_path / ".asyncrgb-runs").mkdir()
    cut, wrong = looking.faults(tmp_path, right)
    assert "cut.png" in cut
    assert "has no end" in cut
    assert "wrong.png is not that of the undisturbed run" in wrong
    found = looking.differences(tmp_path, {**right, "gone.png": b""})
    assert [line.split(maxsplit=1)[0] for line in found] == [
        "gone.png",
        "cut.png",
        "wrong.png",
        ".asyncrgb-runs",
    ]


def test_the_table_is_aligned() -> None:
    row = Row("flood", 1200, ["a line"], 3, 4.56, "wet")
    assert table([row]).splitlines() == [
        "fault  tries  lost  orphaned  seconds  remarks",
        "flood  1,200     1         3      4.6  wet",
    ]
