"""The options of a picture on the command line, from the words to the pixels."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import asyncrgb
from asyncrgb.cli import command
from tests.cli.commands import COMMAND


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "data"
    asyncrgb.write_samples(folder, 20, seed=5)
    return folder


@pytest.fixture(scope="module")
def chip(data: Path) -> NDArray[np.uint16]:
    ms: NDArray[np.uint16] = tifffile.imread(data / "Highway" / "Highway_2.tif")
    return ms


def run(*arguments: str | Path) -> str:
    """Run the command in this process, with renderers in threads, and give what it prints."""
    words = [str(each) for each in arguments]
    done = CliRunner().invoke(command, [*words, "--executor", "thread"], standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == 0, done.output
    return str(done.output)


def run_afresh(*arguments: str | Path) -> str:
    """Run it in a process of its own, which looks at its first picture whatever came before."""
    words = [*COMMAND, *map(str, arguments), "--executor", "serial"]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def shown(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def rgb(chip: NDArray[Any], low: Any, high: Any, most: int = 255) -> NDArray[np.float64]:  # noqa: ANN401 - numbers or arrays
    scaled: NDArray[np.float64] = most * ((chip - low) / (high - low)).clip(0, 1)
    return scaled


CASES: dict[str, tuple[list[str], Any]] = {
    "a range for each band": (
        ["--scale", "0", "3000", "--scale", "100", "2000", "--scale", "5", "2750"],
        lambda ms: rgb(ms[..., [3, 2, 1]], np.array([0, 100, 5]), np.array([3000, 2000, 2750])),
    ),
    "percentiles": (
        ["--percentile", "2", "98"],
        lambda ms: rgb(ms[..., [3, 2, 1]], *np.percentile(ms[..., [3, 2, 1]], (2, 98), (0, 1))),
    ),
    "joint": (
        ["--minmax", "--joint"],
        lambda ms: rgb(ms[..., [3, 2, 1]], ms[..., 1:4].min(), ms[..., 1:4].max()),
    ),
    "gamma": (
        ["--gamma", "2"],
        lambda ms: 255 * np.sqrt((ms[..., [3, 2, 1]] / 4000).clip(0, 1)),
    ),
    "EuroSAT's own": (
        ["--preset", "eurosat-rgb"],
        lambda ms: 1 + np.floor(rgb(ms[..., [3, 2, 1]], 0, 2750, 254) + 0.5),
    ),
    "the parts of that": (
        ["--scale", "0", "2750", "--dst-range", "1", "255", "--rounding", "nearest"],
        lambda ms: 1 + np.floor(rgb(ms[..., [3, 2, 1]], 0, 2750, 254) + 0.5),
    ),
    "offset": (
        ["--offset", "-1000"],
        lambda ms: rgb(ms[..., [3, 2, 1]].astype(int) - 1000, 0, 4000),
    ),
    "grey": (["-b", "8"], lambda ms: rgb(ms[..., 7], 0, 4000)),
    "bands one by one": (
        ["-b", "8", "-b", "4", "-b", "3"],
        lambda ms: rgb(ms[..., [7, 3, 2]], 0, 4000),
    ),
    "names": (
        ["--sensor", "eurosat", "-b", "B8A,red,B03"],
        lambda ms: rgb(ms[..., [12, 3, 2]], 0, 4000),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_options_become_pixels(
    case: str, data: Path, chip: NDArray[np.uint16], tmp_path: Path
) -> None:
    options, expected = CASES[case]
    run(data, tmp_path, *options)

    picture = expected(chip).astype(np.uint8)
    np.testing.assert_array_equal(shown(tmp_path / "Highway_2.png"), picture)
    assert len(np.unique(picture)) > 20


def test_what_has_no_data_is_transparent(
    data: Path, chip: NDArray[np.uint16], tmp_path: Path
) -> None:
    value = int(chip[0, 0, 3])
    run(data, tmp_path, "-b", "4", "--nodata", str(value), "--alpha")

    grey, alpha = np.moveaxis(shown(tmp_path / "Highway_2.png"), -1, 0)
    np.testing.assert_array_equal(alpha == 0, chip[..., 3] == value)
    assert not grey[alpha == 0].any()


def test_sixteen_bits(data: Path, chip: NDArray[np.uint16], tmp_path: Path) -> None:
    run(data, tmp_path, "--bit-depth", "16", "--format", "tiff")

    picture = tifffile.imread(tmp_path / "Highway_2.tif")
    expected = rgb(chip[..., [3, 2, 1]], 0, 4000, 65535).astype(np.uint16)
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".png", "PNG"), (".jpg", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP"), (".tiff", "TIFF")],
)
def test_the_name_of_a_result_says_its_format(
    suffix: str, kind: str, data: Path, tmp_path: Path
) -> None:
    run(data / "Highway" / "Highway_2.tif", tmp_path / f"one{suffix}")

    with Image.open(tmp_path / f"one{suffix}") as image:
        assert image.format == kind


def test_a_world_file_lies_beside_the_picture(tmp_path: Path, data: Path) -> None:
    source = tmp_path / "in.tif"
    place = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 5000.0, 7000.0, 0.0), True),
    ]
    ms = tifffile.imread(data / "Highway" / "Highway_2.tif")
    tifffile.imwrite(source, ms, planarconfig="contig", photometric="minisblack", extratags=place)
    run(source, tmp_path / "out", "--worldfile", "--format", "jpeg")

    lines = (tmp_path / "out" / "in.jgw").read_text().split()
    assert [float(line) for line in lines] == [10, 0, 0, -10, 5005, 6995]


def test_pictures_without_a_world_file_are_told(tmp_path: Path, data: Path) -> None:
    placed = sum(1 for _ in data.rglob("*.tif"))
    plain = tifffile.imread(data / "Highway" / "Highway_2.tif")
    tifffile.imwrite(data / "plain.tif", plain, planarconfig="contig", photometric="minisblack")
    printed = run(data, tmp_path / "out", "--worldfile", "--layout", "tree")

    lost = placed + 1 - sum(1 for _ in (tmp_path / "out").rglob("*.pgw"))
    assert lost >= 1
    assert f"{lost} of {placed + 1} pictures got no world file" in printed
    assert "world file" not in run(data, tmp_path / "plain")


def test_statistics_of_one_dataset_stretch_another(
    data: Path, chip: NDArray[np.uint16], tmp_path: Path
) -> None:
    forest = data / "Forest"
    printed = run("stats", forest, "-o", tmp_path / "stats.json")
    assert printed.startswith("2 measured, 0 failed in ")
    run(data, tmp_path, "--stats", tmp_path / "stats.json", "--percentile", "5", "95")

    pixels = np.stack([tifffile.imread(path)[..., [3, 2, 1]] for path in forest.glob("*.tif")])
    expected = rgb(chip[..., [3, 2, 1]], *np.percentile(pixels, (5, 95), (0, 1, 2)))
    np.testing.assert_array_equal(shown(tmp_path / "Highway_2.png"), expected.astype(np.uint8))


def test_statistics_go_to_stdout_by_themselves(data: Path) -> None:
    printed = run("stats", data / "Forest", "--quiet")

    assert json.loads(printed)["images"] == 2


def test_a_black_run_says_so_and_what_would_help(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 4), "u2")
    (tmp_path / "in").mkdir()
    for name in "ab":
        tifffile.imwrite(
            tmp_path / "in" / f"{name}.tif", pixels, photometric="minisblack", planarconfig="contig"
        )
    summary, black, guess = run_afresh(tmp_path / "in", tmp_path / "out").splitlines()

    assert summary.startswith("2 converted")
    assert "nearly all black" in black
    assert "from 0 to 254" in black
    assert "--percentile 2 98" in black
    assert "4,3,2" in guess
    assert "--sensor" in guess
    better = run_afresh(tmp_path / "in", tmp_path / "out", "-b", "4,3,2", "--minmax")
    assert better.count("\n") == 1


def test_each_kind_of_image_whose_bands_are_guessed_is_told_of(tmp_path: Path) -> None:
    """However few there are of them, and wherever they come."""
    asyncrgb.write_samples(tmp_path / "in", 300, seed=1)
    pixels = np.random.default_rng(1).integers(0, 4000, (40, 40, 13), np.uint16)
    for name, bands in ("SeaLake/last", 6), ("Forest/middle", 12), ("SeaLake/River", 13):
        path, image = tmp_path / "in" / f"{name}.tif", pixels[..., :bands]
        tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig")
    told = run_afresh(tmp_path / "in", tmp_path / "out", "--verbose")
    assert "nothing says of images with 6 or 12 bands" in told


def write(path: Path, pixels: NDArray[Any], **words: Any) -> None:  # noqa: ANN401 - tifffile's
    layout = "contig" if pixels.ndim > 2 else None
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig=layout, **words)


@pytest.mark.parametrize("ways", [["--percentile", "2", "98"], ["--stats", "s.json"]])
def test_what_did_not_help_is_not_advised_again(
    ways: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((64, 64), "u2")
    pixels[:8, :8] = 5000 + np.arange(64).reshape(8, 8)
    write(Path("other.tif"), np.arange(50_000, 54_096, dtype="u2").reshape(64, 64))
    write(Path("in") / "a.tif", pixels)
    run("stats", "other.tif", "-o", "s.json")
    summary, note = run_afresh("in", "out", *ways).splitlines()

    assert summary.startswith("1 converted")
    assert "nearly all black" in note
    assert "try --percentile 2 98" not in note
    assert ("leave --stats out" if ways[0] == "--stats" else "--nodata 0") in note


def test_a_run_without_any_data_is_not_told_to_count_nan_as_data(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.tif", np.full((32, 32), np.nan, "f4"))
    _, note = run_afresh(tmp_path / "in", tmp_path / "out").splitlines()

    assert "--alpha" in note
    assert "--nodata none" not in note


@pytest.mark.parametrize("bands", [1, 3])
def test_statistics_of_pictures_are_those_of_what_they_show(bands: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(20, 900, (30, 20, bands), "u2")
    (tmp_path / "in").mkdir()
    array = pixels if bands > 1 else pixels[..., 0]
    layout = "contig" if bands > 1 else None
    tifffile.imwrite(
        tmp_path / "in" / "a.tif", array, planarconfig=layout, photometric="minisblack"
    )
    run("stats", tmp_path / "in", "-o", tmp_path / "s.json")
    run(tmp_path / "in", tmp_path, "--stats", tmp_path / "s.json")

    expected = rgb(array, *np.percentile(array, (2, 98), (0, 1)))
    np.testing.assert_array_equal(shown(tmp_path / "a.png"), expected.astype(np.uint8))


def test_statistics_of_an_unknown_sensor_need_bands(tmp_path: Path) -> None:
    pixels = np.zeros((9, 9, 6), "u2")
    tifffile.imwrite(tmp_path / "a.tif", pixels, planarconfig="contig", photometric="minisblack")
    run("stats", tmp_path / "a.tif", "-o", tmp_path / "s.json")
    words = [str(tmp_path / "a.tif"), str(tmp_path / "out"), "--stats", str(tmp_path / "s.json")]
    done = CliRunner().invoke(command, words, standalone_mode=False)

    assert "6 bands: name the --bands" in str(done.exception)


EMPTY = '{"format": "asyncrgb statistics", "version": 1, "images": 0, "bands": {}}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"II*\0\xff\xfe", "s.json: that is no file of `asyncrgb stats`"),
        (b"", "s.json: statistics: not JSON"),
        (EMPTY.encode(), "s.json: statistics of no image: make them again"),
    ],
)
def test_a_file_that_holds_no_statistics_is_named(
    content: bytes, said: str, tmp_path: Path, data: Path
) -> None:
    (tmp_path / "s.json").write_bytes(content)
    words = [str(data), str(tmp_path / "out"), "--stats", str(tmp_path / "s.json")]
    done = CliRunner().invoke(command, words, standalone_mode=False)

    assert said in str(done.exception)
    assert isinstance(done.exception, asyncrgb.OptionsError)
    assert not (tmp_path / "out").exists()


def test_the_help_says_how_a_missing_world_file_is_made_again() -> None:
    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())

    assert "--force makes again one that was deleted" in text


def test_a_composite_is_not_taken_from_an_image_with_other_bands(
    chip: NDArray[np.uint16], tmp_path: Path
) -> None:
    source = tmp_path / "four.tif"
    tifffile.imwrite(source, chip[..., :4], planarconfig="contig", photometric="minisblack")
    words: list[str | Path] = [source, tmp_path / "out", "--sensor", "naip"]
    words += ["--composite", "false-color"]
    run(*words)
    np.testing.assert_array_equal(
        shown(tmp_path / "out" / "four.png"), rgb(chip[..., [3, 0, 1]], 0, 4000).astype(np.uint8)
    )
    words[3] = "sentinel2-l2a"
    done = CliRunner().invoke(command, [str(each) for each in words], standalone_mode=False)
    assert done.return_value == 1
    assert "4" in done.output
    assert "12" in done.output
