"""The parent of the workers begins to load before the command does, and never outlives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
