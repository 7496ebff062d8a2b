"""A trial: what it counts, on real chips and on outcomes that come as they like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import asyncrgb
from asyncrgb import Converted, DecodeError, Limits, RenderOptions, Trace
from asyncrgb.tuning import trial as module
from asyncrgb.tuning.sample import Cache, Sample
from asyncrgb.tuning.trial import Figures, Terms, chip, trial
from asyncrgb.tuning.usage import tree_bytes, tree_seconds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def terms(sample: Sample, seconds: float, wanted: Callable[[], bool] = lambda: True) -> Terms:
    return Terms(RenderOptions(), sample, seconds, 4000, chip(), wanted)


def counted(
    arrivals: Iterable[tuple[float, int]], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> Figures:
    """Let so many outcomes arrive at once, so many seconds after the start."""
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    tally = module._Tally(terms(Sample(["a"], 1), seconds))  # noqa: SLF001 - the part that counts
    goes_on = True
    for at, count in arrivals:
        for _ in range(count):
            if goes_on:
                clock.now = max(clock.now + 1e-6, 100.0 + at)
                trace = Trace(read_seconds=0.5, render_seconds=0.01, write_seconds=0.02)
                goes_on = tally.goes_on_after(Converted("a", "b", trace=trace))
    assert not goes_on, "it never came to an end"
    return tally.figures(1.0, None)


def test_bursts_count_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 reads that all take 0.1 s: 640 a second, however the moments of begin and end fall."""
    figures = counted([(0.1 * number, 64) for number in range(1, 40)], 1.0, monkeypatch)
    assert figures.rate == pytest.approx(640, rel=0.01)
    assert figures.reads == pytest.approx(320, rel=0.01)
    assert figures.renders == pytest.approx(6.4, rel=0.01)
    assert figures.writes == pytest.approx(12.8, rel=0.01)


def test_one_late_burst_is_not_two_images(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = counted([(1.3 * number, 32) for number in range(1, 10)], 1.0, monkeypatch)
    assert figures.rate == pytest.approx(32 / 1.3, rel=0.01)


def test_a_steady_stream_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals = [(number / 2500, 1) for number in range(1, 4000)]
    assert counted(arrivals, 1.0, monkeypatch).rate == pytest.approx(2500, rel=0.05)


def test_the_ramp_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [(0.01 * number, 1) for number in range(1, 40)]
    fast = [(0.4 + 0.01 * number, 10) for number in range(300)]
    figures = counted([*slow, *fast], 1.0, monkeypatch)
    assert figures.rate == pytest.approx(1000, rel=0.03)


def test_few_large_images_count_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = counted([(3.0 * number, 1) for number in range(1, 10)], 1.0, monkeypatch)
    assert figures.rate == pytest.approx(1 / 3, rel=0.5)


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    return [str(path) for path in asyncrgb.write_samples(tmp_path / "data", 40)]


def test_real_chips_are_converted_and_counted(data: list[str], tmp_path: Path) -> None:
    limits = Limits(workers=1, reads=2)
    figures = asyncio.run(trial(terms(Sample(data, 40), 0.3), limits, str(tmp_path / "out")))
    results = list((tmp_path / "out").iterdir())
    assert figures.rate > 0
    assert figures.images <= len(results)
    assert figures.failed == 0
    assert 0 < figures.reads <= 2.1
    assert 0 < figures.renders <= 1.1
    assert results[0].read_bytes().startswith(b"\x89PNG")
    assert figures.written >= figures.images * min(path.stat().st_size for path in results)


def test_a_sample_that_ends_ends_the_trial(data: list[str], tmp_path: Path) -> None:
    sample = Sample(data, 40)
    sample.cache = Cache.DROPPED
    figures = asyncio.run(trial(terms(sample, 1000), Limits(workers=1), str(tmp_path / "out")))
    assert figures.images == 40
    assert figures.rate > 0


def test_nobody_has_to_wait_for_the_end(data: list[str], tmp_path: Path) -> None:
    wanted = iter([True] * 5 + [False] * 1000)
    its = terms(Sample(data, 40), 1000, lambda: next(wanted))
    assert asyncio.run(trial(its, Limits(workers=1), str(tmp_path / "out"))).images == 6


def test_files_that_fail_are_counted_apart(data: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(b"nothing")
    sample = Sample([*data[:3], str(tmp_path / "bad.tif")], 4)
    limits = Limits(workers=1, reads=1, batch=4)
    figures = asyncio.run(trial(terms(sample, 0.3), limits, str(tmp_path / "out")))
    assert figures.images > 0
    under_way = 30  # at most: files that fail are quicker than the others
    assert 0 < figures.failed < (figures.images + figures.failed + under_way) / 4


def test_if_all_fail_the_first_error_is_raised(tmp_path: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(b"nothing")
    its = terms(Sample([str(tmp_path / "bad.tif")], 1), 0.3)
    with pytest.raises(DecodeError):
        asyncio.run(trial(its, Limits(workers=1), str(tmp_path / "out")))


def test_memory_and_time_of_the_tree() -> None:
    before = tree_seconds()
    block = bytearray(range(256)) * 2**18  # 64 MB
    memory = tree_bytes()
    assert memory is not None
    assert memory > len(block)
    del block
    assert sum(range(10**6)) > 0
    while tree_seconds() == before:  # it is counted in hundredths of a second
        assert sum(range(10**5)) > 0
    assert 0 < tree_seconds() - before < 60
