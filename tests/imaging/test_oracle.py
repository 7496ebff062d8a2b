"""Another reader as the judge: what GDAL reads (by rasterio) is what we read, pixel for pixel."""

from __future__ import annotations

import io
import itertools
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from asyncrgb.errors import AsyncRgbError
from asyncrgb.imaging.reading import tiff
from asyncrgb.limits import Limits

rasterio = pytest.importorskip("rasterio", reason="the oracle, rasterio, is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

LIMITS: Final = Limits()
LARGEST: Final = 2**26  # values of a file that the oracle is asked to read
INTEGERS: Final = ("u1", "i1", "u2", "i2", "u4", "i4")
GDAL_CODECS: Final = ("NONE", "LZW", "DEFLATE", "PACKBITS", "LZMA", "ZSTD")
TIFFFILE_CODECS: Final = (1, "lzw", "zlib", "deflate", "packbits", "lzma", "zstd")
CUTS: Final[dict[str, dict[str, Any]]] = {
    "strips": {"blockysize": 7},
    "one strip": {"blockysize": 1000},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32},
}
SHAPES: Final = ((41, 37), (16, 32), (23, 1), (64, 50))  # multiples of tiles and strips, and not
COUNTS: Final = (1, 3, 4, 13)


class Case(NamedTuple):
    """What is written, by whom, how."""

    writer: str
    shape: tuple[int, int, int]
    dtype: str
    options: dict[str, Any]

    def __str__(self) -> str:
        options = "-".join(f"{value}" for value in self.options.values())
        return f"{self.writer}-{'x'.join(map(str, self.shape))}-{self.dtype}-{options}"


def pixels_of(case: Case) -> NDArray[Any]:
    """Make pixels that compress a bit, with both ends of what the dtype holds among them."""
    rng = np.random.default_rng(abs(hash(case.shape)) % 2**32)
    most = 2 ** case.options.get("NBITS", 7) - 1
    smooth = rng.integers(0, 3, case.shape).cumsum(axis=1) % (most + 1)
    pixels: NDArray[Any] = smooth.astype(case.dtype)
    if case.dtype in INTEGERS and "NBITS" not in case.options:
        pixels[0, 0], pixels[-1, -1] = np.iinfo(case.dtype).min, np.iinfo(case.dtype).max
    elif case.dtype not in INTEGERS:
        pixels = pixels * np.array(-1 / 3, case.dtype)
        pixels[0, 0], pixels[-1, -1] = np.inf, np.nan
    return pixels


def cases_of_gdal() -> Iterator[Case]:
    """Cross every dtype with codec, cut, planes and byte order; shapes and the rest take turns."""
    turns = itertools.count()
    dtypes = (*INTEGERS, "f4", "f8")
    orders = ("LITTLE", "BIG")
    for dtype, codec, cut, planes, order in itertools.product(
        dtypes, GDAL_CODECS, CUTS, ("pixel", "band"), orders
    ):
        turn = next(turns)
        options = {"compress": codec, "interleave": planes, "ENDIANNESS": order, **CUTS[cut]}
        if codec in ("LZW", "DEFLATE", "ZSTD") and turn % 3:
            options["predictor"] = 3 if dtype[0] == "f" and turn % 3 == 1 else 2
        if turn % 5 == 0:
            options["BIGTIFF"] = "YES"
        yield Case("gdal", (*SHAPES[turn // 2 % 4], COUNTS[turn // 3 % 4]), dtype, options)


def cases_of_tifffile() -> Iterator[Case]:
    turns = itertools.count()
    dtypes = (*INTEGERS, "f2", "f4", "f8")
    for dtype, codec, planes, order in itertools.product(
        dtypes, TIFFFILE_CODECS, ("contig", "separate"), "<>"
    ):
        turn = next(turns)
        options = {"compression": codec, "planarconfig": planes, "byteorder": order}
        options["bigtiff"] = turn % 5 == 0
        options |= ({"rowsperstrip": 5}, {"rowsperstrip": None}, {"tile": (32, 16)})[turn // 4 % 3]
        if codec in ("lzw", "zlib", "deflate", "zstd") and turn % 3:
            options["predictor"] = 3 if dtype[0] == "f" else 2
        yield Case("tifffile", (*SHAPES[turn % 4], COUNTS[turn // 2 % 4]), dtype, options)


def cases_of_few_bits() -> Iterator[Case]:
    for bits, codec, cut, planes, order in itertools.product(
        (1, 2, 4, 7, 12), ("NONE", "LZW", "DEFLATE"), CUTS, ("pixel", "band"), ("LITTLE", "BIG")
    ):
        options = {"NBITS": bits, "compress": codec, "interleave": planes, "ENDIANNESS": order}
        count = 3 if planes == "band" else 1 if cut == "tiles" else 4
        dtype = "u2" if bits > 8 else "u1"
        yield Case("gdal", (41, 37, count), dtype, options | CUTS[cut])
    for codec in ("CCITTRLE", "CCITTFAX3", "CCITTFAX4"):
        for cut in ("strips", "one strip"):
            yield Case("gdal", (41, 37, 1), "u1", {"NBITS": 1, "compress": codec, **CUTS[cut]})


def cases_of_pictures() -> Iterator[Case]:
    """Codecs of pictures, lossless as far as GDAL writes them so."""
    for dtype, codec, planes, cut, order in itertools.product(
        (*INTEGERS, "f4", "f8"),
        ("LERC", "LERC_DEFLATE", "LERC_ZSTD"),
        ("pixel", "band"),
        ("strips", "tiles"),
        ("LITTLE", "BIG"),
    ):
        options = {"compress": codec, "interleave": planes, "ENDIANNESS": order, **CUTS[cut]}
        yield Case("gdal", (41, 37, 3), dtype, options)
    for count, cut in itertools.product((3, 4), CUTS):
        webp = {"compress": "WEBP", "WEBP_LOSSLESS": "YES", "interleave": "pixel"}
        yield Case("gdal", (41, 37, count), "u1", webp | CUTS[cut])
    for count, planes, photometric in (
        (1, "pixel", "MINISBLACK"),
        (3, "band", "MINISBLACK"),
        (3, "band", "RGB"),
        (3, "pixel", "RGB"),
        (4, "pixel", "CMYK"),
    ):
        for block in ({"blockysize": 8}, {"tiled": True, "blockxsize": 16, "blockysize": 32}):
            options = {"compress": "JPEG", "interleave": planes, "photometric": photometric}
            yield Case("gdal", (41, 37, count), "u1", options | block)


CASES: Final = tuple(
    itertools.chain(cases_of_gdal(), cases_of_tifffile(), cases_of_few_bits(), cases_of_pictures())
)


def written(case: Case) -> bytes:
    pixels = pixels_of(case)
    if case.writer == "gdal":
        return by_gdal(pixels, **case.options)
    options = {"photometric": "minisblack", "metadata": None, **case.options}
    if options["planarconfig"] == "separate":
        pixels = np.moveaxis(pixels, -1, 0)
    if 1 in (pixels.shape[0], pixels.shape[-1]) and case.shape[-1] == 1:
        pixels, options["planarconfig"] = pixels.reshape(case.shape[:2]), None
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def by_gdal(pixels: NDArray[Any], **options: Any) -> bytes:  # noqa: ANN401 - GDAL's
    height, width, count = pixels.shape
    shape = {"height": height, "width": width, "count": count, "dtype": pixels.dtype}
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", **shape, **options) as dataset:
            dataset.write(np.moveaxis(pixels, -1, 0))
        return bytes(file.getbuffer())


def oracle(data: bytes) -> NDArray[Any]:
    """Read with GDAL, as it is: colours that a TIFF can hold are not turned into RGB."""
    with rasterio.MemoryFile(data) as file, rasterio.open(f"GTIFF_RAW:{file.name}") as dataset:
        return np.moveaxis(dataset.read(), 0, -1)


def read(data: bytes, bands: Sequence[int] = ()) -> NDArray[Any]:
    image = tiff.find_image(memoryview(data), LIMITS)
    return image.read(bands or range(1, image.form.bands + 1))


def same(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Tell whether values are equal, NaN too; half floats and single bits come wider from GDAL."""
    wide = ours.astype(theirs.dtype)
    alike = np.array_equal(wide, theirs, equal_nan=theirs.dtype.kind in "fc")
    return alike and np.can_cast(ours.dtype, theirs.dtype)


def test_the_matrix_is_large() -> None:
    assert len({str(case) for case in CASES}) == len(CASES) > 700


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reads_what_gdal_reads(case: Case) -> None:
    data = written(case)
    expected = oracle(data)
    some = [3, 1, 2] if case.shape[-1] > 1 else [1, 1, 1]
    if case.shape[-1] > 12:
        some = [13, 1, 7]

    assert expected.shape == case.shape
    assert same(read(data), expected)
    assert same(read(data, some), expected[..., [band - 1 for band in some]])


# Sparse files, absent tags, and codecs that GDAL is built without.


@pytest.mark.parametrize("planes", ["pixel", "band"])
@pytest.mark.parametrize("nodata", [None, 7, -9999])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("codec", ["NONE", "DEFLATE"])
def test_reads_sparse_files_as_gdal_does(
    cut: str, planes: str, nodata: float | None, codec: str
) -> None:
    empty = np.full((41, 37, 3), nodata or 0, "i2")
    options = {"compress": codec, "interleave": planes, "nodata": nodata, **CUTS[cut]}
    half = empty.copy()
    half[30:35, 20:25] = 5
    for pixels in (empty, half):
        data = by_gdal(pixels, SPARSE_OK=True, **options)
        assert same(read(data), oracle(data))
        assert same(read(data, [3, 1, 2]), pixels[..., [2, 0, 1]])
        assert tiff.find_image(memoryview(data), LIMITS).form.nodata == nodata


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("absent", [(284,), (338,), (284, 338), (259, 284, 338, 339)])
def test_reads_files_without_some_tags_as_gdal_does(
    handmade_tiff: Write, absent: Sequence[int], order: str
) -> None:
    pixels = np.arange(11 * 5 * 6, dtype="u2").reshape(11, 5, 6) * 99
    data = handmade_tiff(pixels, order=order, rows=4, tags=dict.fromkeys(absent))

    assert same(read(data), oracle(data))
    assert same(read(data, [6, 1, 3]), pixels[..., [5, 0, 2]])


@pytest.mark.parametrize("tiles", [{}, {"tile": (32, 16)}, {"rowsperstrip": 8}])
@pytest.mark.parametrize("codec", ["jpegxl", "jpeg2000", "png", "webp", "zstd"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_reads_what_was_written_where_gdal_cannot_read(
    codec: str, tiles: dict[str, Any], dtype: str
) -> None:
    if codec == "webp" and dtype == "u2":
        pytest.skip("WebP has 8 bits")
    pixels = pixels_of(Case("tifffile", (41, 37, 3), dtype, {}))
    lossless = {"jpegxl": {"lossless": True}, "jpeg2000": {"level": 0}, "webp": {"lossless": True}}
    file = io.BytesIO()
    coded: dict[str, Any] = {"compression": codec, "compressionargs": lossless.get(codec)}
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None, **tiles, **coded)

    assert same(read(file.getvalue()), pixels)
    assert same(read(file.getvalue(), [3, 1, 2]), pixels[..., [2, 0, 1]])


@pytest.mark.parametrize(
    "block", [{"blockysize": 16}, {"tiled": True, "blockxsize": 16, "blockysize": 32}]
)
def test_reads_the_colours_of_jpeg_as_libtiff_does(block: dict[str, Any]) -> None:
    """GDAL's build may have another libjpeg, which makes other pixels between those of chroma."""
    pixels = pixels_of(Case("gdal", (41, 37, 3), "u1", {}))
    data = by_gdal(pixels, compress="JPEG", photometric="YCBCR", interleave="pixel", **block)

    assert same(read(data), by_pillow(data))


# Real files, odd ones and hostile ones.


# What GDAL reads and we refuse, by reason.
REFUSED: Final[dict[str, tuple[str, ...]]] = {
    "its deflate stream or the checksum is damaged, which libtiff does not look at": (
        "fuzz_go/corpus/004b591a0d7156de5a9900269fc572bb62e1e75d-6.tif",
        "fuzz_go/corpus/18d79ab1a1fbd9e817a12f952eed94a5a66f40ef-6.tif",
        "fuzz_go/corpus/1a4755e1b3ced56d5f9ba33b23fcefac7e4b8e56-2.tif",
        "fuzz_go/corpus/664de8553b473e524ffca82f81cdc556009e9e87-4.tif",
        "fuzz_go/corpus/6ad08396639b48fcd6dbc60456c764da79b5b462-6.tif",
        "fuzz_go/corpus/75a8b80bcbd72a7f08bc384ae8024613b4633e25-2.tif",
        "fuzz_go/corpus/912202c4531c59b622aa1b224a7909a6b71283a2-5.tif",
        "fuzz_go/corpus/cec22339c3a1ab634edd3eb5681718a996dd7b89-7.tif",
        "fuzz_go/corpus/ed35cac95c5c06ff402e2bedca22bed95bb30dde-5.tif",
        "fuzz_go/corpus/f4f884d4205cdb8cfb54201a6400a2ed04ff1640-4.tif",
    ),
    "strips reach beyond the end of the file": (
        "fuzz_go/corpus/4bbf83bc566f75140382c30e287cc0743ff49a79-2.tif",
        "fuzz_go/corpus/7896ec6ec6486df2d1a33010946094279390d5d1-2.tif",
        "fuzz_go/corpus/90b2a82bfa2d5387cc8a201900dc70b46306ae85-2.tif",
    ),
    "the list of its pages is damaged": (
        "fuzz_go/corpus/a3edca77a1e4e21ad32567a68f99b4095e8de6bb.tif",
        "fuzz_go/corpus/c20bedd4577ea477a02ba25c0960b2b3f4b0c90f-1.tif",
    ),
    "complex numbers are no intensities": (
        "gdal_autotest/gcore/data/cfloat32.tif",
        "gdal_autotest/gcore/data/cfloat64.tif",
        "gdal_autotest/gcore/data/cint16.tif",
        "gdal_autotest/gcore/data/cint32.tif",
        "gdal_autotest/gcore/data/cint_sar.tif",
        "gdal_autotest/gcore/data/complex_float32.tif",
        "gdal_autotest/gcore/data/complex_int32.tif",
        "gdal_autotest/gcore/data/gtiff/cint32_big_endian.tif",
        "gdal_autotest/gcore/data/gtiff/complex_non_zero_real_zero_imag.tif",
    ),
    "integers of 24 bits": ("gdal_autotest/gcore/data/int24.tif",),
    "compression: NeXT, ThunderScan, SGILog": (
        "gdal_autotest/gcore/data/next_default_case.tif",
        "gdal_autotest/gcore/data/next_literalrow.tif",
        "gdal_autotest/gcore/data/next_literalspan.tif",
        "gdal_autotest/gcore/data/thunder.tif",
        "gdal_autotest/gcore/data/uint16_sgilog.tif",
        "image-tiff/images/logluv-3c-16b.tiff",
        "image-tiff/libtiffpic/off_l16.tif",
        "image-tiff/libtiffpic/off_luv24.tif",
        "image-tiff/libtiffpic/off_luv32.tif",
    ),
    "pages that are no bands of one image; GDAL reads the first": (
        "gdal_autotest/gcore/data/second_image_width_above_32bit.tif",
        "gdal_autotest/gcore/data/test_hgrid_with_subgrid.tif",
        "image-tiff/libtiffpic/dscf0013.tif",
        "image-tiff/subsubifds.tif",
        "pillow/compression.tif",
        "pillow/multipage-mmap.tiff",
        "pillow/multipage.tiff",
        "pillow/multipage_out_of_order.tiff",
        "pillow/no_rows_per_strip.tif",
    ),
    "strips are missing": (
        "gdal_autotest/gcore/data/size_of_stripbytecount_at_1_and_lower_than_stripcount.tif",
        "gdal_autotest/gcore/data/size_of_stripbytecount_lower_than_stripcount.tif",
        "gdal_autotest/gcore/data/stripbytecounts_count_not_same_as_stripoffsets_count.tif",
        "image-tiff/fuzz_images/oom_crash/id_000058_sig_06_src_000361_op_havoc_rep_4.tif",
    ),
    "YCbCr with subsampled chroma that is no JPEG": (
        "gdal_autotest/gcore/data/ycbcr_12_lzw.tif",
        "gdal_autotest/gcore/data/ycbcr_21_lzw.tif",
        "gdal_autotest/gcore/data/ycbcr_22_lzw.tif",
        "gdal_autotest/gcore/data/ycbcr_41_lzw.tif",
        "gdal_autotest/gcore/data/ycbcr_42_lzw.tif",
        "gdal_autotest/gcore/data/ycbcr_42_lzw_optimized.tif",
        "gdal_autotest/gcore/data/ycbcr_44_lzw.tif",
        "gdal_autotest/gcore/data/ycbcr_44_lzw_optimized.tif",
        "image-tiff/libtiffpic/ycbcr-cat.tif",
    ),
    "old-style JPEG without a header, which TIFF has withdrawn": (
        "gdal_autotest/gcore/data/zackthecat.tif",
        "image-tiff/libtiffpic/smallliz.tif",
        "image-tiff/libtiffpic/zackthecat.tif",
    ),
    "empty: a thousand times as many pixels as bytes": (
        "gdal_autotest/gdrivers/data/gti/issue_13944/tile1_utm49s.tif",
        "gdal_autotest/gdrivers/data/gti/issue_13944/tile2_utm49s.tif",
        "gdal_autotest/gdrivers/data/gti/issue_13944/tile3_utm49s.tif",
        "gdal_autotest/gdrivers/data/gti/issue_13944/tile4_utm49s.tif",
        "gdal_autotest/gdrivers/data/rcm/fake_VV_VH_GRD/imagery/VH.tif",
        "gdal_autotest/gdrivers/data/rcm/fake_VV_VH_GRD/imagery/VV.tif",
    ),
    "its pages follow each other in a loop": (
        "pillow/multipage_multiple_frame_loop.tiff",
        "pillow/multipage_single_frame_loop.tiff",
    ),
    "RowsPerStrip is nonsense": ("pillow/tiff_overflow_rows_per_strip.tif",),
}


# What both read, but not alike.
DIFFERENT: Final = {
    "pillow/crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif": "its fax is damaged",
    "pillow/old-style-jpeg-compression.tif": "old-style JPEG, by another libjpeg",
    "pillow/old-style-jpeg-compression-no-samplesperpixel.tif": "the same",
}


def by_pillow(data: bytes) -> NDArray[Any]:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def by_gdal_at_all(path: Path) -> tuple[NDArray[Any], bool] | None:
    """Read a file, as it is or else as RGB, and tell whether it is a JPEG of YCbCr."""
    for name in (f"GTIFF_RAW:{path}", str(path)):
        try:
            with rasterio.open(name) as dataset:
                if dataset.width * dataset.height * dataset.count > LARGEST:
                    return None
                jpeg = (dataset.photometric, dataset.compression) == (
                    rasterio.enums.PhotometricInterp.ycbcr,
                    rasterio.enums.Compression.jpeg,
                )
                return np.moveaxis(dataset.read(), 0, -1), jpeg
        except rasterio.errors.RasterioError:
            continue
    return None


def verdict(path: Path, expected: NDArray[Any], *, jpeg: bool) -> str:
    """Say "same", "refused" or what differs."""
    data = path.read_bytes()
    try:
        image = tiff.find_image(memoryview(data), LIMITS)
        pixels = image.read(range(1, image.form.bands + 1))
        some = image.read((image.form.bands, 1, image.form.bands))
    except AsyncRgbError:
        return "refused"
    if jpeg:
        with suppress(UnidentifiedImageError):  # what no Pillow reads some GDAL does
            expected = by_pillow(data)
    if expected.shape[-1] == 1 < pixels.shape[-1]:  # GDAL takes pages for images, not for bands
        return "same" if same(pixels[..., :1], expected) else "its first page differs"
    if not same(some, pixels[..., [-1, 0, -1]]):
        return "its bands differ, read alone"
    return "same" if same(pixels, expected) else "differs"


@pytest.mark.filterwarnings("ignore")  # Pillow's, of what it finds in odd files
def test_agrees_on_all_files_that_both_can_read(data_folder: Path) -> None:
    refused, different, alike = set(), set(), 0
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    for path in sorted(data_folder.rglob("*")):
        theirs = by_gdal_at_all(path) if path.suffix.lower() in (".tif", ".tiff") else None
        if theirs is None:
            continue
        name = str(path.relative_to(data_folder)).removeprefix("odd_tiffs/")
        answer = verdict(path, theirs[0], jpeg=theirs[1])
        alike += answer == "same"
        if answer == "refused":
            refused.add(name)
        elif answer != "same":
            different.add(name)

    assert different == {*DIFFERENT}
    assert refused == {name for names in REFUSED.values() for name in names}
    assert alike > 950
