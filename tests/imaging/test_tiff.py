"""From the bytes of a TIFF to its pixels: what is refused, and how."""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging import tiff
from asyncrgb.options import Limits

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


def decode(data: bytes, max_pixels: int = Limits().max_pixels) -> NDArray[Any]:
    return tiff.decode(memoryview(data), max_pixels)


def is_answered(data: bytes) -> str:
    """Tell what comes of ``data``: "pixels" of a sound kind or the message of an error of ours."""
    try:
        pixels = decode(data, max_pixels=2**18)
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
    pixels = tiff.decode(memoryview(data), 0)
    before = int(pixels[-1, -1, -1])
    data[-2:] = struct.pack("<H", before + 1)

    assert pixels[-1, -1, -1] == before + 1


def test_the_first_of_several_pages_counts(write_tiff: Write) -> None:
    data = write_tiff(np.stack([SMALL, SMALL + 1]))

    np.testing.assert_array_equal(decode(data), SMALL)


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
    assert decode(files[kind], max_pixels=20).shape == (5, 4, 3)
    assert decode(files[kind], max_pixels=0).shape == (5, 4, 3)
    with pytest.raises(LimitError, match=r"5 x 4 .*19.*Limits\.max_pixels"):
        decode(files[kind], max_pixels=19)


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
    tags = {256: side, 257: side, 258: ("H", [64]), 259: ("H", [8]), 277: bands, 339: ("H", [3])}
    data = handmade_tiff(SMALL, tags=tags)

    with pytest.raises(LimitError, match=r"does not fit into memory: cut it"):
        decode(data, max_pixels=0)


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
            decode(data, max_pixels=0)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
