"""What is said of a file is what other programs say of it: GDAL, tifffile and numpy."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging import describing
from asyncrgb.imaging.describing import describe
from asyncrgb.imaging.description import Description, SensorGuess, Shown
from asyncrgb.limits import Limits

WriteTiff = Callable[..., bytes]

COMPRESSIONS = {  # GDAL's names
    "none": None,
    "jpeg": "jpeg",
    "deflate": "deflate",
    "lzw": "lzw",
    "packbits": "packbits",
    "zstd": "zstd",
}
REAL = [
    "eurosat/River/*.tif",
    "chips/*.tif",
    "bands/S2A_MSIL2A_20170617T113321_36_85/*.tif",
    "scenes/landsat*.tif",
    "scenes/*1024*.tif",
    "odd_tiffs/rasterio/data/[!ct]*.tif",  # without the corrupt one; ESRI's codes are not EPSG's
]


@pytest.fixture
def pixels() -> NDArray[Any]:
    values = np.random.default_rng(5).normal(1500, 700, (40, 50, 13)).clip(1, None)
    return values.astype(np.uint16)


def names(found: Description) -> list[str]:
    return [f"{guess.name} ({guess.reason})" for guess in found.sensors]


def with_descriptions(texts: list[str], write: WriteTiff, dtype: str = "uint16") -> bytes:
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{text}</Item>'
        for i, text in enumerate(texts)
    )
    tag = (42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)
    pixels = np.arange(len(texts) * 12).reshape(3, 4, len(texts)).astype(dtype)
    return write(pixels, extratags=[tag])


@pytest.mark.parametrize("pattern", REAL)
@pytest.mark.filterwarnings("ignore")
def test_real_files_are_what_gdal_says(pattern: str, data_folder: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    for path in sorted(data_folder.glob(pattern)):
        found = describe(path.read_bytes())
        with rasterio.open(path) as file:
            assert (found.height, found.width) == file.shape, path
            assert {found.dtype} == set(file.dtypes), path
            assert found.nodata == pytest.approx(file.nodata, nan_ok=True), path
            assert found.storage.tiled == file.profile["tiled"], path
            assert {(found.storage.rows, found.storage.columns)} == {*file.block_shapes}, path
            assert COMPRESSIONS[found.storage.compression] == (
                file.compression.value.lower() if file.compression else None
            ), path
            assert found.storage.planar == (file.count > 1 and file.interleaving.value == "BAND")
            sizes = [(h, w) for h, w in found.storage.overviews]
            assert sizes == [
                (-(-file.height // factor), -(-file.width // factor))
                for factor in file.overviews(1)
            ], path
            assert [band.description for band in found.bands] == list(file.descriptions), path
            assert [band.scale for band in found.bands] == list(file.scales), path
            assert [band.offset for band in found.bands] == list(file.offsets), path
            check_place(found, file)
            check_statistics(found, file)


def check_place(found: Description, file: Any) -> None:  # noqa: ANN401 - rasterio has no types
    code = file.crs.to_epsg(confidence_threshold=100) if file.crs else None
    if found.place is None or found.place.crs is None:
        assert code is None or "EPSG" not in str(file.crs), file.name
    else:
        assert found.place.crs == f"EPSG:{code}", file.name
    if found.place is None or found.place.origin is None or found.place.pixel_size is None:
        assert file.transform.is_identity or file.gcps[0], file.name
        return
    a, b, x, d, e, y, *_ = file.transform
    assert found.place.origin == pytest.approx((x, y), rel=1e-12, abs=1e-9), file.name
    assert found.place.pixel_size == pytest.approx((math.hypot(a, d), math.hypot(b, e)), rel=1e-12)


def check_statistics(found: Description, file: Any) -> None:  # noqa: ANN401 - as above
    if found.storage.compression == "jpeg":
        return  # decoders differ
    exact = 0 if found.dtype.startswith(("u", "i")) else 1 / 4096
    for band in found.bands:
        values = file.read(band.number)
        valid = np.isfinite(values)
        if found.alpha is None:  # which counts as no data for GDAL
            valid &= file.read_masks(band.number) > 0
        data = values[valid].astype(np.float64)
        assert band.valid == data.size, file.name
        assert band.blank == pytest.approx(1 - data.size / values.size)
        if not data.size:
            assert (band.minimum, band.p2, band.mean) == (None, None, None)
            continue
        assert (band.minimum, band.maximum) == (data.min(), data.max()), file.name
        assert band.mean == pytest.approx(data.mean())
        expected = np.percentile(data, (2, 50, 98))
        assert (band.p2, band.p50, band.p98) == pytest.approx(expected, rel=max(exact, 1e-12))
    zeros = (file.read() == 0).all(axis=0).mean()
    assert found.zeros == pytest.approx(zeros)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_dtype(dtype: str, order: str, pixels: NDArray[Any], write_tiff: WriteTiff) -> None:
    values = pixels.clip(0, 100).astype(dtype)
    found = describe(write_tiff(values, byteorder=order))
    assert found.dtype == np.dtype(dtype).name
    assert found.bits == 8 * np.dtype(dtype).itemsize
    assert found.storage.byte_order == {"<": "little", ">": "big"}[order]
    assert [band.p50 for band in found.bands] == np.percentile(values, 50, axis=(0, 1)).tolist()


def test_plain_chip(chip: bytes) -> None:
    found = describe(chip)
    assert found.file_bytes == len(chip)
    assert (found.storage.bigtiff, found.storage.tiled, found.storage.planar) == (False,) * 3
    assert (found.storage.rows, found.storage.columns, found.storage.segments) == (4, 64, 16)
    assert (found.storage.compression, found.storage.compression_code) == ("none", 1)
    assert found.storage.photometric == "minisblack"
    assert (found.storage.pages, found.storage.overviews, found.storage.masks) == (1, (), 0)
    assert (found.nodata, found.alpha, found.palette, found.place) == (None,) * 4
    assert names(found) == ["eurosat (count)", "sentinel2-l1c (count)"]
    assert found.described is None
    assert found.shown == Shown((4, 3, 2), as_is=False, guessed=False)


@pytest.mark.parametrize(
    ("compression", "predictor"),
    [("zlib", None), ("zlib", 2), ("lzw", None), ("lzw", 2), ("zstd", 2), ("packbits", None)],
)
def test_compression_and_predictor(
    compression: str, predictor: int | None, pixels: NDArray[Any], write_tiff: WriteTiff
) -> None:
    data = write_tiff(pixels, compression=compression, predictor=predictor, tile=(16, 32))
    storage = describe(data).storage
    assert storage.compression == compression.replace("zlib", "deflate")
    assert storage.predictor == (None if predictor is None else "horizontal")
    assert (storage.tiled, storage.rows, storage.columns, storage.segments) == (True, 16, 32, 6)


def test_predictor_of_floats_and_bigtiff(pixels: NDArray[Any], write_tiff: WriteTiff) -> None:
    floats = pixels.astype(np.float32)
    storage = describe(write_tiff(floats, compression="zlib", predictor=3, bigtiff=True)).storage
    assert (storage.bigtiff, storage.predictor) == (True, "floating point")


def test_planar_file(pixels: NDArray[Any]) -> None:
    file = io.BytesIO()
    tifffile.imwrite(
        file, np.moveaxis(pixels, -1, 0), planarconfig="separate", photometric="minisblack"
    )
    found = describe(file.getvalue())
    assert found.storage.planar
    assert [band.maximum for band in found.bands] == pixels.max(axis=(0, 1)).tolist()


def test_pages_are_bands(pixels: NDArray[Any]) -> None:
    file = io.BytesIO()
    for band in range(3):
        tifffile.imwrite(file, pixels[..., band], append=band > 0, metadata=None)
        file.seek(0)
    found = describe(file.getvalue())
    assert (found.storage.pages, len(found.bands)) == (3, 3)
    assert [band.mean for band in found.bands] == pytest.approx(pixels[..., :3].mean(axis=(0, 1)))


def test_overviews_and_masks(pixels: NDArray[Any]) -> None:
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[10:] = True
    file = io.BytesIO()
    plain: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
    with tifffile.TiffWriter(file) as writer:
        writer.write(pixels, **plain, metadata=None)
        writer.write(mask, subfiletype=4, metadata=None)
        writer.write(pixels[::2, ::2], **plain, subfiletype=1, metadata=None)
        writer.write(mask[::2, ::2], subfiletype=5, metadata=None)
    found = describe(file.getvalue())
    assert (found.storage.pages, found.storage.masks) == (1, 2)
    assert found.storage.overviews == ((20, 25),)
    assert {band.blank for band in found.bands} == {0.25}
    assert found.bands[0].minimum == pixels[10:, :, 0].min()


def test_palette(write_tiff: WriteTiff) -> None:
    colours = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256) * 80
    indexes = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    found = describe(write_tiff(indexes, photometric="palette", colormap=colours))
    assert (found.palette, found.storage.photometric) == (256, "palette")
    assert found.shown == Shown((1,), as_is=True, guessed=False)


def test_alpha_and_what_is_no_data(write_tiff: WriteTiff) -> None:
    pixels = np.full((10, 10, 4), 7, np.uint8)
    pixels[:3, ..., 0] = 9
    pixels[5] = 0
    tag = (42113, "s", 0, "9", True)
    found = describe(write_tiff(pixels, photometric="rgb", extratags=[tag], extrasamples=[2]))
    assert (found.alpha, found.nodata, found.sensors) == (4, 9, ())
    assert [(band.valid, round(band.blank, 9)) for band in found.bands[:2]] == [(70, 0.3), (100, 0)]
    assert found.zeros == 0.1


def test_values_that_are_not_finite(write_tiff: WriteTiff) -> None:
    pixels = np.array([1, 2, np.nan, np.inf, -np.inf, 3], np.float32).reshape(2, 3, 1)
    found = describe(write_tiff(pixels, extratags=[(42113, "s", 0, "nan", True)]))
    assert found.nodata is not None
    assert math.isnan(found.nodata)
    (band,) = found.bands
    assert (band.valid, band.minimum, band.maximum, band.mean) == (3, 1, 3, 2)


def test_scale_and_offset(write_tiff: WriteTiff) -> None:
    items = '<Item name="SCALE" sample="0" role="scale">2.75e-05</Item>'
    items += '<Item name="OFFSET" sample="0" role="offset">-0.2</Item>'
    tag = (42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)
    found = describe(write_tiff(np.ones((4, 4, 2), np.uint16), extratags=[tag]))
    assert [(band.scale, band.offset) for band in found.bands] == [(2.75e-05, -0.2), (1, 0)]


@pytest.mark.parametrize(
    ("descriptions", "sensors", "rgb"),
    [
        (["red", "green", "blue", "nir"], ["naip (order)"], (1, 2, 3)),
        (["Blue", "GREEN", "red", "NIR"], ["planet-4 (order)"], (3, 2, 1)),
        ([f"B{i}" for i in (1, 2, 3, 4, 5, 6, 7, 8)], None, (4, 3, 2)),
        (
            ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"],
            ["sentinel2-l2a (order)"],
            (4, 3, 2),
        ),
        (
            ["B02 (blue)", "B03, green", "B04", "B08", "B11"],
            ["eurosat (names)", "sentinel2-l1c (names)", "sentinel2-l2a (names)"],
            (3, 2, 1),
        ),
        (["ndvi", "ndwi"], [], None),
        (["ndvi", "ndwi", "savi", "evi"], ["naip (count)", "planet-4 (count)"], None),
    ],
)
def test_sensors(
    descriptions: list[str],
    sensors: list[str] | None,
    rgb: tuple[int, ...] | None,
    write_tiff: WriteTiff,
) -> None:
    found = describe(with_descriptions(descriptions, write_tiff))
    assert found.described == rgb
    assert [band.description for band in found.bands] == descriptions
    if sensors is not None:
        assert names(found) == sensors


def test_descriptions_of_bands_that_are_not_there(write_tiff: WriteTiff) -> None:
    item = '<Item name="DESCRIPTION" sample="{}" role="description">{}</Item>'
    items = "".join(item.format(i + 1, name) for i, name in enumerate(["red", "green", "blue"]))
    tag = (42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)
    found = describe(write_tiff(np.ones((4, 4, 3), np.uint16), extratags=[tag]))
    assert found.described is None
    assert SensorGuess("naip", "names") in found.sensors


def test_few_bands_at_once_give_the_same(
    chip: bytes, monkeypatch: pytest.MonkeyPatch, write_tiff: WriteTiff, pixels: NDArray[Any]
) -> None:
    packed = write_tiff(pixels, compression="zlib")
    expected = describe(chip), describe(packed)
    monkeypatch.setattr(describing, "_AT_ONCE", 2 * 64 * 64 * 2)
    assert (describe(chip), describe(packed)) == expected
    monkeypatch.setattr(describing, "_AT_ONCE", 1)
    assert (describe(chip), describe(packed)) == expected


@pytest.mark.parametrize("count", [2, 3, 1])
def test_what_is_shown(count: int, write_tiff: WriteTiff) -> None:
    found = describe(write_tiff(np.ones((4, 4, count), np.uint16)))
    expected = {1: Shown((1,), True, False), 2: None, 3: Shown((1, 2, 3), True, False)}  # noqa: FBT003 - fields
    assert found.shown == expected[count]


def test_what_cannot_be_read(chip: bytes, write_tiff: WriteTiff, pixels: NDArray[Any]) -> None:
    packed = write_tiff(pixels, compression="zlib")
    middle = len(packed) // 2
    broken = packed[:middle] + bytes(200) + packed[middle + 200 :]
    for bad in (b"", b"hello", chip[:-1], broken):
        with pytest.raises(DecodeError):
            describe(bad)
    with pytest.raises(LimitError):
        describe(chip, limits=Limits(max_pixels=4095))


def test_a_parser_that_fails_late(chip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(describing, "_storage_of", fail)
    with pytest.raises(DecodeError, match="ZeroDivisionError"):
        describe(chip)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer(kind: Callable[[bytes], Any], chip: bytes) -> None:
    assert describe(kind(chip)) == describe(chip)


@pytest.mark.parametrize("folder", ["image-tiff", "pillow", "go_image", "gdal_autotest"])
def test_odd_files_are_described_or_refused(folder: str, data_folder: Path) -> None:
    described = 0
    for path in sorted((data_folder / "odd_tiffs" / folder).rglob("*.tif*")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = describe(path.read_bytes())
            except AsyncRgbError:
                continue
        described += 1
        assert all(band.valid <= found.height * found.width for band in found.bands)
    assert described
