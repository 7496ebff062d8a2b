"""Scenes: images larger than their share of the arena, drawn part by part."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import psutil
import pytest
import tifffile
import uvloop
from PIL import Image

import asyncrgb
from asyncrgb import (
    Converted,
    Converter,
    Counters,
    DecodeError,
    EncodeError,
    Failed,
    FixedStretch,
    Job,
    LimitError,
    Limits,
    PercentileStretch,
    RenderOptions,
    SceneAdvanced,
)
from asyncrgb.pipeline.background import Background
from asyncrgb.pipeline.means import Means, Threads
from asyncrgb.pipeline.memory.arena import Arena
from asyncrgb.pipeline.memory.room import Room
from asyncrgb.pipeline.scenes.scenes import Scenes
from asyncrgb.pipeline.storage.places import Places
from asyncrgb.pipeline.task import PartTask
from asyncrgb.pipeline.workers.parts import Errand
from tests.pipeline.conftest import Run
from tests.pipeline.doubles import FakeStorage
from tests.pipeline.workers.test_workers import workers
from tests.scenes import SCENES, Expected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from numpy.typing import NDArray

    from asyncrgb import Event

SMALL: Final = Limits(workers=2, memory=2**20)  # a share is 170 KiB
REST: Final = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)
GENEROUS: Final = 30  # seconds, on a busy machine
HEIGHT, WIDTH, BANDS = 300, 200, 6


def landscape(height: int = HEIGHT, width: int = WIDTH, bands: int = BANDS) -> NDArray[np.uint16]:
    """Draw something that differs everywhere, and compresses."""
    y, x, band = np.ogrid[:height, :width, :bands]
    wave = 2000 + 900 * np.sin(x / 17 + band) + 900 * np.cos(y / 23 - band) + (x * y) % 41
    return np.asarray(wave, np.uint16)


def scene(path: Path, pixels: NDArray[Any] | None = None, **how: Any) -> bytes:  # noqa: ANN401
    """Write a TIFF that is too large to be read whole; gives its bytes."""
    pixels = landscape() if pixels is None else pixels
    planar = how.get("planarconfig") == "separate"
    usual: dict[str, Any] = {"planarconfig": "contig", "rowsperstrip": 16}
    how = usual | {"photometric": "minisblack"} | how
    tifffile.imwrite(path, np.moveaxis(pixels, -1, 0) if planar else pixels, **how)
    return path.read_bytes()


KINDS: Final[dict[str, dict[str, Any]]] = {
    "strips": {},
    "one-strip": {"rowsperstrip": HEIGHT},
    "planar": {"planarconfig": "separate"},
    "tiles": {"tile": (64, 64), "rowsperstrip": None},
    "tiles-deflate": {"tile": (32, 48), "rowsperstrip": None, "compression": "deflate"},
    "planar-tiles-deflate": {
        "tile": (64, 64),
        "rowsperstrip": None,
        "planarconfig": "separate",
        "compression": "deflate",
        "predictor": True,
    },
    "bigtiff-big-endian": {"bigtiff": True, "byteorder": ">"},
}


def pixels_of(data: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def no_leftovers(folder: Path) -> bool:
    return not [path for path in folder.rglob(".asyncrgb-*") if path.is_file()]


async def converted(
    source: Path, target: Path, options: RenderOptions | None = None
) -> asyncrgb.Outcome:
    async with Converter(options or RenderOptions(), limits=SMALL) as converter:
        async with asyncio.timeout(GENEROUS):
            outcome = await converter.convert_file(source, target)
        assert converter.counters() == REST
    return outcome


@pytest.fixture
def once() -> Iterator[Run]:
    """Run coroutines on one of the event loops, where the other has nothing new to show."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop, debug=True) as runner:
        yield runner.run


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_has_the_pixels_of_the_whole_image(tmp_path: Path, run: Run, kind: str) -> None:
    data = scene(tmp_path / "a.tif", **KINDS[kind])
    target = tmp_path / "out" / "a.png"

    assert run(converted(tmp_path / "a.tif", target)) == Converted(
        str(tmp_path / "a.tif"), str(target)
    )
    assert (pixels_of(target.read_bytes()) == pixels_of(asyncrgb.render(data))).all()
    assert no_leftovers(tmp_path)


def recipe(bands: tuple[int, ...] = (6, 1, 3), **how: Any) -> RenderOptions:  # noqa: ANN401
    return RenderOptions(bands=bands, **how)


@pytest.mark.parametrize(
    "options",
    [
        recipe((5,)),
        recipe(stretch=PercentileStretch(2, 98)),
        recipe(stretch=PercentileStretch(1, 90, joint=True), gamma=1.5),
        recipe((2,), stretch=PercentileStretch(0, 100)),
        recipe(stretch=FixedStretch((0, 100, 200), (3000, 3500, 4000)), rounding="nearest"),
        recipe(nodata=1500, alpha=True),
        recipe(compress_level=0),
        recipe(compress_level=3),
        recipe(compress_level=6),
        recipe(format="jpeg"),
        recipe(format="webp", quality=100),
        recipe(max_size=100),
        recipe(max_size=77, alpha=True, nodata=1500, stretch=PercentileStretch(2, 98)),
    ],
    ids=repr,
)
def test_all_options_work_on_scenes(tmp_path: Path, once: Run, options: RenderOptions) -> None:
    data = scene(tmp_path / "a.tif", **KINDS["planar-tiles-deflate"])
    target = tmp_path / "picture"

    outcome = once(converted(tmp_path / "a.tif", target, options))

    assert isinstance(outcome, Converted), outcome
    expected = pixels_of(asyncrgb.render(data, options))
    assert (pixels_of(target.read_bytes()) == expected).all()


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_deep_pictures_and_tiffs(tmp_path: Path, once: Run, depth: int, format: str) -> None:  # noqa: A002
    options = recipe(bit_depth=depth, format=format)
    data = scene(tmp_path / "a.tif")
    target = tmp_path / f"a.{format}"

    assert isinstance(once(converted(tmp_path / "a.tif", target, options)), Converted)

    read: Callable[[bytes], Any] = (
        imagecodecs.png_decode if format == "png" else lambda d: tifffile.imread(io.BytesIO(d))
    )
    assert (read(target.read_bytes()) == read(asyncrgb.render(data, options))).all()


def test_a_picture_larger_than_a_scene_of_few_bytes_is_drawn_too(tmp_path: Path, run: Run) -> None:
    flat = np.full((2000, 1500, 3), 700, np.uint16)
    data = scene(tmp_path / "a.tif", flat, compression="deflate")
    assert len(data) < 100_000

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a.png", recipe((1, 2, 3))))

    assert isinstance(outcome, Converted), outcome
    expected = asyncrgb.render(data, recipe((1, 2, 3)))
    assert (pixels_of((tmp_path / "a.png").read_bytes()) == pixels_of(expected)).all()


def test_chips_and_scenes_share_a_run_in_the_order_of_the_input(
    tmp_path: Path, run: Run, make_chip: Callable[..., bytes]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    expected = {f"scene{n}": scene(folder / f"scene{n}.tif", bands_up(n)) for n in range(3)}
    for n in range(100):
        expected[f"chip{n}"] = make_chip(seed=n, size=32)
        (folder / f"chip{n}.tif").write_bytes(expected[f"chip{n}"])

    async def convert() -> asyncrgb.Report:
        async with Converter(limits=SMALL) as converter, asyncio.timeout(2 * GENEROUS):
            return await converter.convert(folder, tmp_path / "out")

    report = run(convert())
    assert len(report.converted) == 103
    assert [Path(each.source) for each in report.converted] == sorted(folder.iterdir())
    for name, data in expected.items():
        shown = pixels_of((tmp_path / "out" / f"{name}.png").read_bytes())
        assert (shown == pixels_of(asyncrgb.render(data))).all()
    assert no_leftovers(tmp_path)


class Holding(ThreadPoolExecutor):
    """Does nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__(1)
        self.gate = threading.Event()
        self.held = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        self.held += 1
        return super().submit(self._do, fn, *args, **kwargs)

    def _do(self, fn: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        self.gate.wait(GENEROUS)
        return fn(*args, **kwargs)


def test_workers_may_have_batches_of_uploads_scenes_and_chips_all_at_once(
    tmp_path: Path, run: Run, make_chip: Callable[..., bytes]
) -> None:
    chip = make_chip(seed=1, size=32)
    (tmp_path / "chip.tif").write_bytes(chip)
    scene(tmp_path / "scene.tif")
    names = ["scene"] * 3 + ["chip"] * 20
    jobs = [
        Job(str(tmp_path / f"{name}.tif"), str(tmp_path / f"{n}.png"))
        for n, name in enumerate(names)
    ]

    async def convert(executor: Holding) -> list[asyncrgb.Outcome]:
        limits = Limits(workers=1, memory=2**20, batch=1)
        async with (
            asyncio.timeout(2 * GENEROUS),
            Converter(limits=limits, executor=executor) as converter,
            asyncio.TaskGroup() as group,
        ):
            outcomes = group.create_task(everything(converter.convert_many(jobs)))
            while executor.held < 4:  # two of a line for one worker: of scenes and of chips
                await asyncio.sleep(0.001)
            uploads = [group.create_task(converter.render(chip)) for _ in range(4)]
            while executor.held < 6:
                await asyncio.sleep(0.001)
            executor.gate.set()
            assert await asyncio.gather(*uploads) == [asyncrgb.render(chip)] * 4
            ended = await outcomes
            assert converter.counters() == REST
        return ended

    with Holding() as executor:
        ended = run(convert(executor))
    assert [type(each) for each in ended] == [Converted] * len(jobs)


async def everything(outcomes: AsyncIterator[asyncrgb.Outcome]) -> list[asyncrgb.Outcome]:
    return [each async for each in outcomes]


def bands_up(n: int) -> NDArray[np.uint16]:
    return np.asarray(np.roll(landscape(), n, axis=-1))


@pytest.mark.parametrize(("rows", "chips"), [(4000, 50), (300, 1500)])
def test_neither_scenes_nor_chips_hold_up_the_others(
    tmp_path: Path, run: Run, make_chip: Callable[..., bytes], rows: int, chips: int
) -> None:
    scene(tmp_path / "a.tif", landscape(rows, 400))
    (tmp_path / "chip.tif").write_bytes(make_chip(seed=1, size=32))
    jobs = [Job(str(tmp_path / "a.tif"), str(tmp_path / "a.png"))]
    jobs += [Job(str(tmp_path / "chip.tif"), str(tmp_path / f"{n}.png")) for n in range(chips)]
    ended: list[str] = []

    async def convert() -> None:
        async with Converter(limits=SMALL) as converter, asyncio.timeout(2 * GENEROUS):
            async for outcome in converter.convert_many(jobs):
                assert isinstance(outcome, Converted), outcome
                ended.append(Path(outcome.source).stem)

    run(convert())
    assert len(ended) == 1 + chips
    assert ended[-1] == ("a" if rows > chips else "chip")


def test_it_says_how_far_a_scene_is(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif")
    shares: list[float] = []

    def hear(event: Event) -> None:
        if isinstance(event, SceneAdvanced):
            assert event.source == str(tmp_path / "a.tif")
            shares.append(event.share)

    async def convert() -> None:
        options = recipe(stretch=PercentileStretch(2, 98))
        async with Converter(options, limits=SMALL, on_event=hear) as converter:
            await converter.convert_file(tmp_path / "a.tif", tmp_path / "a.png")
            await asyncio.sleep(0)

    run(convert())
    assert len(shares) >= 4
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_statistics_count_scenes_too(tmp_path: Path, run: Run) -> None:
    pixels = landscape()
    scene(tmp_path / "a.tif", pixels)

    async def measure() -> asyncrgb.Statistics:
        async with Converter(limits=SMALL) as converter:
            return await converter.measure(tmp_path / "a.tif")

    statistics = run(measure())
    for band in range(BANDS):
        low, high = np.percentile(pixels[..., band], [2, 98])
        found = statistics.in_range([band + 1], 2, 98, joint=False)
        assert found == ((pytest.approx(low), pytest.approx(high)),)


def test_percentiles_of_a_dataset_of_scenes(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    one, other = landscape(), landscape() // 2
    scene(folder / "a.tif", one)
    scene(folder / "b.tif", other)
    stretch = PercentileStretch(2, 98, scope="dataset")

    async def convert() -> None:
        async with Converter(recipe((1, 2, 3), stretch=stretch), limits=SMALL) as converter:
            report = await converter.convert(folder, tmp_path / "out")
            assert len(report.converted) == 2

    run(convert())
    both = np.concatenate([one, other])[..., :3].reshape(-1, 3)
    low, high = np.percentile(both, [2, 98], axis=0)
    shown = pixels_of((tmp_path / "out" / "b.png").read_bytes())
    ratio = ((other[..., :3] - low) / (high - low)).clip(0, 1)
    assert (shown == (255 * ratio).astype(np.uint8)).all()


def test_a_black_scene_is_noticed(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", landscape() // 50)

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a.png"))

    assert isinstance(outcome, Converted)
    assert outcome.exposure is not None
    assert outcome.exposure.black > 0.9
    assert outcome.exposure.high is not None
    assert outcome.exposure.high < 100
    assert outcome.exposure.guessed == BANDS


# Faults.


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_scene_fails_and_leaves_nothing(tmp_path: Path, run: Run, kept: float) -> None:
    data = scene(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(data[: int(len(data) * kept)])

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a.png"))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DecodeError), outcome
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_a_damaged_tile_is_named(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", **KINDS["tiles-deflate"])
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        page = tif.pages.first
        start, size = page.dataoffsets[20], page.databytecounts[20]
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(start)
        file.write(bytes(size))

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a.png"))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DecodeError)
    assert "20" in str(outcome.error)
    assert str(start) in str(outcome.error)
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_what_has_no_room_is_refused_with_the_remedy(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", landscape(1200, 400), compression="lzw", rowsperstrip=1200)

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a.png"))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LimitError), outcome
    assert "--memory" in str(outcome.error)


@pytest.mark.parametrize(("format", "side"), [("webp", 16384), ("jpeg", 65536)])
def test_formats_with_a_longest_side_say_so(
    tmp_path: Path,
    run: Run,
    format: str,  # noqa: A002
    side: int,
) -> None:
    scene(tmp_path / "a.tif", np.ones((side, 8, 3), np.uint16))

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a", RenderOptions(format=format)))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, EncodeError), outcome
    assert "--max-size" in str(outcome.error)


def test_a_worker_that_dies_costs_the_scene_nothing(tmp_path: Path, run: Run) -> None:
    data = scene(tmp_path / "a.tif", landscape(3000, 400))
    killed: list[int] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, SceneAdvanced) and len(killed) < 3 and workers():
            victim = workers()[0]
            killed.append(victim.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)

    async def convert() -> asyncrgb.Outcome:
        async with Converter(limits=SMALL, on_event=kill_one) as converter:
            async with asyncio.timeout(2 * GENEROUS):
                return await converter.convert_file(tmp_path / "a.tif", tmp_path / "a.png")

    outcome = run(convert())
    assert len(killed) == 3
    assert isinstance(outcome, Converted), outcome
    shown = pixels_of((tmp_path / "a.png").read_bytes())
    assert (shown == pixels_of(asyncrgb.render(data))).all()


def test_cancelled_it_leaves_nothing_and_the_converter_goes_on(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", landscape(3000, 400))
    scene(tmp_path / "b.tif")

    async def convert() -> None:
        advanced = asyncio.Event()
        async with Converter(limits=SMALL, on_event=lambda _: advanced.set()) as converter:
            call = asyncio.ensure_future(
                converter.convert_file(tmp_path / "a.tif", tmp_path / "a.png")
            )
            await asyncio.wait_for(advanced.wait(), GENEROUS)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            async with asyncio.timeout(GENEROUS):
                outcome = await converter.convert_file(tmp_path / "b.tif", tmp_path / "b.png")
                assert isinstance(outcome, Converted)
                while converter.counters() != REST:
                    await asyncio.sleep(0.01)
                while not no_leftovers(tmp_path):
                    await asyncio.sleep(0.01)

    run(convert())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tif", "b.png", "b.tif"]


def test_closing_ends_a_scene_under_way(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", landscape(3000, 400))

    async def convert() -> None:
        advanced = asyncio.Event()
        converter = Converter(limits=SMALL, on_event=lambda _: advanced.set())
        call = asyncio.ensure_future(converter.convert_file(tmp_path / "a.tif", tmp_path / "a.png"))
        await asyncio.wait_for(advanced.wait(), GENEROUS)
        await asyncio.wait_for(converter.aclose(), GENEROUS)
        with pytest.raises(asyncrgb.AsyncRgbError):
            await call

    run(convert())
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_a_source_that_changes_meanwhile_fails(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", landscape(3000, 400))

    def touch(_: Event) -> None:
        os.utime(tmp_path / "a.tif", (1, 1))

    async def convert() -> asyncrgb.Outcome:
        async with Converter(limits=SMALL, on_event=touch) as converter:
            return await converter.convert_file(tmp_path / "a.tif", tmp_path / "a.png")

    outcome = run(convert())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, OSError)
    assert "changed" in str(outcome.error)
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_a_destination_that_cannot_be_written_fails(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif")
    (tmp_path / "file").write_bytes(b"")

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "file" / "a.png"))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, OSError)


def test_traces_add_up_the_parts(tmp_path: Path, run: Run) -> None:
    data = scene(tmp_path / "a.tif")

    async def convert() -> asyncrgb.Report:
        async with Converter(limits=SMALL) as converter:
            return await converter.convert(tmp_path / "a.tif", tmp_path / "a.png", trace=True)

    (outcome,) = run(convert()).converted
    trace = outcome.trace
    assert trace is not None
    assert 0.9 * len(data) < trace.read_bytes < 1.1 * len(data)
    assert trace.written_bytes >= (tmp_path / "a.png").stat().st_size
    assert min(trace.read_seconds, trace.render_seconds, trace.write_seconds) > 0


def test_a_source_that_is_replaced_meanwhile_fails(tmp_path: Path, run: Run) -> None:
    scene(tmp_path / "a.tif", landscape(3000, 400))
    scene(tmp_path / "b.tif")

    def put_in_place(_: Event) -> None:
        if (tmp_path / "b.tif").exists():
            (tmp_path / "b.tif").replace(tmp_path / "a.tif")

    async def convert() -> asyncrgb.Outcome:
        async with Converter(limits=SMALL, on_event=put_in_place) as converter:
            return await converter.convert_file(tmp_path / "a.tif", tmp_path / "a.png")

    outcome = run(convert())
    assert isinstance(outcome, Failed)
    assert "changed" in str(outcome.error)
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("share", [0.55, 0.8, 0.98])
def test_a_canvas_that_leaves_no_room_for_parts_is_refused(
    tmp_path: Path, run: Run, share: float
) -> None:
    width = int(share * SMALL.memory / (300 * 3 * 2))
    scene(tmp_path / "a.tif", landscape(300, width))

    outcome = run(converted(tmp_path / "a.tif", tmp_path / "a.jpg", recipe(format="jpeg")))

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LimitError)
    assert "--max-size" in str(outcome.error)


def test_canvases_and_chips_find_room_beside_each_other(
    tmp_path: Path, run: Run, make_chip: Callable[..., bytes]
) -> None:
    scene(tmp_path / "a.tif", landscape(300, 800), compression="deflate", rowsperstrip=16)
    (tmp_path / "chip.tif").write_bytes(make_chip(seed=1, size=32))
    chips = [Job(str(tmp_path / "chip.tif"), str(tmp_path / f"{n}.png")) for n in range(300)]
    scenes = [Job(str(tmp_path / "a.tif"), str(tmp_path / f"a{n}.png")) for n in range(4)]
    jobs = [*chips[:100], *scenes, *chips[100:]]
    options = RenderOptions(bands=(1, 2, 3), max_size=400)

    async def convert() -> None:
        async with Converter(options, limits=SMALL) as converter, asyncio.timeout(GENEROUS):
            async for outcome in converter.convert_many(jobs):
                assert isinstance(outcome, Converted), outcome

    run(convert())


# Every kind of scene there is, and every way in which one can be broken.


@pytest.fixture(scope="module")
def every_scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Expected]]:
    folder = tmp_path_factory.mktemp("scenes")
    return folder, {name: make(folder / f"{name}.tif") for name, make in SCENES.items()}


def test_every_scene_becomes_what_is_expected_of_it(
    tmp_path: Path, every_scene: tuple[Path, dict[str, Expected]]
) -> None:
    folder, expected = every_scene
    outcomes: dict[str, asyncrgb.Outcome] = {}
    jobs = [
        Job(str(folder / f"{name}.tif"), str(tmp_path / f"{name}.png"), each.options)
        for name, each in expected.items()
    ]

    async def convert() -> None:
        async with Converter(limits=SMALL) as converter, asyncio.timeout(4 * GENEROUS):
            async for outcome in converter.convert_many(jobs):
                outcomes[Path(outcome.source).stem] = outcome
            assert converter.counters() == REST

    asyncio.run(convert())
    for name, each in expected.items():
        outcome, target = outcomes[name], tmp_path / f"{name}.png"
        if isinstance(outcome, Failed):
            needs_room = isinstance(outcome.error, LimitError) and "--memory" in str(outcome.error)
            assert each.fits(outcome.error) or needs_room, (name, outcome)
            assert not target.exists()
        else:
            assert not each.errors, name
            data = (folder / f"{name}.tif").read_bytes()
            assert (pixels_of(target.read_bytes()) == each.picture(data)).all(), name
    assert no_leftovers(tmp_path)


def test_room_that_a_part_gives_back_is_offered_to_all_who_may_want_it(run: Run) -> None:
    """Nothing else may happen afterwards: a picture that needs more room waits for just this."""
    errand = Errand("warm", 0, (), (), None, RenderOptions(), 0)

    async def release() -> None:
        arena, poked = Arena(2**20), [0]

        def poke() -> None:
            poked.append(arena.leased)

        room = Room(lambda: False, lambda: None, arena.lease)
        means = Means(arena, Places(FakeStorage({})), Threads(1), Background(lambda _: None))
        scenes = Scenes(
            means=means,
            workers=1,
            options=RenderOptions(),
            room=room,
            end_room=room,
            send=lambda _: None,
            poke=poke,
            tell=lambda _: None,
            end=lambda _: None,
        )
        extent = arena.lease(1000)
        assert extent is not None
        task = PartTask(errand, extent, None, None, lambda: True)
        poked.clear()
        scenes.release(task)
        scenes.release(task)
        assert poked == [0], "once, after it has been given back"
        means.threads.stop()
        arena.close()

    run(release())
