"""Strips and tiles: bombs among them, what decoders are trusted with, what is remembered."""

from __future__ import annotations

import gc
import lzma
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.errors import DecodeError
from asyncrgb.imaging.reading import decoders, layout, segments, tiff
from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

SMALL: Final = np.arange(8 * 16 * 3, dtype="u1").reshape(8, 16, 3)


def read(data: bytes | bytearray) -> NDArray[Any]:
    image = tiff.find_image(memoryview(data), Limits())
    return image.read(range(1, image.form.bands + 1))


@pytest.fixture(scope="session")
def strip(handmade_tiff: Write) -> Write:
    """Give the function that writes a TIFF of one strip, which is a stream, whatever that is."""

    def write(
        stream: bytes,
        compression: int,
        pixels: NDArray[Any] = SMALL,
        tags: Mapping[int, Any] | None = None,
    ) -> bytes:
        every = {259: ("H", [compression]), 279: ("I", [len(stream)]), **(tags or {})}
        offset = len(handmade_tiff(pixels, tags={**every, 273: ("I", [0])}))
        return handmade_tiff(pixels, tags={**every, 273: ("I", [offset])}) + stream

    return write


SIDE: Final = 4096
BIG: Final = np.zeros((SIDE, SIDE, 3), "u1")  # 48 MiB
PICTURES: Final[dict[int, Callable[..., Any]]] = {
    7: imagecodecs.jpeg8_encode,
    34712: lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0),
    50001: lambda pixels: imagecodecs.webp_encode(pixels, lossless=True),
    50002: lambda pixels: imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1),
    34933: imagecodecs.png_encode,
    34887: imagecodecs.lerc_encode,
}


@pytest.mark.parametrize("compression", PICTURES)
def test_pictures_in_segments_are_read(strip: Write, compression: int) -> None:
    pixels = read(strip(PICTURES[compression](SMALL), compression))

    if compression != 7:
        np.testing.assert_array_equal(pixels, SMALL)
    assert pixels.shape == SMALL.shape


@pytest.mark.parametrize("compression", PICTURES)
def test_a_picture_larger_than_its_segment_is_refused_before_it_is_decoded(
    strip: Write,
    compression: int,
) -> None:
    data = strip(PICTURES[compression](BIG), compression)
    values = SIDE * SIDE * (3 if compression in (7, 34712, 34887) else 1)

    with pytest.raises(DecodeError, match=rf"^{values} values in a strip or tile of 384"):
        read(data)


@pytest.mark.parametrize("compression", PICTURES)
@pytest.mark.parametrize("cut", [1, 8, 20])
def test_a_picture_that_does_not_say_its_size_is_refused(
    strip: Write, compression: int, cut: int
) -> None:
    stream = PICTURES[compression](SMALL)[:cut]

    with pytest.raises(DecodeError):
        read(strip(stream, compression))
    with pytest.raises(DecodeError):
        read(strip(bytes(64), compression))


@pytest.mark.parametrize("compression", PICTURES)
@pytest.mark.parametrize("share", [0.4, 0.7, 0.97])
def test_a_picture_that_was_cut_is_refused(strip: Write, compression: int, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "u1")
    stream = PICTURES[compression](noise)

    assert read(strip(stream, compression, noise)).shape == noise.shape
    with pytest.raises(DecodeError):
        read(strip(stream[: int(len(stream) * share)], compression, noise))


@given(stream=st.binary(max_size=80), compression=st.sampled_from(sorted(PICTURES)))
def test_any_bytes_as_a_picture_are_refused(strip: Write, stream: bytes, compression: int) -> None:
    start = PICTURES[compression](SMALL)[:12]

    for each in (stream, start + stream):
        if each:
            with pytest.raises(DecodeError):
                read(strip(each, compression))


@pytest.mark.parametrize("compression", [34934, 22610, 65000, 48124, 9, 32766, 60000])
def test_what_cannot_be_checked_is_not_decoded(strip: Write, compression: int) -> None:
    with pytest.raises(DecodeError, match=rf"compression {compression} cannot be decoded"):
        read(strip(bytes(99), compression))


def test_values_of_another_kind_are_refused(strip: Write) -> None:
    """The decoder goes by the stream: what the file says would be wrong."""
    stream = imagecodecs.jpegxl_encode(SMALL.astype("u2"), lossless=True)

    with pytest.raises(DecodeError, match="uint16, and the file says uint8"):
        read(strip(stream, 50002))


BOMBS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "deflate": (8, lambda zeros: zlib.compress(zeros, 9)),
    "old deflate": (32946, lambda zeros: zlib.compress(zeros, 9)),
    "lzw": (5, lambda zeros: bytes(imagecodecs.lzw_encode(zeros[: 2**24]))),
    "packbits": (32773, lambda _: b"\x81\0" * 2**18),
    "zstd": (50000, lambda zeros: bytes(imagecodecs.zstd_encode(zeros))),
    "lzma": (34925, lzma.compress),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_do_not_get_memory(strip: Write, kind: str) -> None:
    compression, bomb = BOMBS[kind]
    data = strip(bomb(bytes(2**27)), compression)

    tracemalloc.start()
    try:
        try:
            pixels = read(data)
            assert not pixels.any()
        except DecodeError:
            pass
        assert tracemalloc.get_traced_memory()[1] < 20_000_000 + len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bits", ["u1", "u2", "bool"])
@pytest.mark.parametrize("compression", [8, 32946])
def test_deflate_may_fill_up_the_last_strip(
    handmade_tiff: Write, bits: str, compression: int
) -> None:
    """Some writers make it as long as the others; GDAL reads that."""
    pixels = SMALL[..., :1].astype(bits)
    assert (read(filled_up(handmade_tiff, pixels, compression)) == pixels).all()


@pytest.mark.parametrize("damage", [b"\0\0\0\0", b"", b"\xff" * 9])
def test_a_last_strip_filled_up_with_damage_is_refused(handmade_tiff: Write, damage: bytes) -> None:
    with pytest.raises(DecodeError):
        read(filled_up(handmade_tiff, SMALL, 8, lambda stream: stream[:-4] + damage))


@pytest.mark.parametrize("more", [-1, 1, 48, 1000])
def test_deflate_of_another_length_is_refused(handmade_tiff: Write, more: int) -> None:
    """A damaged width would be read else, and make nonsense of all rows."""
    with pytest.raises(DecodeError):
        read(filled_up(handmade_tiff, SMALL, 8, more=more))


def filled_up(
    handmade_tiff: Write,
    pixels: NDArray[Any],
    compression: int,
    damaged: Callable[[bytes], bytes] = bytes,
    more: int = 0,
) -> bytes:
    """Write deflated strips of 5 rows, the last of them too, but ``more`` or less bytes."""
    bits = pixels.dtype == bool
    rows = np.packbits(pixels, axis=1) if bits else pixels
    full = rows[:5].nbytes
    stored = (rows[:5].tobytes(), rows[5:].tobytes().ljust(full + more, b"\7"))
    first, last = zlib.compress(stored[0]), damaged(zlib.compress(stored[1]))
    tags: dict[int, Any] = {258: ("H", [1]), 339: None} if bits else {}
    tags |= {259: ("H", [compression]), 278: ("H", [5]), 279: ("I", [len(first), len(last)])}
    plain = pixels.astype("u1") if bits else pixels
    start = len(handmade_tiff(plain, tags={**tags, 273: ("I", [0, 0])}))
    offsets = {273: ("I", [start, start + len(first)])}
    return handmade_tiff(plain, tags=tags | offsets) + first + last


def test_decoders_do_not_keep_files(write_tiff: Write) -> None:
    """One is kept for each way to store an image, for as long as the process lives."""

    noise = np.random.default_rng(0).integers(0, 2**16, (700, 700, 5), "u2")
    data = write_tiff(noise, compression="lzma")

    tracemalloc.start()
    try:
        assert read(bytearray(data)).shape == noise.shape
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000 < len(data)
    finally:
        tracemalloc.stop()


def test_a_decoder_is_made_once_for_all_files_alike(
    write_tiff: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        write_tiff(np.full((9, 12, 5), value, "u2"), compression="lzma") for value in (1, 2)
    )
    assert read(first).max() == 1
    monkeypatch.setattr(decoders, "opened", None)

    assert read(second).min() == 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_is_not_stored_is_without_data(handmade_tiff: Write, order: str) -> None:
    """Of some strips only, and of one plane only."""
    pixels = np.arange(12, dtype="i2").reshape(6, 2, 1)
    tags = {42113: ("A", b"-7\0"), 279: ("I", [8, 0, 8])}
    data = handmade_tiff(pixels, order=order, rows=2, tags=tags)

    expected = pixels.copy()
    expected[2:4] = -7
    np.testing.assert_array_equal(read(data), expected)


@pytest.mark.parametrize(
    ("dtype", "nodata", "expected"),
    [
        ("u1", None, 0),
        ("u1", -1, 0),
        ("u1", 255, 255),
        ("i2", -9999, -9999),
        ("f4", -9999, -9999),
        ("u2", float("nan"), 0),
        ("u2", float("inf"), 0),
    ],
)
def test_nothing_is_filled_in_as_gdal_does(
    dtype: str, nodata: float | None, expected: float
) -> None:
    form = layout.Form(1, 1, 1, np.dtype(dtype), 8, "grey", None, nodata)

    assert segments.fill_value(form) == expected


@pytest.mark.parametrize("bands", [(1,), (3, 2, 1), (1, 3), (2, 3, 4), (4, 4), (1, 2, 4), (4, 1)])
def test_picks_bands(bands: tuple[int, ...]) -> None:
    pixels = np.arange(24).reshape(2, 3, 4)
    picked = segments.pick(pixels, bands)

    np.testing.assert_array_equal(picked, np.stack([pixels[..., b - 1] for b in bands], axis=-1))


@pytest.mark.parametrize("bands", [(1,), (4, 3, 2), (1, 3), (4, 1)])
def test_evenly_spaced_bands_are_a_view(bands: tuple[int, ...]) -> None:
    pixels = np.zeros((2, 3, 4))

    assert np.shares_memory(segments.pick(pixels, bands), pixels)
