"""How large a batch may be, by how long images take."""

from __future__ import annotations

import pytest

from asyncrgb.pipeline.workers.pace import Pace


def settled(seconds_an_image: float, size: int, *, hurried: bool) -> int:
    pace = Pace()
    if hurried:
        pace.hurry()
    for _ in range(30):
        pace.note(10 * size, 10 * seconds_an_image)
    return pace.most_bytes // size


@pytest.mark.parametrize(
    ("seconds", "size", "images"), [(1e-4, 100_000, 500), (25e-3, 2_000_000, 2), (1, 10**8, 0)]
)
def test_a_batch_takes_some_milliseconds_whatever_its_images(
    seconds: float, size: int, images: int
) -> None:
    assert abs(settled(seconds, size, hurried=False) - images) <= 1


@pytest.mark.parametrize(
    ("seconds", "size", "images"), [(1e-4, 100_000, 120), (6e-3, 2_000_000, 2), (1, 10**8, 0)]
)
def test_batches_are_short_while_somebody_waits_for_single_images(
    seconds: float, size: int, images: int
) -> None:
    assert abs(settled(seconds, size, hurried=True) - images) <= 1


def test_batches_are_long_again_when_no_single_image_has_come_for_some_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("asyncrgb.pipeline.workers.pace.monotonic", lambda: now)
    pace = Pace()
    usual = pace.most_bytes
    pace.hurry()
    now += 4.9
    assert pace.most_bytes < usual / 3
    now += 0.2
    assert pace.most_bytes == usual


def test_what_nobody_noted_changes_nothing() -> None:
    pace = Pace()
    before = pace.most_bytes
    pace.note(0, 1)
    pace.note(0, 0)
    pace.note(1000, 0)
    assert pace.most_bytes == before > 0


def test_a_worker_that_was_held_up_gets_batches_again() -> None:
    pace = Pace()
    usual = pace.most_bytes
    for _ in range(30):
        pace.note(1000, 10)
    assert pace.most_bytes < 10, "one image at a time, of which nothing is known"
    batches = 0
    while pace.most_bytes < usual:
        pace.note(0, 0)
        batches += 1
    assert batches < 500
    assert pace.most_bytes == usual, "nobody hopes for more than what is usual"
