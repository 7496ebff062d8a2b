"""The samples are measured against real EuroSAT chips, which lie in ../shared/data."""

import errno
import io
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from asyncrgb.errors import OptionsError
from asyncrgb.sample import write_samples

CLASSES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)
CHIPS = 200
REAL = Path(__file__).parents[2] / "shared" / "data" / "eurosat"
needs_real_chips = pytest.mark.skipif(
    not REAL.is_dir(), reason="needs the real chips in ../shared/data/eurosat"
)

# figures of the 100 real chips; bands in the order of the files, B8A last
REAL_MEAN = (1313, 1071, 997, 869, 1151, 2053, 2464, 2398, 802, 12.4, 1763, 1051, 2703)
REAL_STD = (222, 321, 385, 562, 540, 868, 1111, 1150, 456, 5.6, 945, 724, 1248)
REAL_STD_WITHIN = (108, 223, 255, 360, 290, 417, 533, 612, 129, 1.4, 456, 400, 589)
REAL_RED_OF_CLASS = (1094, 430, 1107, 827, 1309, 623, 1300, 861, 651, 489)
REAL_NIR_OF_CLASS = (3538, 2640, 2268, 2624, 2146, 3390, 2829, 2348, 1890, 309)
REAL_CORRELATION = {(3, 2): 0.93, (3, 1): 0.95, (2, 1): 0.95}
REAL_AUTOCORRELATION = {1: 0.88, 2: 0.70, 4: 0.47, 8: 0.25, 16: 0.07}
REAL_PNG_BYTES = {"up": 6366.0, "pillow": 5478.0}

BANDS_10M, BANDS_20M, BANDS_60M = (1, 2, 3, 7), (4, 5, 6, 10, 11, 12), (0, 8, 9)

Chips = NDArray[np.uint16]
Tags = dict[int, tuple[int, int, int, tuple[float, ...]]]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_samples(tmp_path_factory.mktemp("samples"), CHIPS)


@pytest.fixture(scope="module")
def chips(paths: list[str]) -> Chips:
    return np.stack([tifffile.imread(path) for path in paths])


def real_paths() -> list[Path]:
    return sorted(REAL.glob("*/*.tif"))


def read_tags(data: bytes) -> tuple[Tags, int]:
    """Tag: (type, count, offset of the values, values); and the offset of a next IFD."""
    assert data[:8] == b"II*\0\x08\0\0\0"
    forms = {2: "B", 3: "H", 4: "I", 12: "d"}
    (count,) = struct.unpack_from("<H", data, 8)
    tags = {}
    for place in range(10, 10 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from("<HHII", data, place)
        form = f"<{number}{forms[kind]}"
        offset = offset if struct.calcsize(form) > 4 else place + 8
        tags[tag] = (kind, number, offset, struct.unpack_from(form, data, offset))
    return tags, struct.unpack_from("<I", data, 10 + 12 * count)[0]


def to_rgb(chip: Chips) -> NDArray[np.uint8]:
    return (255 * (chip[..., (3, 2, 1)] / 4000).clip(0, 1)).astype(np.uint8)


def up_png_bytes(rgb: NDArray[np.uint8]) -> int:
    rows = rgb.reshape(len(rgb), -1)
    filtered = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    lines = np.insert(filtered, 0, 2, axis=1)
    signature_header_end = 8 + 25 + 12 + 12
    return signature_header_end + len(zlib.compress(lines.tobytes(), 6))


def pillow_png_bytes(rgb: NDArray[np.uint8]) -> int:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.tell()


def median_png(chips: Chips, encode: Callable[[NDArray[np.uint8]], int]) -> float:
    return float(np.median([encode(to_rgb(chip)) for chip in chips]))


def autocorrelation(plane: NDArray[np.float64], lag: int) -> float:
    centred = plane - plane.mean()
    down = (centred[lag:] * centred[:-lag]).mean()
    along = (centred[:, lag:] * centred[:, :-lag]).mean()
    return float((down + along) / 2 / centred.var())


def median_correlation(chips: NDArray[np.float64], one: int, other: int) -> float:
    flat = chips.reshape(len(chips), -1, 13)
    return float(np.median([np.corrcoef(c[:, one], c[:, other])[0, 1] for c in flat]))


def median_autocorrelation(chips: NDArray[np.float64], lag: int) -> float:
    return float(np.median([autocorrelation(chip[..., 3], lag) for chip in chips]))


def share_above(planes: NDArray[np.float64], frequency: float) -> float:
    """Share of the planes' variance that is finer than a frequency in cycles a pixel."""
    centred = planes - planes.mean((1, 2), keepdims=True)
    # without a window the jump from edge to edge counts as detail
    window = np.hanning(planes.shape[1])
    power = abs(np.fft.fft2(centred * window * window[:, None])) ** 2
    cycles = abs(np.fft.fftfreq(planes.shape[1]))
    fine = np.maximum(cycles[:, None], cycles) > frequency
    return float(power[:, fine].sum() / power.sum())


# ---- files -------------------------------------------------------------------------------


def test_the_classes_take_turns(paths: list[str]) -> None:
    names = [Path(path).relative_to(Path(paths[0]).parents[1]).as_posix() for path in paths]
    assert names[:2] == ["AnnualCrop/AnnualCrop_1.tif", "Forest/Forest_1.tif"]
    assert names == [f"{name}/{name}_{n}.tif" for n in range(1, 21) for name in CLASSES]


def test_only_what_was_asked_for_is_written(tmp_path: Path) -> None:
    paths = write_samples(tmp_path / "new" / "folder", 13)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(map(str, files)) == sorted(paths)
    assert Counter(path.parent.name for path in files) == {
        name: 2 if name in CLASSES[:3] else 1 for name in CLASSES
    }


def test_fewer_chips_than_classes_leave_no_empty_folder(tmp_path: Path) -> None:
    write_samples(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["AnnualCrop", "Forest"]


def test_an_existing_file_is_overwritten(tmp_path: Path) -> None:
    (path,) = write_samples(tmp_path, 1)
    expected = Path(path).read_bytes()
    Path(path).write_bytes(b"x" * 200_000)
    write_samples(tmp_path, 1)
    assert Path(path).read_bytes() == expected


def test_something_else_is_not_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    paths = [Path(each) for each in write_samples(tmp_path, 12)]
    assert len(write_samples(tmp_path, 13, replace=False)) == 13
    paths[11].write_bytes(b"x")
    with pytest.raises(FileExistsError, match="something else is there") as caught:
        write_samples(tmp_path, 13, replace=False)
    assert caught.value.filename == str(paths[11])
    assert paths[11].read_bytes() == b"x"
    assert not list(tmp_path.rglob(".*"))


def test_a_full_disk_leaves_no_half_of_a_chip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips = iter(range(10))
    put = os.replace

    def full(source: str, destination: str) -> None:
        if next(chips) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source)
        put(source, destination)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_samples(tmp_path, 10)
    there = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(there) == 3
    assert {path.stat().st_size for path in there} == {107_244}
    assert caught.value.filename.endswith("Highway_1.tif")


def test_on_written_is_told_each_complete_file_in_order(tmp_path: Path) -> None:
    told = []
    paths = write_samples(
        str(tmp_path), 12, on_written=lambda path: told.append((path, Path(path).stat().st_size))
    )
    assert told == [(path, 107_244) for path in paths]


# ---- container ---------------------------------------------------------------------------


def test_every_file_is_as_long_as_a_real_one(paths: list[str]) -> None:
    assert {Path(path).stat().st_size for path in paths} == {107_244}


def test_pixels_lie_in_sixteen_strips_from_byte_748(paths: list[str]) -> None:
    tags, next_ifd = read_tags(Path(paths[0]).read_bytes())
    assert next_ifd == 0
    assert list(tags[273][3]) == list(range(748, 107_244, 6656))
    assert list(tags[279][3]) == [6656] * 16
    width, height, compression, bands, rows_per_strip, planar = (
        tags[tag][3][0] for tag in (256, 257, 259, 277, 278, 284)
    )
    assert (width, height, bands, rows_per_strip) == (64, 64, 13, 4)
    assert (compression, planar) == (1, 1)


@needs_real_chips
def test_tags_are_those_of_a_real_chip(paths: list[str]) -> None:
    real, _ = read_tags(real_paths()[0].read_bytes())
    made, _ = read_tags(Path(paths[0]).read_bytes())
    assert list(made) == list(real)
    for tag, (kind, count, offset, values) in real.items():
        assert made[tag][:3] == (kind, count, offset), tag
        if tag < 32768:
            assert made[tag][3] == values, tag


@needs_real_chips
def test_geokeys_differ_from_a_real_chips_in_the_zone_only(paths: list[str]) -> None:
    real, _ = read_tags(real_paths()[0].read_bytes())
    for path in paths[:30]:
        made, _ = read_tags(Path(path).read_bytes())
        keys = list(made[34735][3])
        zone = int(keys[27]) - 32600
        assert 30 <= zone <= 35
        assert bytes(map(int, made[34737][3])) == f"WGS 84 / UTM zone {zone}N|WGS 84|\0".encode()
        keys[27] = real[34735][3][27]
        assert tuple(keys) == real[34735][3]


def test_each_chip_has_its_own_place_and_a_pixel_of_ten_metres(paths: list[str]) -> None:
    tags = [read_tags(Path(path).read_bytes())[0] for path in paths]
    assert len({tag[33922][3] for tag in tags}) == CHIPS
    assert all(tag[33922][3][:3] == (0, 0, 0) and tag[33922][3][5] == 0 for tag in tags)
    scales = np.array([tag[33550][3] for tag in tags])
    assert abs(scales[:, :2] - 10).max() < 0.1
    assert not scales[:, 2].any()


def test_all_readers_see_the_same_pixels(paths: list[str]) -> None:
    for path in paths[:10]:
        data = Path(path).read_bytes()
        expected = np.frombuffer(data, "<u2", offset=748).reshape(64, 64, 13)
        for pixels in (tifffile.imread(path), imagecodecs.tiff_decode(data)):
            assert pixels.dtype == np.uint16
            np.testing.assert_array_equal(pixels, expected)


def test_rasterio_sees_the_same_pixels_and_the_place(paths: list[str]) -> None:
    rasterio = pytest.importorskip("rasterio")
    for path in paths[:10]:
        tags, _ = read_tags(Path(path).read_bytes())
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(np.moveaxis(dataset.read(), 0, -1), tifffile.imread(path))
            assert dataset.dtypes == ("uint16",) * 13
            assert dataset.crs.to_epsg() == tags[34735][3][27]
            assert (dataset.transform.c, dataset.transform.f) == tags[33922][3][3:5]
            assert (dataset.transform.a, -dataset.transform.e) == tags[33550][3][:2]
            assert "synthetic" in dataset.tags()["origin"]


# ---- determinism -------------------------------------------------------------------------


def test_a_chip_depends_on_the_seed_only(tmp_path: Path) -> None:
    few = write_samples(tmp_path / "few", 23, seed=7)
    many = write_samples(tmp_path / "many", 75, seed=7)
    for one, other in zip(few, many, strict=False):
        assert Path(one).read_bytes() == Path(other).read_bytes()


def test_another_seed_gives_other_chips(tmp_path: Path) -> None:
    contents = {
        Path(path).read_bytes()[748:]
        for seed in (0, 1, 2**70)
        for path in write_samples(tmp_path / str(seed), 10, seed=seed)
    }
    assert len(contents) == 30


def test_no_chip_comes_twice(chips: Chips) -> None:
    assert len({chip.tobytes() for chip in chips}) == CHIPS


# ---- pixels ------------------------------------------------------------------------------


@needs_real_chips
def test_the_recorded_figures_are_those_of_the_real_chips() -> None:
    real = np.stack([tifffile.imread(path) for path in real_paths()]).astype(float)
    np.testing.assert_allclose(real.mean((0, 1, 2)), REAL_MEAN, rtol=0.01)
    np.testing.assert_allclose(real.std((0, 1, 2)), REAL_STD, rtol=0.01)
    within = np.sqrt(real.var((1, 2)).mean(0))
    np.testing.assert_allclose(within, REAL_STD_WITHIN, rtol=0.03)
    of_class = real.reshape(10, 10, 64, 64, 13).mean((1, 2, 3))
    np.testing.assert_allclose(of_class[:, 3], REAL_RED_OF_CLASS, rtol=0.01)
    np.testing.assert_allclose(of_class[:, 7], REAL_NIR_OF_CLASS, rtol=0.01)
    for pair, value in REAL_CORRELATION.items():
        assert median_correlation(real, *pair) == pytest.approx(value, abs=0.01)
    for lag, value in REAL_AUTOCORRELATION.items():
        assert median_autocorrelation(real, lag) == pytest.approx(value, abs=0.02)


def test_means_of_the_bands_are_within_6_percent(chips: Chips) -> None:
    np.testing.assert_allclose(chips.mean((0, 1, 2)), REAL_MEAN, rtol=0.06)


def test_deviations_of_the_bands_are_within_15_percent(chips: Chips) -> None:
    within = np.sqrt(chips.var((1, 2)).mean(0))
    for made, real in ((chips.std((0, 1, 2)), REAL_STD), (within, REAL_STD_WITHIN)):
        close = abs(made / real - 1) < 0.15
        # B10 holds about 12 counts, and a few bright chips make its deviation
        close[9] = abs(made[9] / real[9] - 1) < 0.25
        assert close.all(), made


def test_classes_keep_their_red_and_near_infrared(chips: Chips) -> None:
    of_class = chips.reshape(-1, 10, 64, 64, 13).mean((0, 2, 3))
    np.testing.assert_allclose(of_class[:, 3], REAL_RED_OF_CLASS, rtol=0.25)
    np.testing.assert_allclose(of_class[:, 7], REAL_NIR_OF_CLASS, rtol=0.25)


@pytest.mark.parametrize(("pair", "expected"), REAL_CORRELATION.items())
def test_red_green_and_blue_are_correlated(
    chips: Chips, pair: tuple[int, int], expected: float
) -> None:
    assert median_correlation(chips.astype(float), *pair) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("lag", "expected"), REAL_AUTOCORRELATION.items())
def test_texture_falls_off_with_distance(chips: Chips, lag: int, expected: float) -> None:
    assert median_autocorrelation(chips.astype(float), lag) == pytest.approx(expected, abs=0.08)


def test_only_the_10_m_bands_have_detail_of_10_m(chips: Chips) -> None:
    def share(bands: tuple[int, ...], frequency: float) -> list[float]:
        return [share_above(chips[:60, ..., band].astype(float), frequency) for band in bands]

    assert min(share(BANDS_10M, 1 / 4)) > 0.03
    assert max(share(BANDS_20M, 1 / 4)) < 0.01
    assert min(share(BANDS_20M, 1 / 12)) > 0.10
    assert max(share((0, 8), 1 / 12)) < 0.05


@pytest.mark.parametrize("band", BANDS_20M + BANDS_60M)
def test_a_coarse_band_has_no_more_pixels_than_its_sensor(chips: Chips, band: int) -> None:
    side = 32 if band in BANDS_20M else 11
    planes = chips[:60, ..., band].astype(float)
    values = np.linalg.svd(planes, compute_uv=False)[:, side]
    # rounding to integers alone gives about 4.6; where a shadow is cut off there is more
    assert np.median(values) < 5


def test_no_value_is_nodata_or_beyond_the_range(chips: Chips) -> None:
    assert chips.min() >= 1
    assert chips.max() <= 10_000


@pytest.mark.parametrize("encode", [up_png_bytes, pillow_png_bytes])
def test_median_png_is_as_long_as_that_of_real_chips(
    chips: Chips, encode: Callable[[NDArray[np.uint8]], int]
) -> None:
    expected = REAL_PNG_BYTES[encode.__name__.partition("_")[0]]
    if REAL.is_dir():
        expected = median_png(np.stack([tifffile.imread(path) for path in real_paths()]), encode)
    assert median_png(chips, encode) == pytest.approx(expected, rel=0.15)


# ---- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_below_one_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(OptionsError, match=rf"count is {count}: ask for at least 1"):
        write_samples(tmp_path / "none", count)
    assert not (tmp_path / "none").exists()


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"seed is -1: choose 0 or"):
        write_samples(tmp_path, 1, seed=-1)


def test_a_destination_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_bytes(b"keep me")
    with pytest.raises(OSError, match="taken") as caught:
        write_samples(file, 1)
    assert caught.value.filename == str(file)
    assert file.read_bytes() == b"keep me"


def test_a_class_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "Forest").write_bytes(b"")
    with pytest.raises(OSError, match="Forest"):
        write_samples(tmp_path, 10)
