"""The load test in short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from load import main
from loading.clients import Answer
from loading.table import lines

if sys.platform != "linux":
    pytest.skip("memory is looked for in /proc", allow_module_level=True)


def test_every_upload_gets_its_picture(
    chip: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chip.tif").write_bytes(chip)
    assert main(["--count=90", "--every=60", "--concurrent=8", f"--chips={tmp_path}"]) == 0
    said = capsys.readouterr().out.splitlines()
    memory = [line.split() for line in said[:4]]
    assert [line[0] for line in memory] == ["at", "workers", "60", "90"]
    assert all(float(line[-2]) > 20 for line in memory)
    assert [line.split() for line in said[5:7]] == [
        ["90", "status", "200"],
        ["0", "not", "the", "right", "picture"],
    ]


def test_more_clients_than_places_are_an_error() -> None:
    assert main(["--count=1", "--concurrent=120"]) == 1


def test_the_table_is_that_of_the_answers() -> None:
    answers = [Answer(200, milliseconds / 1000, wrong=False) for milliseconds in range(1, 1002)]
    said = "\n".join(lines([*answers[1:], Answer(503, 0.001, wrong=True)], wall=10, cpu=2))
    assert [line.split() for line in said.splitlines()] == [
        ["1,000", "status", "200"],
        ["1", "status", "503"],
        ["1", "not", "the", "right", "picture"],
        ["100", "requests/s"],
        ["0.20", "of", "a", "processor", "for", "the", "clients"],
        [],
        ["min", "1.0", "ms"],
        ["median", "501.0", "ms"],
        ["p90", "901.0", "ms"],
        ["p99", "991.0", "ms"],
        ["max", "1001.0", "ms"],
    ]
