"""The PNG writer: what two other readers see in its files, and how these are built."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asyncrgb.errors import EncodeError
from asyncrgb.imaging.writing import png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LEVELS: Final = range(10)
COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}


class Chunk(NamedTuple):
    kind: bytes
    body: bytes


def chunks(file: bytes) -> Iterator[Chunk]:
    """Take a PNG apart as its specification says, checksums verified."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        body = file[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", file, at + 8 + length)
        assert checksum == zlib.crc32(file[at + 4 : at + 8 + length])
        yield Chunk(file[at + 4 : at + 8], body)
        at += 12 + length
    assert at == len(file)


def seen_by_pillow(file: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(file)) as image:
        pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def seen_by_libpng(file: bytes) -> NDArray[Any]:
    pixels: NDArray[Any] = imagecodecs.png_decode(file)
    return pixels.reshape(*pixels.shape[:2], -1)


def picture(shape: tuple[int, ...], dtype: str, values: int, seed: int) -> NDArray[Any]:
    """Draw ``values`` different intensities: 1 is flat, many are noise, on either end."""
    noise = np.random.default_rng(seed).integers(0, values, shape)
    return (noise - values // 2).astype(dtype)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4)),
    dtype=st.sampled_from(["u1", "u2", ">u2"]),
    level=st.sampled_from(LEVELS),
    values=st.sampled_from([1, 2, 9, 256, 65_536]),
    seed=st.integers(0, 2**32 - 1),
)
def test_other_readers_see_the_same_pixels(
    shape: tuple[int, int, int], dtype: str, level: int, values: int, seed: int
) -> None:
    pixels = picture(shape, dtype, values, seed)
    file = png.encode(pixels, level)

    np.testing.assert_array_equal(seen_by_libpng(file), pixels)
    if dtype == "u1":
        np.testing.assert_array_equal(seen_by_pillow(file), pixels)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (9, 1, 4), (33, 31, 2), (64, 64, 3)])
def test_files_are_built_as_the_specification_says(
    shape: tuple[int, int, int], dtype: str, level: int
) -> None:
    height, width, samples = shape
    pixels = picture(shape, dtype, 9, 0)
    file = png.encode(pixels, level)
    header, text, *data, end = chunks(file)

    bits = 8 * pixels.itemsize
    fields = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[samples], 0, 0, 0)
    assert header == (b"IHDR", fields)
    assert text == (b"tEXt", b"Software\0asyncrgb")
    assert end == (b"IEND", b"")
    assert {chunk.kind for chunk in data} == {b"IDAT"}
    rows = zlib.decompress(b"".join(chunk.body for chunk in data))
    row = 1 + width * samples * pixels.itemsize
    assert len(rows) == height * row
    assert set(rows[::row]) <= {0, 1, 2, 3, 4}
    with Image.open(io.BytesIO(file)) as image:
        image.verify()


def test_a_file_says_what_wrote_it() -> None:
    with Image.open(io.BytesIO(png.encode(np.zeros((4, 4, 3), "u1")))) as image:
        assert image.text == {"Software": "asyncrgb"}  # type: ignore[attr-defined]


def test_a_long_stream_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "_LARGEST_CHUNK", 100)
    pixels = picture((20, 20, 3), "u1", 256, 0)
    file = png.encode(pixels)
    _, _, *data, _ = chunks(file)

    assert len(data) > 10
    assert {len(chunk.body) for chunk in data[:-1]} == {100}
    np.testing.assert_array_equal(seen_by_pillow(file), pixels)


@pytest.mark.parametrize("level", range(1, 10))
def test_a_flat_picture_is_small(level: int) -> None:
    pixels = np.full((500, 500, 3), 77, "u1")

    assert len(png.encode(pixels, level)) < pixels.nbytes / 150


def test_level_0_only_stores() -> None:
    pixels = np.full((1000, 1000, 3), 77, "u1")

    assert 0 < len(png.encode(pixels, 0)) - pixels.nbytes < 2000


def test_the_default_level_is_1() -> None:
    pixels = picture((64, 64, 3), "u1", 9, 0)

    assert png.encode(pixels) == png.encode(pixels, 1)


@pytest.mark.parametrize("level", LEVELS)
def test_a_view_is_encoded_as_its_copy(level: int) -> None:
    pixels = picture((20, 30, 5), "u1", 256, 0)
    before = pixels.copy()
    view = pixels[::-1, ::2, 3:0:-1]

    assert png.encode(view, level) == png.encode(view.copy(), level)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 4), "u1"),
        ((4,), "u1"),
        ((1, 4, 4, 3), "u1"),
        ((0, 4, 3), "u1"),
        ((4, 0, 3), "u1"),
        ((4, 4, 0), "u1"),
        ((4, 4, 5), "u1"),
        ((4, 4, 3), "i1"),
        ((4, 4, 3), "i2"),
        ((4, 4, 3), "u4"),
        ((4, 4, 3), "u8"),
        ((4, 4, 3), "f4"),
        ((4, 4, 3), "?"),
    ],
)
def test_what_png_cannot_hold_is_named(shape: tuple[int, ...], dtype: str) -> None:
    pixels = np.zeros(shape, dtype)

    with pytest.raises(EncodeError) as caught:
        png.encode(pixels)

    assert str(shape) in str(caught.value)
    assert str(pixels.dtype) in str(caught.value)


@pytest.mark.parametrize("shape", [(2**31, 1, 1), (1, 2**31, 1)])
def test_a_side_is_shorter_than_two_to_the_31(shape: tuple[int, ...]) -> None:
    pixels = np.broadcast_to(np.uint8(0), shape)

    with pytest.raises(EncodeError, match="2147483648"):
        png.encode(pixels)
