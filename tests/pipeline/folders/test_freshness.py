from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncrgb import FixedStretch, Job, RenderOptions
from asyncrgb.pipeline.folders.freshness import Freshness, forget_if_replaced, has_record
from asyncrgb.pipeline.storage.results import RECORD, LocalResults


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source, destination = tmp_path / "a.tif", tmp_path / "out" / "a.png"
    destination.parent.mkdir()
    source.touch()
    return Job(str(source), str(destination))


def state(job: Job, options: RenderOptions = RenderOptions()) -> Freshness:  # noqa: B008
    return Freshness.of(LocalResults(os.path.dirname(job.destination)), options)


def age(path: str, seconds: float) -> None:
    """Set the age of ``path`` to that many seconds."""
    now = os.stat(path).st_mtime
    os.utime(path, (now - seconds, now - seconds))


def test_what_is_missing_is_not_fresh(job: Job) -> None:
    assert not state(job).is_fresh(job)


def test_what_was_made_after_source_and_record_is_fresh(job: Job) -> None:
    freshness = state(job)
    Path(job.destination).touch()
    assert freshness.is_fresh(job)
    assert state(job).is_fresh(job)


def test_a_newer_source_makes_it_stale(job: Job) -> None:
    freshness = state(job)
    Path(job.destination).touch()
    age(job.source, -10)
    assert not freshness.is_fresh(job)


@pytest.mark.parametrize(
    "changed",
    [
        RenderOptions(bands=(8, 4, 3)),
        RenderOptions(stretch=FixedStretch(0, 3000)),
        RenderOptions(compress_level=9),
    ],
)
def test_other_options_make_everything_stale_and_stay_recorded(
    changed: RenderOptions, job: Job
) -> None:
    age(job.source, 30)
    state(job)
    Path(job.destination).touch()
    age(job.destination, 10)
    age(os.path.join(os.path.dirname(job.destination), RECORD), 20)
    assert state(job).is_fresh(job)
    assert not state(job, changed).is_fresh(job)
    Path(job.destination).touch()
    assert state(job, changed).is_fresh(job)
    age(job.destination, 10)
    assert not state(job).is_fresh(job), "going back is a change too"


def test_a_world_file_that_is_missing_may_never_have_been(job: Job) -> None:
    """Made again for that, what has no georeference would never be fresh; --force is for it."""
    freshness = state(job, RenderOptions(worldfile=True))
    Path(job.destination).touch()

    assert freshness.is_fresh(job)
    assert state(job, RenderOptions(worldfile=False)).anew


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_damaged_record_makes_everything_stale(text: bytes, job: Job) -> None:
    Path(job.destination).touch()
    age(job.destination, 10)
    Path(job.destination).with_name(RECORD).write_bytes(text)
    assert not state(job).is_fresh(job)


def test_only_a_new_or_changed_record_is_anew(job: Job) -> None:
    assert state(job).anew
    assert not state(job).anew
    assert state(job, RenderOptions(compress_level=2)).anew


def test_the_folder_is_made(tmp_path: Path) -> None:
    Freshness.of(LocalResults(str(tmp_path / "new" / "out")), RenderOptions())
    assert (tmp_path / "new" / "out" / RECORD).is_file()


def test_looking_writes_nothing(tmp_path: Path) -> None:
    assert Freshness.seen(LocalResults(str(tmp_path / "out")), RenderOptions()).anew
    assert not (tmp_path / "out").exists()
    Freshness.of(LocalResults(str(tmp_path / "out")), RenderOptions())
    assert not Freshness.seen(LocalResults(str(tmp_path / "out")), RenderOptions()).anew
    assert Freshness.seen(LocalResults(str(tmp_path / "out")), RenderOptions(compress_level=9)).anew


def test_a_source_that_cannot_be_seen_is_not_fresh(job: Job) -> None:
    freshness = state(job)
    Path(job.destination).touch()
    Path(job.source).unlink()
    assert not freshness.is_fresh(job), "reading it says what is wrong"
    assert freshness.sift([job]) == [job]


def test_a_record_that_another_run_has_replaced_is_forgotten(tmp_path: Path) -> None:
    mine, other = RenderOptions(), RenderOptions(compress_level=9)
    Freshness.of(LocalResults(str(tmp_path)), mine)
    forget_if_replaced(LocalResults(str(tmp_path)), mine)
    assert has_record(LocalResults(str(tmp_path)))
    Freshness.of(LocalResults(str(tmp_path)), other)
    forget_if_replaced(LocalResults(str(tmp_path)), mine)
    assert not has_record(LocalResults(str(tmp_path)))
