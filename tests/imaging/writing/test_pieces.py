"""Pieces of a picture, joined: what other readers see in the file, however it was cut."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asyncrgb.errors import EncodeError
from asyncrgb.imaging.reading.georeference import Georeference
from asyncrgb.imaging.writing import pieces
from asyncrgb.imaging.writing.directory import TiffRecipe
from asyncrgb.imaging.writing.joining import PngNote, PngRecipe, Recipe, joiner
from tests.imaging.writing.test_png import chunks, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVELS: Final = range(10)
NOWHERE: Final = Georeference(
    pixel_scale=(10.0, 10.0, 0.0),
    tiepoints=(0.0, 0.0, 0.0, 600_000.0, 5_300_040.0, 0.0),
    keys=(1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32_632),
)


def recipe(
    pixels: NDArray[Any],
    name: str = "png",
    tile_height: int = 256,
    georeference: Georeference | None = None,
) -> Recipe:
    height, width, samples = pixels.shape
    return pieces.recipe(
        name,
        height,
        width,
        samples,
        8 * pixels.itemsize,
        tile_height=tile_height,
        georeference=georeference,
    )


def joined(
    pixels: NDArray[Any], cuts: Sequence[int], how: Recipe, level: int = 1
) -> tuple[bytes, list[bytes]]:
    """Encode the rows between ``cuts`` one by one and join them; give the pieces too."""
    join = joiner(sent(how))
    file, made = bytearray(join.begin()), []
    for top, bottom in zip([0, *cuts], [*cuts, len(pixels)], strict=True):
        piece, note = pieces.piece(pixels[top:bottom], how, level)
        assert len(piece) <= pieces.room(how, bottom - top)
        file += join.add(sent(note), len(piece))
        file += piece
        made.append(piece)
    tail, patches = join.end()
    file += tail
    for at, patch in patches:
        file[at : at + len(patch)] = patch
    return bytes(file), made


def sent(thing: Any) -> Any:  # noqa: ANN401 - what it was
    """Send from one process to another."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own


def rows_of(file: bytes) -> bytes:
    """Inflate a PNG, all checksums verified."""
    return zlib.decompress(b"".join(c.body for c in chunks(file) if c.kind == b"IDAT"))


def seen_by_libpng(file: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    seen: NDArray[Any] = imagecodecs.png_decode(file)
    return seen.reshape(shape)


def seen_by_pillow(file: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image).reshape(shape)


cut_pictures = st.tuples(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4)),
    st.sampled_from(["u1", "u2"]),
    st.sampled_from([1, 2, 9, 256, 65_536]),
    st.integers(0, 2**32 - 1),
).flatmap(
    lambda drawn: st.tuples(
        st.just(picture(*drawn)),
        st.sets(st.integers(1, max(1, drawn[0][0] - 1)), max_size=5).map(
            lambda cuts: sorted(cut for cut in cuts if cut < drawn[0][0])
        ),
    )
)


@given(cut=cut_pictures, level=st.sampled_from(LEVELS))
def test_pieces_of_any_height_make_the_same_picture(
    cut: tuple[NDArray[Any], list[int]], level: int
) -> None:
    pixels, cuts = cut
    file, _ = joined(pixels, cuts, recipe(pixels), level)

    np.testing.assert_array_equal(seen_by_libpng(file, pixels.shape), pixels)
    if pixels.itemsize == 1:
        np.testing.assert_array_equal(seen_by_pillow(file, pixels.shape), pixels)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("shape", "dtype"), [((90, 3000, 3), "u1"), ((90, 3000, 2), "u2")])
def test_pieces_of_many_blocks_make_the_same_picture(
    shape: tuple[int, ...], dtype: str, level: int
) -> None:
    """Wide enough to be filtered in more than one block each."""
    pixels = np.cumsum(picture(shape, dtype, 9, 0), axis=1, dtype=dtype)
    file, made = joined(pixels, [50], recipe(pixels), level)

    np.testing.assert_array_equal(seen_by_libpng(file, shape), pixels)
    assert len(made) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_each_piece_stands_for_itself(level: int) -> None:
    pixels = picture((30, 50, 3), "u1", 9, 0)
    how = recipe(pixels)
    for rows in (pixels[:10], pixels[10:11], pixels[11:]):
        piece, note = pieces.piece(rows, how, level)
        assert isinstance(note, PngNote)
        inflater = zlib.decompressobj(-15)
        seen = inflater.decompress(bodies(piece))

        assert not inflater.eof
        assert piece[-8:-4] == b"\0\0\xff\xff"
        assert note == (zlib.adler32(seen), len(seen))
        assert len(seen) == len(rows) * 151
        assert seen[0] in (0, 1)


def bodies(piece: bytes) -> bytes:
    at, found = 0, b""
    while at < len(piece):
        (size,) = struct.unpack_from(">I", piece, at)
        body = piece[at + 4 : at + 8 + size]
        assert body[:4] == b"IDAT"
        assert struct.unpack_from(">I", piece, at + 8 + size) == (zlib.crc32(body),)
        found += body[4:]
        at += 12 + size
    return found


def test_a_picture_in_pieces_is_one_zlib_stream() -> None:
    pixels = picture((64, 64, 3), "u1", 256, 0)
    file, _ = joined(pixels, [10, 11, 40], recipe(pixels))
    kinds = [chunk.kind for chunk in chunks(file)]

    assert kinds[:2] == [b"IHDR", b"tEXt"]
    assert kinds[-1] == b"IEND"
    assert set(kinds[2:-1]) == {b"IDAT"}
    assert len(rows_of(file)) == 64 * 193
    with Image.open(io.BytesIO(file)) as image:
        image.verify()


def test_higher_levels_are_not_larger() -> None:
    y, x = np.mgrid[:200, :300]
    waves = 90 * np.sin(x / 9)[..., None] + 30 * np.cos(y / 7)[..., None] * [1, 0.9, 0.8]
    noise = np.random.default_rng(0).normal(0, 2, (200, 300, 3))
    pixels = (128 + waves + noise).clip(0, 255).astype("u1")
    sizes = [len(pieces.piece(pixels, recipe(pixels), level)[0]) for level in LEVELS]

    assert sizes[0] > sizes[1]
    assert all(high <= low * 1.01 for low, high in pairwise(sizes))


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_flat_piece_is_small(level: int, dtype: str) -> None:
    pixels = np.full((400, 400, 3), 77, dtype)

    assert len(pieces.piece(pixels, recipe(pixels), level)[0]) < pixels.nbytes / 100


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["png", "tiff"])
@pytest.mark.parametrize("values", [2, 200, 65_536])
def test_noise_has_room(level: int, name: str, values: int) -> None:
    pixels = picture((65, 700, 4), "u2", values, 0)
    how = recipe(pixels, name)

    assert len(pieces.piece(pixels, how, level)[0]) <= pieces.room(how, 65)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_a_view_is_encoded_as_its_copy(name: str) -> None:
    pixels = picture((20, 30, 5), "u1", 256, 0)
    view = pixels[::-1, ::2, 3:0:-1]
    how = recipe(view, name)

    assert pieces.piece(view, how, 1) == pieces.piece(view.copy(), how, 1)


# TIFF


def opened(file: bytes) -> tuple[NDArray[Any], dict[str, Any]]:
    """Read with rasterio: (height, width, samples), and what it says of the file."""
    with rasterio.MemoryFile(file) as memory, memory.open() as dataset:
        seen = np.moveaxis(dataset.read(), 0, -1)
        about = {
            "crs": dataset.crs,
            "transform": dataset.transform,
            "blocks": dataset.block_shapes[0],
            "colours": [colour.name for colour in dataset.colorinterp],
            "compression": dataset.compression.name,
        }
    return seen, about


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@given(cut=cut_pictures, level=st.sampled_from(LEVELS), big=st.booleans())
def test_other_readers_see_the_same_tiff(
    cut: tuple[NDArray[Any], list[int]], level: int, big: bool
) -> None:
    pixels, cuts = cut
    how = recipe(pixels, "tiff", tile_height=16)
    assert isinstance(how, TiffRecipe)
    with pytest.MonkeyPatch.context() as patch:
        if big:
            patch.setattr("asyncrgb.imaging.writing.directory._CLASSIC", 0)
        file, _ = joined(pixels, sorted({cut // 16 * 16 for cut in cuts} - {0}), how, level)

    assert file[2] == (43 if big else 42)
    with tifffile.TiffFile(io.BytesIO(file)) as tiff:
        assert tiff.is_bigtiff == big
        seen = tiff.asarray()
    np.testing.assert_array_equal(seen.reshape(pixels.shape), pixels)
    np.testing.assert_array_equal(opened(file)[0], pixels)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_tiffs_are_built_as_the_specification_says(samples: int, dtype: str) -> None:
    pixels = picture((600, 300, samples), dtype, 9, 0)
    file, _ = joined(pixels, [256], recipe(pixels, "tiff", georeference=NOWHERE))
    seen, about = opened(file)

    np.testing.assert_array_equal(seen, pixels)
    assert about["blocks"] == (256, 256)
    assert about["compression"] == "deflate"
    assert about["crs"].to_epsg() == 32_632
    assert tuple(about["transform"])[:6] == (10, 0, 600_000, 0, -10, 5_300_040)
    colours = ["red", "green", "blue"] if samples > 2 else ["gray"]
    assert about["colours"] == colours + ["alpha"] * (samples % 2 == 0)
    with tifffile.TiffFile(io.BytesIO(file)) as tiff:
        tags = tiff.pages.first.tags
        codes = list(tags.keys())
        assert codes == sorted(codes)
        assert tags["Software"].value == "asyncrgb"
        assert tags["Predictor"].value == 2
        assert tags.get("ExtraSamples", None) is None or tags["ExtraSamples"].value == (2,)
        assert tiff.pages.first.offset % 2 == 0


def test_the_directory_comes_last() -> None:
    pixels = picture((300, 300, 3), "u1", 9, 0)
    file, made = joined(pixels, [256], recipe(pixels, "tiff"))

    assert file[8:].startswith(b"".join(made))
    assert struct.unpack_from("<I", file, 4)[0] > 8 + sum(map(len, made))


def test_small_tiffs_have_small_tiles() -> None:
    how = recipe(np.zeros((5, 20, 3), "u1"), "tiff")

    assert isinstance(how, TiffRecipe)
    assert (how.tile_height, how.tile_width) == (16, 32)


def test_tiffs_above_4_gigabytes_are_big() -> None:
    small = pieces.recipe("tiff", 30_000, 40_000, 3, 8)
    large = pieces.recipe("tiff", 30_000, 40_000, 4, 8)
    assert isinstance(small, TiffRecipe)
    assert isinstance(large, TiffRecipe)

    assert not small.big
    assert large.big


def test_the_kind_of_file_is_that_of_the_recipe() -> None:
    assert pieces.recipe("png", 7, 5, 4, 16) == PngRecipe(7, 5, 4, 16)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_a_picture_that_is_too_large_is_refused(name: str) -> None:
    with pytest.raises(EncodeError, match="2147483648 pixels, only up to 2147483647"):
        pieces.recipe(name, 2**31, 1, 1, 8)
