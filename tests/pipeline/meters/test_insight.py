"""What a run says of itself: seconds, shares, and the bottleneck, which is named."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from asyncrgb import Converter, Insight, Job, Limits, RenderOptions, SerialExecutor, write_samples
from asyncrgb.pipeline.crews.level import Level, Work
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.run import running, slices
from asyncrgb.pipeline.stream import Stream
from tests.pipeline.doubles import FakeStorage, ThreadedExecutor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.conftest import Run

NOTHING = Insight(**{each.name: 0 for each in fields(Insight)})
USUAL = replace(NOTHING, seconds=10, working_seconds=9, images=1000, workers=2, reads=64, writes=64)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (NOTHING, "none: no image was rendered"),
        ({"worker_share": 0.98}, "CPU: the workers, 2 of them, were busy 98% of the time"),
        (
            {"reads_share": 0.97, "reads_in_flight": 63.4, "worker_share": 0.3},
            (
                "storage: nearly all of 64 reads were in flight 97% of the time, 63.4 on average; "
                "raise --reads"
            ),
        ),
        (
            {"reads": 1, "reads_share": 1.0, "reads_in_flight": 1.01},
            "storage: the only one of the reads took 100% of the time; raise --reads",
        ),
        (
            {"writes": 8, "writes_share": 0.6, "writes_in_flight": 7, "reads_share": 0.9},
            (
                "writing: nearly all of 8 writes were in flight 60% of the time, 7.0 on average; "
                "raise --writes"
            ),
        ),
        (
            {"loop_share": 0.9},
            "the event loop: it was busy 90% of the time; raise --shards, which have one each",
        ),
        ({"memory_share": 0.7}, "memory: no room was left 70% of the time; raise --memory"),
        (
            {"most_reads": 1, "most_writes": 1, "read_seconds": 5, "write_seconds": 4},
            "the main process: reading and writing took 100% of one thread",
        ),
        (
            {"worker_share": 0.4, "loop_share": 0.1},
            "none in particular: the workers were busy 40% of the time, the event loop 10%",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_bottleneck_is_named_in_a_sentence(
    found: dict[str, float] | Insight, sentence: str
) -> None:
    insight = found if isinstance(found, Insight) else replace(USUAL, **found)  # type: ignore[arg-type] # whole numbers are floats too
    assert insight.bottleneck == sentence
    assert insight.lines()[-1] == f"bottleneck: {sentence}"


def test_json_has_all_figures() -> None:
    read = json.loads(json.dumps(USUAL.to_dict()))
    assert read.pop("bottleneck") == USUAL.bottleneck
    assert Insight(**read) == USUAL


def test_the_lines_are_aligned() -> None:
    *lines, _ = replace(USUAL, read_seconds=12.345, most_leased=27 * 2**20).lines()
    assert len({line.index(".") for line in lines}) == 1
    assert lines[0].startswith("read           12.3")


def test_a_level_is_what_it_was_on_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("asyncrgb.pipeline.crews.level.monotonic", lambda: now[0])
    level = Level(10)
    for seconds, height in ((1, 4), (2, 9), (3, 10), (4, 0), (5, 0)):
        now[0] += seconds
        level.set(height)
    assert level.area() == 2 * 4 + 3 * 9 + 4 * 10
    assert level.at_top() == 3 + 4
    assert level.most == 10


def test_the_last_image_of_a_batch_is_taken_for_one_like_the_others() -> None:
    work = Work(2)
    work.done(5, 4.0)
    work.done(1, 0.0)
    assert (work.images, work.seconds) == (6, 6.0)


MANY = 1500  # so that the first moments, in which readers are found, weigh little


class Bench:
    """A flow on doubles, and its figures for one conversion."""

    def __init__(self, storage: FakeStorage, limits: Limits, seconds_an_image: float) -> None:
        def render(image: bytes) -> bytes:
            time.sleep(seconds_an_image)
            return image[:10]

        executor = ThreadedExecutor(lambda: self.flow._arena, render, limits.worker_count)  # noqa: SLF001 - the double of a worker attaches no memory
        self.storage = storage
        self.flow = Flow(RenderOptions(), limits, executor, storage)

    async def convert(self) -> Insight:
        before = self.flow.meter.read()
        stream = Stream(lambda *_: None)
        jobs = [Job(name, f"{name}.png") for name in self.storage.files]
        async with running(self.flow, stream, slices(jobs)):
            await stream.done()
        insight = self.flow.meter.insight(before)
        await self.flow.aclose()
        return insight


@pytest.mark.alone
@pytest.mark.parametrize(
    ("seconds", "limits", "cause"),
    [
        ((0.005, 0, 0), Limits(workers=2, reads=4), "storage: nearly all of 4 reads"),
        ((0, 0.004, 0), Limits(workers=2, writes=2), "writing: nearly all of 2 writes"),
        ((0, 0, 0.002), Limits(workers=2), "CPU: the workers, 2 of them"),
    ],
    ids=["storage", "writing", "CPU"],
)
def test_what_holds_a_run_up_is_found(
    seconds: tuple[float, float, float], limits: Limits, cause: str, run: Run
) -> None:
    reading, writing, rendering = seconds
    storage = FakeStorage({f"{n}": bytes(100) for n in range(MANY)}, reading, writing)

    async def convert() -> Insight:
        return await Bench(storage, limits, rendering).convert()

    insight: Insight = run(convert())
    assert insight.bottleneck.startswith(cause), insight.lines()
    assert insight.images == MANY
    assert insight.most_reads <= limits.reads
    assert insight.most_writes <= limits.writes
    assert insight.most_workers <= limits.worker_count
    assert insight.most_leased <= insight.memory <= limits.memory
    assert insight.read_seconds >= MANY * reading * 0.9
    assert insight.write_seconds >= MANY * writing * 0.9
    assert insight.working_seconds <= insight.seconds


def test_a_report_has_it_and_each_run_its_own(tmp_path: Path) -> None:
    chips, results = tmp_path / "chips", tmp_path / "results"
    write_samples(chips, 20)

    async def twice() -> tuple[Insight | None, Insight | None]:
        async with Converter(executor=SerialExecutor()) as converter:
            first = await converter.convert(chips, results)
            second = await converter.convert(chips, results)
        return first.insight, second.insight

    first, second = asyncio.run(twice())
    assert first is not None
    assert second is not None
    assert first.images > 0
    assert first.decode_seconds > 0
    assert first.encode_seconds > 0
    assert first.decode_seconds + first.stretch_seconds + first.encode_seconds == pytest.approx(
        first.render_seconds
    )
    assert (second.images, second.bottleneck) == (0, "none: no image was rendered")
