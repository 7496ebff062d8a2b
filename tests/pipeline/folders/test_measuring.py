"""Statistics of a whole folder, and pictures that are stretched by them."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import asyncrgb
from asyncrgb import (
    Converted,
    Converter,
    Counters,
    Failed,
    FixedStretch,
    Job,
    Limits,
    Measured,
    OptionsError,
    Outcome,
    PercentileStretch,
    RenderOptions,
    Statistics,
    UpToDate,
)
from tests.pipeline.conftest import Run

TWO = Limits(workers=2)
REST = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)
DATASET = PercentileStretch(2, 98, scope="dataset")


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 90, seed=11)
    return folder


@pytest.fixture(scope="module")
def pixels(chips: Path) -> NDArray[np.uint16]:
    """Give all pixels of all chips: (chips, 64, 64, 13)."""
    return np.stack([tifffile.imread(path) for path in sorted(chips.glob("*/*.tif"))])


def stretched(chip: NDArray[np.uint16], ranges: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Stretch bands 4, 3 and 2 as numpy would, each from its low to its high."""
    low, high = ranges
    rgb = chip[..., [3, 2, 1]]
    shown: NDArray[np.uint8] = (255 * ((rgb - low) / (high - low)).clip(0, 1)).astype(np.uint8)
    return shown


def picture(path: str) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        values: NDArray[np.uint8] = np.asarray(image)
    return values


def test_the_percentiles_of_a_dataset_are_those_of_all_its_pixels(
    chips: Path, pixels: NDArray[np.uint16], tmp_path: Path, run: Run
) -> None:
    seen: list[Outcome] = []
    report = run(
        asyncrgb.convert(
            chips, tmp_path, RenderOptions(stretch=DATASET), limits=TWO, on_outcome=seen.append
        )
    )

    ranges = np.percentile(pixels[..., [3, 2, 1]], (2, 98), axis=(0, 1, 2))
    assert len(report.converted) == 90
    for outcome in report.converted:
        chip = tifffile.imread(outcome.source)
        np.testing.assert_array_equal(picture(outcome.destination), stretched(chip, ranges))
    assert [type(outcome) for outcome in seen] == [Measured] * 90 + [Converted] * 90
    assert {outcome.source for outcome in seen[:90]} == {outcome.source for outcome in seen[90:]}


def test_joint_percentiles_are_those_of_all_bands_that_are_shown(
    chips: Path, pixels: NDArray[np.uint16], tmp_path: Path, run: Run
) -> None:
    joint = PercentileStretch(1, 99, scope="dataset", joint=True)
    report = run(asyncrgb.convert(chips, tmp_path, RenderOptions(stretch=joint), limits=TWO))

    ranges = np.percentile(pixels[..., [3, 2, 1]], (1, 99))
    for outcome in report.converted[::10]:
        chip = tifffile.imread(outcome.source)
        np.testing.assert_array_equal(picture(outcome.destination), stretched(chip, ranges))


def test_a_dataset_stays_up_to_date_until_its_percentiles_change(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    source, options = tmp_path / "in", RenderOptions(stretch=DATASET)
    source.mkdir()
    for path in sorted(chips.glob("*/*.tif"))[:5]:
        os.link(path, source / path.name)

    def kinds() -> set[type]:
        report = run(asyncrgb.convert(source, tmp_path / "out", options, limits=TWO))
        return {type(outcome) for outcome in report.outcomes}

    assert [kinds(), kinds()] == [{Converted}, {UpToDate}]
    tifffile.imwrite(
        source / "bright.tif", np.full((64, 64, 13), 9000, "u2"), planarconfig="contig"
    )
    assert kinds() == {Converted}, "all of them: the range is another"


@pytest.mark.parametrize("executor", ["own", "threads"])
def test_statistics_of_a_folder_are_numpys(
    executor: str, chips: Path, pixels: NDArray[np.uint16], run: Run
) -> None:
    threads = ThreadPoolExecutor(2)
    given = threads if executor == "threads" else None
    statistics: Statistics = run(asyncrgb.measure(chips, limits=TWO, executor=given))
    threads.shutdown()

    assert statistics.images == 90
    assert list(statistics.bands) == list(range(1, 14))
    for band, histogram in statistics.bands.items():
        values = pixels[..., band - 1]
        assert (histogram.minimum, histogram.maximum) == (int(values.min()), int(values.max()))
        assert histogram.percentiles((0.5, 50, 98)) == tuple(np.percentile(values, (0.5, 50, 98)))


def test_statistics_say_what_failed_and_count_the_rest(
    chips: Path, tmp_path: Path, run: Run
) -> None:
    for path in sorted(chips.glob("River/*.tif")):
        os.link(path, tmp_path / path.name)
    (tmp_path / "text.tif").write_text("no picture")
    seen: list[Outcome] = []
    statistics = run(asyncrgb.measure(tmp_path, limits=TWO, on_outcome=seen.append))

    failed = [outcome for outcome in seen if isinstance(outcome, Failed)]
    assert [os.path.basename(outcome.source) for outcome in failed] == ["text.tif"]
    assert statistics.images == len(seen) - 1 == 9


def test_what_fails_is_reported_once(chips: Path, tmp_path: Path, run: Run) -> None:
    source = tmp_path / "in"
    source.mkdir()
    os.link(next(chips.glob("River/*.tif")), source / "good.tif")
    (source / "bad.tif").write_text("no picture")
    seen: list[Outcome] = []
    options = RenderOptions(stretch=DATASET)
    run(asyncrgb.convert(source, tmp_path / "out", options, limits=TWO, on_outcome=seen.append))

    assert sorted(type(outcome).__name__ for outcome in seen) == ["Converted", "Failed", "Measured"]


def test_values_stand_for_what_the_options_say(
    chips: Path, pixels: NDArray[np.uint16], run: Run
) -> None:
    options = RenderOptions(offset=-1000, nodata=1200)
    statistics: Statistics = run(asyncrgb.measure(chips, options, limits=TWO))

    values = pixels[..., 3].astype(int)
    expected = values[values != 1200] - 1000
    assert statistics.bands[4].count == expected.size < values.size
    assert statistics.bands[4].percentiles([2]) == (np.percentile(expected, 2),)


def test_two_measurements_at_once_do_not_mix(chips: Path, run: Run) -> None:
    async def both() -> tuple[Statistics, Statistics]:
        async with Converter(limits=TWO) as converter:
            return await asyncio.gather(
                converter.measure(chips / "River"), converter.measure(chips / "SeaLake")
            )

    river, lake = run(both())
    assert (river.images, lake.images) == (9, 9)
    assert river.bands[8].maximum > lake.bands[8].maximum


def test_a_worker_that_dies_costs_no_statistics(chips: Path, run: Run) -> None:
    async def measured() -> tuple[Statistics, Counters]:
        killed: list[int] = []

        def kill(_: Outcome) -> None:
            if killed:
                return
            for each in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # others come and go
                    if each.nice() > 0:
                        each.send_signal(signal.SIGKILL)
                        killed.append(each.pid)
                        return

        async with Converter(limits=Limits(workers=2, batch=8)) as converter:
            statistics = await converter.measure(chips, on_outcome=kill)
            assert killed
            return statistics, converter.counters()

    statistics, counters = run(measured())
    assert statistics.images == 90
    assert counters == REST


def test_one_image_is_no_dataset(chips: Path, tmp_path: Path, run: Run) -> None:
    chip = next(chips.glob("River/*.tif"))
    options = RenderOptions(stretch=DATASET)

    async def rendered() -> Outcome:
        async with Converter(options, limits=TWO) as converter:
            with pytest.raises(OptionsError, match="percentiles of a dataset"):
                await converter.render(chip.read_bytes())
            (outcome,) = [
                each async for each in converter.convert_many([Job(str(chip), str(tmp_path / "x"))])
            ]
            return outcome

    outcome = run(rendered())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, OptionsError)


def test_statistics_of_nothing_are_an_error(tmp_path: Path, run: Run) -> None:
    with pytest.raises(OptionsError, match=r"no \.tif"):
        run(asyncrgb.measure(tmp_path))


def test_statistics_give_a_stretch_for_other_images(
    chips: Path, pixels: NDArray[np.uint16], run: Run
) -> None:
    statistics: Statistics = run(asyncrgb.measure(chips, limits=TWO))
    stretch = Statistics.from_json(statistics.to_json()).stretch(PercentileStretch(), (4, 3, 2))

    lows, highs = np.percentile(pixels[..., [3, 2, 1]], (2, 98), axis=(0, 1, 2))
    assert stretch == FixedStretch(tuple(lows), tuple(highs))


def test_grey_and_coloured_pictures_have_no_range_in_common(tmp_path: Path, run: Run) -> None:
    source = tmp_path / "in"
    source.mkdir()
    pixels = np.random.default_rng(0).integers(0, 3000, (16, 16, 3), "u2")
    tifffile.imwrite(source / "rgb.tif", pixels, photometric="rgb")
    tifffile.imwrite(source / "grey.tif", pixels[..., 0], photometric="minisblack")

    with pytest.raises(OptionsError, match="grey pictures and coloured ones"):
        run(asyncrgb.convert(source, tmp_path / "out", RenderOptions(stretch=DATASET), limits=TWO))
    assert not (tmp_path / "out").exists()
    joint = RenderOptions(stretch=PercentileStretch(scope="dataset", joint=True))
    assert len(run(asyncrgb.convert(source, tmp_path / "out", joint, limits=TWO)).converted) == 2


def test_grey_pictures_have_a_range(tmp_path: Path, run: Run) -> None:
    pixels = np.random.default_rng(0).integers(0, 3000, (16, 16), "u2")
    tifffile.imwrite(tmp_path / "grey.tif", pixels, photometric="minisblack")
    report = run(asyncrgb.convert(tmp_path, tmp_path / "o", RenderOptions(stretch=DATASET)))

    low, high = np.percentile(pixels, (2, 98))
    expected = (255 * ((pixels - low) / (high - low)).clip(0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(picture(report.converted[0].destination), expected)
