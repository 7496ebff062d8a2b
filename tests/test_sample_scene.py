"""Scenes are read by rasterio and tifffile, and measured against those in ../shared/data."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from asyncrgb import OptionsError, write_scene
from asyncrgb.sample.pyramid import halved

WIDTH, HEIGHT = 281, 262
REAL = "scenes/s2_l1c_13band_1947x1933_planar_tiled_deflate.tif"
BANDS_10M, BANDS_20M, BANDS_60M = (1, 2, 3, 7), (4, 5, 6, 10, 11, 12), (0, 8, 9)

FORMS: dict[str, dict[str, Any]] = {
    "chunky tiles": {},
    "planar tiles": {"planar": True},
    "small tiles": {"block": 64, "compression": "lzw"},
    "raw tiles": {"compression": "none", "block": 112},
    "raw rows": {"tiled": False, "compression": "none"},
    "strips": {"tiled": False, "compression": "zstd", "block": 7},
    "planar strips": {"tiled": False, "planar": True},
    "raw planar strips": {"tiled": False, "planar": True, "compression": "none"},
    "one strip": {"tiled": False, "block": HEIGHT},
    "a strip beyond the edge": {"tiled": False, "block": 1000},
}

Pixels = NDArray[Any]


def pixels_of(path: str | Path, level: int = 0) -> Pixels:
    """Read a page with tifffile: (height, width, bands)."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[level].aspage()
        pixels: Pixels = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            return np.moveaxis(pixels, 0, -1)
        return pixels


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    path = tmp_path_factory.mktemp("plain") / "scene.tif"
    return pixels_of(write_scene(path, WIDTH, HEIGHT, seed=3))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    path = tmp_path_factory.mktemp("large") / "scene.tif"
    return pixels_of(write_scene(path, 1200, 1000, compression="none"))


# ---- forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_pixels(form: str, plain: Pixels, tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", WIDTH, HEIGHT, seed=3, **FORMS[form])
    np.testing.assert_array_equal(pixels_of(path), plain)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_what_was_asked_for(form: str, tmp_path: Path) -> None:
    asked = FORMS[form]
    path = write_scene(tmp_path / "scene.tif", WIDTH, HEIGHT, bands=4, **asked)
    compression = {"none": 1, "lzw": 5, "deflate": 8, "zstd": 50000}
    with tifffile.TiffFile(path) as file:
        assert not file.is_bigtiff
        page = file.pages.first
        assert len(file.pages) == 1
        assert page.is_tiled == asked.get("tiled", True)
        assert page.planarconfig == (2 if asked.get("planar") else 1)
        assert page.compression == compression[asked.get("compression", "deflate")]
        assert page.predictor == (1 if page.compression == 1 else 2)
        block = asked.get("block", 256 if page.is_tiled else None)
        if page.is_tiled:
            assert (page.tilelength, page.tilewidth) == (block, block)
        elif block is not None:
            assert page.rowsperstrip == min(block, HEIGHT)
        else:
            samples = 1 if asked.get("planar") else 4
            assert page.rowsperstrip == 8192 // (2 * samples * WIDTH)


@pytest.mark.parametrize("bands", [1, 2, 4, 13])
@pytest.mark.parametrize("planar", [False, True])
def test_fewer_bands_are_the_first_ones(
    bands: int, planar: bool, plain: Pixels, tmp_path: Path
) -> None:
    path = write_scene(tmp_path / "a.tif", WIDTH, HEIGHT, seed=3, bands=bands, planar=planar)
    pixels = pixels_of(path)
    np.testing.assert_array_equal(pixels.reshape(HEIGHT, WIDTH, bands), plain[..., :bands])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 700), (700, 1), (257, 255)])
def test_any_size(width: int, height: int, tmp_path: Path) -> None:
    for number, tiled in enumerate((True, False)):
        path = write_scene(tmp_path / f"{number}.tif", width, height, tiled=tiled)
        assert pixels_of(path).shape == (height, width, 13)


def test_rasterio_sees_the_same_pixels_and_the_place(plain: Pixels, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    for form in ("chunky tiles", "planar tiles", "raw rows", "strips"):
        path = write_scene(tmp_path / "scene.tif", WIDTH, HEIGHT, seed=3, **FORMS[form])
        with rasterio.open(path) as scene:
            np.testing.assert_array_equal(np.moveaxis(scene.read(), 0, -1), plain)
            assert scene.crs.to_epsg() == 32632
            assert scene.transform[:6] == (10, 0, 399_960, 0, -10, 5_300_040)
            assert scene.nodata is None
            assert "synthetic scene" in scene.tags()["origin"]


def test_a_large_file_is_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncrgb.sample.writing._CLASSIC_BYTES", 600 * 600 * 13 * 2)
    for number, (overviews, is_big) in enumerate(((False, False), (True, True))):
        path = write_scene(tmp_path / f"{number}.tif", 600, 600, overviews=overviews)
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff == is_big


# ---- overviews and no data ---------------------------------------------------------------


def averaged(pixels: Pixels) -> Pixels:
    """Average two by two in a way of its own: sums of what is there, by padding with nan."""
    height, width, bands = pixels.shape
    values = np.full((height + height % 2, width + width % 2, bands), np.nan)
    values[:height, :width] = np.where(pixels == 0, np.nan, pixels)
    fours = np.stack([values[top::2, left::2] for top in (0, 1) for left in (0, 1)])
    known = ~np.isnan(fours)
    count = known.sum(0)
    means = np.where(known, fours, 0).sum(0) / np.maximum(count, 1)
    return np.where(count == 0, 0, np.floor(means + 0.5)).astype(np.uint16)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("nodata", [False, True])
@pytest.mark.parametrize("block", [64, 256])
def test_overviews_are_exact_averages(
    planar: bool, nodata: bool, block: int, tmp_path: Path
) -> None:
    path = write_scene(
        tmp_path / "scene.tif",
        1031,
        311,
        bands=3,
        planar=planar,
        nodata=nodata,
        block=block,
        overviews=True,
    )
    levels = [pixels_of(path, level) for level in range(3)]
    assert [level.shape for level in levels] == [(311, 1031, 3), (156, 516, 3), (78, 258, 3)]
    for below, above in pairwise(levels):
        np.testing.assert_array_equal(above, averaged(below))


def test_rasterio_finds_the_overviews(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = write_scene(tmp_path / "scene.tif", 1303, 1111, bands=2, nodata=True, overviews=True)
    with rasterio.open(path) as scene:
        assert scene.overviews(1) == [2, 4]
        assert scene.overviews(2) == [2, 4]
        small = scene.read(2, out_shape=(278, 326))
    np.testing.assert_array_equal(small, pixels_of(path, 2)[..., 1])
    with rasterio.open(path, overview_level=1) as scene:
        assert (scene.height, scene.width) == (278, 326)
        assert scene.nodata == 0


def test_a_small_scene_has_no_overviews(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", 512, 300, bands=1, overviews=True)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1


def test_halves_round_to_the_nearest_and_leave_out_no_data() -> None:
    tile = np.array([[1, 2, 0, 0], [2, 2, 0, 5], [9, 9, 7, 7], [9, 9, 8, 8]], np.uint16)
    half = halved(tile[..., None], 4, 4)[..., 0]
    np.testing.assert_array_equal(half, [[2, 5], [9, 8]])
    np.testing.assert_array_equal(halved(tile[..., None], 3, 3)[..., 0], [[2, 0], [9, 7]])


def test_no_data_is_a_slanted_edge_in_all_bands(plain: Pixels, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    path = write_scene(tmp_path / "scene.tif", WIDTH, HEIGHT, seed=3, nodata=True)
    with rasterio.open(path) as scene:
        assert scene.nodata == 0
        known = scene.dataset_mask() == 255
    pixels = pixels_of(path)
    assert 0.02 < 1 - known.mean() < 0.3
    assert len({row.sum() for row in known}) > 50
    np.testing.assert_array_equal((pixels != 0).all(2), known)
    np.testing.assert_array_equal((pixels != 0).any(2), known)
    np.testing.assert_array_equal(pixels[known], plain[known])
    assert plain.min() >= 1
    assert plain.max() <= 10_000


# ---- the land ----------------------------------------------------------------------------


def test_the_same_arguments_give_the_same_file(tmp_path: Path) -> None:
    paths = [write_scene(tmp_path / f"{n}.tif", 300, 200, overviews=True) for n in range(2)]
    one, other = (Path(path).read_bytes() for path in paths)
    assert one == other


def test_another_seed_gives_another_landscape(tmp_path: Path) -> None:
    seen = {
        pixels_of(write_scene(tmp_path / f"{seed}.tif", 90, 80, seed=seed)).tobytes()
        for seed in (0, 1, 2**70)
    }
    assert len(seen) == 3


@pytest.mark.parametrize("band", range(13))
def test_a_band_keeps_the_pixels_of_its_sensor(band: int, large: Pixels) -> None:
    pitch = 1 if band in BANDS_10M else 2 if band in BANDS_20M else 6
    plane = large[:996, :1200, band]
    coarse = plane[::pitch, ::pitch]
    np.testing.assert_array_equal(coarse.repeat(pitch, 0).repeat(pitch, 1), plane)
    assert (coarse[1:] != coarse[:-1]).mean() > 0.4


def test_no_seam_lies_between_blocks(large: Pixels) -> None:
    plane = large[..., 3].astype(int)
    steps = abs(np.diff(plane, axis=1)).mean(0)
    seams = steps[255::256]
    assert seams.max() < 1.5 * np.median(steps)


def test_nothing_repeats(large: Pixels) -> None:
    rows = {row.tobytes() for row in large[..., 7]}
    assert len(rows) == len(large)
    plane = large[..., 7].astype(float) - large[..., 7].mean()
    for lag in (251, 277, 502, 554):
        alike = (plane[:, lag:] * plane[:, :-lag]).mean() / plane.var()
        assert alike < 0.6, lag


def deflated(plane: Pixels) -> float:
    """Ratio of compression in tiles of 256 with the horizontal predictor."""
    tiles = [
        plane[top : top + 256, left : left + 256]
        for top in range(0, plane.shape[0] - 255, 256)
        for left in range(0, plane.shape[1] - 255, 256)
    ]
    steps = [np.diff(tile, axis=1, prepend=np.zeros_like(tile[:, :1])) for tile in tiles]
    return 2 * 256**2 * len(tiles) / sum(len(zlib.compress(tile.tobytes())) for tile in steps)


@pytest.mark.parametrize(
    ("bands", "ratio"),
    [((1,), 1.65), ((2,), 1.59), ((3,), 1.52), ((7,), 1.32), (BANDS_20M, 4.16), ((0, 8), 25.7)],
)
def test_it_compresses_as_a_real_scene_does(
    bands: tuple[int, ...], ratio: float, large: Pixels, data_folder: Path
) -> None:
    real = pixels_of(data_folder / REAL)
    assert np.mean([deflated(real[:1024, :1024, band]) for band in bands]) == pytest.approx(
        ratio, rel=0.03
    )
    made = np.mean([deflated(large[..., band]) for band in bands])
    assert made == pytest.approx(ratio, rel=0.2)


# ---- the file ----------------------------------------------------------------------------


def test_progress_counts_the_blocks(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = tmp_path / "scene.tif"
    write_scene(path, 300, 200, bands=2, planar=True, on_block=lambda *counts: told.append(counts))
    assert told == [(number, 4) for number in range(1, 5)]


def test_the_folder_is_made_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "scene.tif"
    assert write_scene(path, 700, 600, bands=1, overviews=True) == str(path)
    assert [*path.parent.iterdir()] == [path]


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_scene("scene.tif", 20, 20) == "scene.tif"
    assert os.listdir() == ["scene.tif"]


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(b"keep me")

    def fail(_done: int, _every: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scene(path, 2000, 2000, bands=1, on_block=fail)
    assert path.read_bytes() == b"keep me"
    assert [*tmp_path.iterdir()] == [path]
    write_scene(path, 20, 20)
    assert pixels_of(path).shape == (20, 20, 13)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        write_scene(tmp_path, 20, 20)
    assert caught.value.filename == str(tmp_path)
    assert not [*tmp_path.iterdir()]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no width": ({"width": 0}, "scene 0x20: give a width and a height of at least 1"),
    "no height": ({"height": -1}, "scene 20x-1: give"),
    "no bands": ({"bands": 0}, "bands is 0: ask for 1 to 13"),
    "too many bands": ({"bands": 14}, "bands is 14: ask for 1 to 13"),
    "unknown compression": ({"compression": "jpeg"}, "compression is 'jpeg': choose from none,"),
    "odd tiles": ({"block": 100}, "block is 100: the side of a tile is a multiple of 16"),
    "empty blocks": ({"block": 0}, "block is 0: give at least 1"),
    "overviews of strips": ({"tiled": False, "overviews": True}, "overviews .* ask for tiles"),
    "a negative seed": ({"seed": -1}, "seed is -1: choose 0 or a positive integer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    given, message = REFUSED[case]
    with pytest.raises(OptionsError, match=message):
        write_scene(tmp_path / "new" / "scene.tif", **{"width": 20, "height": 20} | given)
    assert not [*tmp_path.iterdir()]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit")
@pytest.mark.parametrize("form", ["tiled=True, overviews=True", "tiled=False, compression='none'"])
def test_memory_does_not_grow_with_the_height(form: str, tmp_path: Path) -> None:
    def peak(height: int) -> int:
        code = f"""
import os, resource, sys
from asyncrgb import write_scene
write_scene(sys.argv[1], 400, {height}, bands=13, {form})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        command = [sys.executable, "-c", code, str(tmp_path / "scene.tif")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout) * 1024

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
    low, high = peak(800), peak(3000)
    assert high < low + 400 * 2200 * 13 * 2 // 4, "of what more there is, less than a quarter"


# ---- the command -------------------------------------------------------------------------

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sample(tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "asyncrgb", "sample", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60
        )

    return run


def test_the_command_writes_the_same_scene(sample: Run, tmp_path: Path) -> None:
    options = ("--planar", "--compress", "lzw", "--bands", "4", "--block", "64", "--seed", "3")
    done = sample("--scene", "700x600", *options, "--overviews", "--with-nodata", "new/a.tif")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "scene of 700 x 600 pixels written to new/a.tif\n"
    path = write_scene(
        tmp_path / "b.tif",
        700,
        600,
        planar=True,
        compression="lzw",
        bands=4,
        block=64,
        seed=3,
        overviews=True,
        nodata=True,
    )
    assert (tmp_path / "new" / "a.tif").read_bytes() == Path(path).read_bytes()


def test_in_a_folder_the_scene_has_a_name(sample: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.tif").mkdir()
    for folder in ("data", "odd.tif"):
        done = sample("--scene", "60x50", "--striped", "--compress", "none", folder)
        assert done.stdout == f"scene of 60 x 50 pixels written to {folder}/scene.tif\n"
        assert pixels_of(tmp_path / folder / "scene.tif").shape == (50, 60, 13)


USAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "no size": (("--scene", "large", "a.tif"), "'large': give WIDTHxHEIGHT in pixels"),
    "an empty scene": (("--scene", "0x5", "a.tif"), "scene 0x5: give a width"),
    "both": (("--scene", "5x5", "--count", "3", "a.tif"), "--count: a scene is one file"),
    "the form of chips": (("--planar", "data"), "--scene: the options of a scene go with"),
    "no such codec": (("--scene", "5x5", "--compress", "zst", "a.tif"), "did you mean 'zstd'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage_errors_name_thing_and_remedy(case: str, sample: Run, tmp_path: Path) -> None:
    arguments, message = USAGE[case]
    done = sample(*arguments)
    assert done.returncode == 2
    assert message.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert not [*tmp_path.iterdir()]


def test_only_a_scene_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for width in 20, 30:
        write_scene(path, width, 10, replace=False)
    for data in b"", b"text", path.read_bytes().replace(b"asyncrgb", b"somebody"):
        path.write_bytes(data)
        with pytest.raises(FileExistsError, match="something else is there"):
            write_scene(path, 20, 10, replace=False)
        assert path.read_bytes() == data
