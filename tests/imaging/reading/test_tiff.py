"""From the bytes of a TIFF to an image and its bands: what is refused, and how."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging.reading import tiff
from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

SMALL: Final = np.arange(5 * 4 * 3, dtype="u2").reshape(5, 4, 3) * 1000
KINDS: Final[dict[str, dict[str, Any]]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "strips": {"rowsperstrip": 2},
    "planar": {"planarconfig": "separate"},
    "tiled": {"tile": (16, 16)},
    "deflate": {"compression": "zlib", "rowsperstrip": 2},
    "lzw": {"compression": "lzw", "predictor": 2},
    "zstd": {"compression": "zstd"},
    "BigTIFF": {"bigtiff": True},
}


UNLIMITED: Final = Limits(max_pixels=0, max_bands=0, max_expansion=0)


def find(data: bytes | bytearray, limits: Limits = Limits()) -> tiff.Image:  # noqa: B008 - frozen
    return tiff.find_image(memoryview(data), limits)


def decode(data: bytes, limits: Limits = Limits()) -> NDArray[Any]:  # noqa: B008 - frozen
    image = find(data, limits)
    return image.read(range(1, image.form.bands + 1))


def is_answered(data: bytes) -> str:
    """Tell what comes of ``data``: "pixels" of a sound kind or the message of an error of ours."""
    try:
        pixels = decode(data, Limits(max_pixels=2**18))
    except AsyncRgbError as error:
        return str(error)
    pixels.tobytes()  # every pixel can be read
    sound = pixels.ndim == 3 and pixels.size and pixels.dtype.kind in "buif"
    return "pixels" if sound else ""


@pytest.fixture(scope="session")
def files(write_tiff: Write) -> dict[str, bytes]:
    """Give one file of each of KINDS, all of SMALL."""
    planes = np.moveaxis(SMALL, -1, 0)
    return {
        name: write_tiff(planes if name == "planar" else SMALL, software=False, **options)
        for name, options in KINDS.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_come_as_height_width_bands(files: dict[str, bytes], kind: str) -> None:
    pixels = decode(files[kind])

    assert pixels.shape == (5, 4, 3)
    assert pixels.dtype.newbyteorder("=") == np.uint16
    np.testing.assert_array_equal(pixels, SMALL)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_one_band_is_a_band(write_tiff: Write, options: dict[str, Any]) -> None:
    data = write_tiff(SMALL[..., :1], **options)

    np.testing.assert_array_equal(decode(data), SMALL[..., :1])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
)
def test_every_real_dtype_comes_through(
    write_tiff: Write, dtype: str, options: dict[str, Any]
) -> None:
    pixels = (SMALL // 500).astype(dtype)
    decoded = decode(write_tiff(pixels, **options))

    assert decoded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(decoded, pixels)


def test_plain_pixels_are_a_view(files: dict[str, bytes]) -> None:
    data = bytearray(files["plain"])
    pixels = tiff.find_image(memoryview(data), Limits()).read([1, 2, 3])
    before = int(pixels[-1, -1, -1])
    data[-2:] = struct.pack("<H", before + 1)

    assert pixels[-1, -1, -1] == before + 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bands", [(3, 1, 2), (1, 1, 1), (2,), (3, 2, 1), (1, 3), (2, 2, 3, 1)])
def test_bands_come_in_the_order_asked_for(
    files: dict[str, bytes], kind: str, bands: tuple[int, ...]
) -> None:
    expected = SMALL[..., [band - 1 for band in bands]]

    np.testing.assert_array_equal(find(files[kind]).read(bands), expected)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_only_planes_of_wanted_bands_are_decoded(write_tiff: Write, compression: str) -> None:
    """Damage of another band does no harm; in a chunky file it cannot be told apart."""
    planes = np.moveaxis(SMALL, -1, 0)
    data = bytearray(write_tiff(planes, planarconfig="separate", compression=compression))
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        page = tif.pages.first
        start, size = page.dataoffsets[1], page.databytecounts[1]
    data[start : start + size] = b"\xff" * size

    np.testing.assert_array_equal(find(data).read([3, 1]), SMALL[..., [2, 0]])


# Pages.


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_pages_of_one_shape_are_bands(
    write_tiff: Write, options: dict[str, Any], photometric: str
) -> None:
    planes = np.moveaxis(SMALL, -1, 0)
    image = find(write_tiff(planes, planarconfig=None, photometric=photometric, **options))

    assert image.form[:4] == (5, 4, 3, SMALL.dtype)
    assert image.form.colours == "grey"
    np.testing.assert_array_equal(image.read([3, 1, 3]), SMALL[..., [2, 0, 2]])


def pages(*each: tuple[NDArray[Any], dict[str, Any]], kind: int = 2) -> bytes:
    """Write pages, and say of those that are a PAGE (2) what else they are."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for pixels, options in each:
            writer.write(pixels, metadata=None, **options)
    old, new = (struct.pack("<HHII", 254, 4, 1, number) for number in (2, kind))
    return file.getvalue().replace(old, new)


GREY: Final[dict[str, Any]] = {"photometric": "minisblack"}
PAGE: Final[dict[str, Any]] = {"subfiletype": 2, **GREY}
FIRST: Final = SMALL[..., 0]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([(FIRST[:4], GREY)], "2 pages of 4 x 4 x 1 uint16 .grey. and 5 x 4 x 1 uint16"),
        ([(FIRST.astype("f4"), GREY)], "5 x 4 x 1 float32 .grey. and 5 x 4 x 1 uint16"),
        ([(FIRST.astype("u1"), GREY), (FIRST, GREY)], "3 pages of"),
        ([(FIRST, {"photometric": "miniswhite"})], ".grey. and .* .inverted."),
    ],
)
def test_other_pages_are_refused_by_what_they_are(
    others: list[tuple[NDArray[Any], dict[str, Any]]], message: str
) -> None:
    with pytest.raises(DecodeError, match=f"{message}.*split"):
        find(pages((FIRST, GREY), *others))


def test_pages_of_several_bands_are_refused(write_tiff: Write) -> None:
    with pytest.raises(DecodeError, match=r"2 pages of 5 x 4 x 3 uint16 \(grey\): .*split"):
        find(write_tiff(np.stack([SMALL, SMALL + 1])))


@pytest.mark.parametrize("kind", [1, 5])
def test_overviews_are_no_bands(kind: int) -> None:
    data = pages((FIRST, GREY), (FIRST[::2, ::2], PAGE), kind=kind)
    image = find(data)

    assert image.form.bands == 1
    assert image.read_mask() is None
    np.testing.assert_array_equal(image.read([1])[..., 0], FIRST)


@pytest.mark.parametrize("dtype", ["u1", "bool"])
def test_a_mask_is_no_band(dtype: str) -> None:
    mask = np.eye(5, 4, dtype=dtype) * np.array(255).astype(dtype)
    image = find(pages((FIRST, GREY), (mask, PAGE), kind=4))

    assert image.form.bands == 1
    np.testing.assert_array_equal(image.read([1])[..., 0], FIRST)
    np.testing.assert_array_equal(image.read_mask(), np.eye(5, 4, dtype=bool))


def test_a_mask_of_another_shape_masks_nothing() -> None:
    mask = np.zeros((3, 4), "u1")
    image = find(pages((FIRST, GREY), (mask, PAGE), kind=4))

    assert image.read_mask() is None


def test_a_palette_gives_colours(write_tiff: Write) -> None:
    colours = np.arange(768, dtype="u2").reshape(3, 256) * 85
    data = write_tiff(SMALL[..., :1].astype("u1"), photometric="palette", colormap=colours)
    image = find(data)

    assert image.form.colours == "palette"
    np.testing.assert_array_equal(image.palette, (colours >> 8).T)


@pytest.mark.parametrize("options", [{}, {"compression": "packbits"}])
def test_single_bits_are_numbers(write_tiff: Write, options: dict[str, Any]) -> None:
    bits = SMALL[..., :1] % 3000 == 0
    image = find(write_tiff(bits, **options))

    assert image.form.dtype == np.uint8
    assert image.form.bits == 1
    np.testing.assert_array_equal(image.read([1]), bits.astype("u1"))


# What is missing.


def test_the_last_strip_may_be_shorter_than_it_says(handmade_tiff: Write) -> None:
    """GDAL, Pillow and tifffile read such a file."""
    data = handmade_tiff(SMALL, rows=3, tags={279: ("I", [72, 72])})

    np.testing.assert_array_equal(decode(data), SMALL)


@pytest.mark.parametrize("strips", [1, 3])
@pytest.mark.parametrize(("nodata", "value"), [(None, 0), (("A", b"7\0"), 7)])
def test_a_sparse_file_has_no_data(
    handmade_tiff: Write, strips: int, nodata: tuple[str, bytes] | None, value: int
) -> None:
    """GDAL stores nothing, offsets of 0, where all pixels are without data."""
    nowhere = ("I", [0] * strips)
    tags = {273: nowhere, 279: nowhere, 42113: nodata}
    data = handmade_tiff(SMALL, rows=5 if strips == 1 else 2, tags=tags)

    np.testing.assert_array_equal(decode(data), np.full((5, 4, 3), value))


def test_strips_may_share_their_bytes(handmade_tiff: Write) -> None:
    """All strips of an even image can be one: what they add up to is more than the file has."""
    flat = np.full((40, 8, 2), 7, "u2")
    first = handmade_tiff(flat, rows=1)
    with tifffile.TiffFile(io.BytesIO(first)) as tif:
        start = tif.pages.first.dataoffsets[0]
    data = handmade_tiff(flat, rows=1, tags={273: ("I", [start] * 40)})[: start + 32]

    np.testing.assert_array_equal(decode(data), flat)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_plain_file_cut_anywhere_is_refused(handmade_tiff: Write, order: str) -> None:
    data = handmade_tiff(SMALL, order=order, rows=2)

    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:length])


@pytest.mark.parametrize("kind", KINDS)
def test_any_file_cut_anywhere_is_refused(files: dict[str, bytes], kind: str) -> None:
    data = files[kind]
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        page = tif.pages.first
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        needed = max(page.offset, *ends)

    for length in range(needed - 1 if kind == "lzw" else needed):  # which ends in a mark
        with pytest.raises(DecodeError):
            decode(data[:length])


@pytest.mark.parametrize("planes", [False, True])
def test_cut_tiles_are_never_taken_for_whole_ones(write_tiff: Write, *, planes: bool) -> None:
    """For tifffile a tile at the edge is whole when its part inside the image is."""
    pixels = np.arange(1, 1 + 20 * 18 * 2, dtype="u1").reshape(20, 18, 2)
    data = write_tiff(
        np.moveaxis(pixels, -1, 0) if planes else pixels,
        planarconfig="separate" if planes else "contig",
        tile=(16, 16),
    )

    np.testing.assert_array_equal(decode(data), pixels)
    for length in range(len(data) - 2048, len(data), 8):
        with pytest.raises(DecodeError, match=f"truncated.* byte {len(data)},"):
            decode(data[:length])


@pytest.mark.parametrize("kind", ["planar", "tiled", "deflate", "lzw", "zstd", "BigTIFF"])
def test_what_is_missing_is_named_whatever_the_decoder_says(
    files: dict[str, bytes], kind: str
) -> None:
    data = files[kind]

    with pytest.raises(DecodeError, match=f"truncated.* byte {len(data)}, .* {len(data) - 9}:"):
        decode(data[:-9])


def test_one_missing_byte_is_counted(eurosat_chips: tuple[bytes, ...]) -> None:
    with pytest.raises(DecodeError, match=r"truncated.* byte 107244, the file has 107243.* again"):
        decode(eurosat_chips[0][:-1])


def test_a_missing_strip_is_counted(handmade_tiff: Write) -> None:
    """The same where the strips lie apart, so that tifffile has to join them."""
    data = handmade_tiff(SMALL, rows=2, gap=2)

    with pytest.raises(DecodeError, match=f"truncated.* {len(data) - 2}, .* {len(data) - 3}:"):
        decode(data[:-3])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)  # for each of the kinds
@given(data=st.data())
def test_damage_gives_pixels_or_an_error_of_ours(
    files: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    damaged = bytearray(files[kind])
    byte = st.sampled_from([0, 1, 2, 3, 4, 8, 127, 128, 255]) | st.integers(0, 255)
    edit = st.tuples(st.integers(0, len(damaged) - 1), byte)
    for at, value in data.draw(st.lists(edit, min_size=1, max_size=5)):
        damaged[at] = value

    assert is_answered(bytes(damaged))


def test_hostile_files_give_pixels_or_an_error_of_ours(data_folder: Path) -> None:
    """GDAL's, libtiff's, Pillow's and Go's own test files, corrupt and hostile ones included."""
    paths = sorted(data_folder.glob("odd_tiffs/**/*.tif*"))
    answers = [is_answered(path.read_bytes()) for path in paths]

    assert all(answers)
    assert answers.count("pixels") > 500


def test_an_empty_file_is_named() -> None:
    with pytest.raises(DecodeError, match=r"empty \(0 bytes\).* again"):
        decode(b"")


@pytest.mark.parametrize(
    "start", [b"hello, world", b"\x89PNG\r\n\x1a\n", b"II\x2a\x01", b"PK\x03\x04", b"I"]
)
def test_what_is_no_tiff_is_shown_with_a_remedy(start: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(start + bytes(100))

    assert "not a TIFF file" in str(caught.value)
    assert repr((start + bytes(8))[:8]) in str(caught.value)
    assert "copy it again" in str(caught.value)


def test_a_damaged_file_names_fault_and_remedy(files: dict[str, bytes]) -> None:
    data = files["deflate"]
    with pytest.raises(DecodeError, match=r"damaged .*Error.*tiffinfo.* again") as caught:
        decode(data[:-20] + bytes(20))

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_pixels_are_refused(write_tiff: Write, dtype: str) -> None:
    """Radar: which of magnitude, phase and parts is to be shown is not for us to guess."""
    with pytest.raises(DecodeError, match=f"{dtype}.*magnitude"):
        decode(write_tiff(SMALL.astype(dtype)))


def test_a_volume_is_refused(write_tiff: Write) -> None:
    data = write_tiff(
        np.zeros((4, 16, 16), "u1"), volumetric=True, tile=(4, 16, 16), planarconfig=None
    )

    with pytest.raises(DecodeError, match="4 layers"):
        decode(data)


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_is_the_largest_number_allowed(files: dict[str, bytes], kind: str) -> None:
    tiles = 16 * 16 if kind == "tiled" else 20  # pixels, and those of a tile
    shown = "16 x 16" if kind == "tiled" else "5 x 4"
    assert decode(files[kind], Limits(max_pixels=tiles)).shape == (5, 4, 3)
    assert decode(files[kind], UNLIMITED).shape == (5, 4, 3)
    with pytest.raises(LimitError, match=rf"{shown} .*{tiles - 1}.*Limits\.max_pixels"):
        find(files[kind], Limits(max_pixels=tiles - 1))


@pytest.mark.parametrize("kind", KINDS)
def test_bands_are_limited(files: dict[str, bytes], kind: str) -> None:
    assert find(files[kind], Limits(max_bands=3)).form.bands == 3
    with pytest.raises(LimitError, match=r"^3 bands .* 2: raise Limits\.max_bands"):
        find(files[kind], Limits(max_bands=2))


@pytest.mark.parametrize("subfiletype", [0, 1, 4])
def test_pages_are_limited_as_bands_are(subfiletype: int) -> None:
    data = pages((FIRST, GREY), *[(FIRST, PAGE)] * 4, kind=subfiletype)

    find(data, Limits(max_bands=5))
    with pytest.raises(LimitError, match=r"more than 4 bands .*Limits\.max_bands"):
        find(data, Limits(max_bands=4))


SIDE: Final = 8192  # 64 MiB of single bytes, one more row is too much of them


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(
    ("rows", "bands", "fits"),
    [(2730, 3, True), (2731, 3, False), (2730, 1, True), (2731, 1, False), (8193, 1, False)],
)
def test_what_declares_far_more_than_it_has_is_refused(
    handmade_tiff: Write, rows: int, bands: int, compression: int, *, fits: bool
) -> None:
    """Even one band of a byte becomes a picture of three."""
    size = {256: ("I", [SIDE]), 257: ("I", [rows]), 278: ("I", [rows]), 259: ("H", [compression])}
    data = handmade_tiff(SMALL[..., :bands].astype("u1"), tags=size)

    expected = DecodeError if fits else LimitError
    with pytest.raises(expected, match="truncated|damaged" if fits else "max_expansion"):
        decode(data)
    with pytest.raises(DecodeError):
        decode(data, Limits(max_expansion=0))


@pytest.mark.parametrize("side", [16400, 65520, 2**31])
@pytest.mark.parametrize("compression", [1, 8, 5, 7])
def test_tiles_larger_than_the_image_are_limited(
    handmade_tiff: Write, side: int, compression: int
) -> None:
    tile = {322: ("I", [side]), 323: ("I", [side]), 324: ("I", [8]), 325: ("I", [50])}
    tags = {273: None, 278: None, 279: None, 259: ("H", [compression]), **tile}
    data = handmade_tiff(SMALL[..., :1].astype("u1"), tags=tags)

    with pytest.raises(LimitError, match=f"{side} x {side} pixels"):
        decode(data)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="uncompressed"),
        pytest.param({278: ("I", [1])}, id="a strip a row"),
        pytest.param({259: ("H", [8])}, id="deflate"),
        pytest.param({259: ("H", [8]), 284: ("H", [2])}, id="planar"),
    ],
)
def test_the_limit_is_checked_before_pixels_get_memory(
    handmade_tiff: Write, tags: dict[int, Any]
) -> None:
    size = {256: ("I", [100_000]), 257: ("I", [100_000])}
    data = handmade_tiff(SMALL, tags=size | tags)

    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match=r"100000 x 100000 .* 268435456"):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # the import of tifffile
    finally:
        tracemalloc.stop()


def test_what_memory_cannot_hold_is_a_limit(handmade_tiff: Write) -> None:
    """1,000 times as much as addresses reach, so that no machine says yes."""
    side, bands = ("I", [10**6]), ("H", [60_000])
    kinds = {258: ("H", [64] * 60_000), 339: ("H", [3] * 60_000), 259: ("H", [8]), 277: bands}
    data = handmade_tiff(SMALL, tags={256: side, 257: side, 278: side, **kinds})

    with pytest.raises(LimitError, match=r"does not fit into memory: cut it"):
        decode(data, UNLIMITED)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({278: ("I", [60_000])}, id="plain"),
        pytest.param({278: ("I", [60_000]), 254: ("I", [4])}, id="by way of tifffile"),
    ],
)
def test_without_a_limit_what_is_missing_gets_no_memory(
    handmade_tiff: Write, tags: dict[int, Any]
) -> None:
    size = {256: ("I", [60_000]), 257: ("I", [60_000]), 279: ("I", [3_600_000_000])}
    data = handmade_tiff(SMALL[..., :1].astype("u1"), tags=size | tags)

    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="truncated"):
            decode(data, UNLIMITED)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


RENDER_ALL: Final = """
import logging, resource, sys, time, warnings
from pathlib import Path
from asyncrgb.errors import AsyncRgbError
from asyncrgb.imaging import chip
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions

logging.disable(logging.CRITICAL)
warnings.simplefilter("error")
pictures = 0
slowest = 0.0
for path in sorted(Path(sys.argv[1]).rglob("*.tif*")):
    for bands in ((1, 1, 1), None):
        start = time.process_time()
        try:
            chip.picture(path.read_bytes(), RenderOptions(bands=bands), Limits(), judge=True)
            pictures += 1
        except AsyncRgbError:
            pass
        slowest = max(slowest, time.process_time() - start)
print(pictures, slowest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_hostile_files_take_little_time_and_memory(data_folder: Path) -> None:
    """Of one process for all of them: what it takes for the largest picture that limits allow."""
    command = [sys.executable, "-c", RENDER_ALL, str(data_folder / "odd_tiffs")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    pictures, slowest, megabytes = shown.stdout.split()

    assert int(pictures) > 1500
    assert float(slowest) < 5
    assert int(megabytes) < 900
    assert not shown.stderr


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize(
    ("shape", "size"),
    [((20, 18, 13), (20, 18, 13)), ((13, 18, 20), (18, 20, 13)), ((9, 9, 9), (9, 9, 9))],
)
def test_an_array_that_tifffile_wrote_by_its_defaults_comes_back(
    shape: tuple[int, ...], size: tuple[int, ...], options: dict[str, Any]
) -> None:
    """A page for each row, or for each band: the shortest axis is that of the bands."""
    array = np.arange(np.prod(shape), dtype="u2").reshape(shape)
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="minisblack", **options)

    decoded = decode(file.getvalue())
    expected = array if shape == size and shape != (9, 9, 9) else np.moveaxis(array, 0, -1)
    assert decoded.shape == size
    np.testing.assert_array_equal(decoded, expected)


def test_pages_without_such_a_note_are_bands(write_tiff: Write) -> None:
    rows = np.arange(20 * 18 * 3, dtype="u2").reshape(20, 18, 3)
    data = write_tiff(rows, planarconfig=None)

    np.testing.assert_array_equal(decode(data), np.moveaxis(rows, 0, -1))
