"""Files of every format: what other readers see in them, and what is refused."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asyncrgb.errors import EncodeError
from asyncrgb.formats import BEST_QUALITY, DEFAULT_QUALITY, FORMATS
from asyncrgb.imaging.reading.georeference import Georeference
from asyncrgb.imaging.writing import encode as encoder
from asyncrgb.imaging.writing import png
from asyncrgb.imaging.writing.encode import encode
from tests.imaging.writing.test_png import seen_by_libpng, seen_by_pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOSSY: Final = ("jpeg", "webp")
PLACE: Final = Georeference(
    pixel_scale=(10.0, 10.0, 0.0),
    tiepoints=(0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0),
    keys=(1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 1026, 34737, 12, 0, 3072, 0, 1, 32632),
    doubles=(298.257223563, 6378137.0),
    text="Größe|WGS|",
)


def noise(shape: tuple[int, ...], dtype: str = "u1", seed: int = 0) -> NDArray[Any]:
    high = 256 ** np.dtype(dtype).itemsize
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def smooth(samples: int) -> NDArray[np.uint8]:
    """Draw ramps in different directions: what lossy formats keep well."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack(
        [2 * x + 20, 3 * y + 40, 255 - x - 2 * y, 100 + x + y][:samples], axis=2
    ).astype(np.uint8)


def make(
    pixels: NDArray[Any],
    name: str,
    level: int = 1,
    quality: int | None = None,
    georeference: Georeference | None = None,
) -> bytes:
    return encode(pixels, name, level=level, quality=quality, georeference=georeference)


def seen_by_tifffile(file: bytes) -> NDArray[Any]:
    with tifffile.TiffFile(io.BytesIO(file)) as tif:
        assert len(tif.pages) == 1
        pixels = tif.pages.first.asarray(squeeze=False)
    return pixels.reshape(*pixels.shape[2:])


class Dataset(NamedTuple):
    """What GDAL finds in a file."""

    pixels: NDArray[Any]
    colours: tuple[str, ...]
    transform: tuple[float, ...]
    epsg: int | None
    tags: dict[str, str]


def seen_by_gdal(file: bytes) -> Dataset:
    pytest.importorskip("rasterio", reason="GDAL is the judge: pip install rasterio")
    from rasterio.io import MemoryFile  # noqa: PLC0415 - it may be absent

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no georeference
        with MemoryFile(file) as memory, memory.open() as data:
            return Dataset(
                np.moveaxis(data.read(), 0, -1),
                tuple(colour.name for colour in data.colorinterp),
                tuple(data.transform)[:6],
                data.crs and data.crs.to_epsg(),
                data.tags() | data.tags(ns="IMAGE_STRUCTURE"),
            )


shapes = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4))
seeds = st.integers(0, 2**32 - 1)


@given(
    shape=shapes, dtype=st.sampled_from(["u1", "u2", ">u2"]), level=st.integers(0, 9), seed=seeds
)
def test_png_keeps_every_pixel(shape: tuple[int, ...], dtype: str, level: int, seed: int) -> None:
    pixels = noise(shape, dtype, seed)
    file = make(pixels, "png", level)

    assert file == png.encode(pixels, level)
    np.testing.assert_array_equal(seen_by_libpng(file), pixels)


@given(
    shape=shapes, dtype=st.sampled_from(["u1", "u2", ">u2"]), level=st.integers(0, 9), seed=seeds
)
def test_tiff_keeps_every_pixel(shape: tuple[int, ...], dtype: str, level: int, seed: int) -> None:
    pixels = noise(shape, dtype, seed)
    seen = seen_by_tifffile(make(pixels, "tiff", level))

    np.testing.assert_array_equal(seen, pixels)
    assert seen.dtype == dtype.replace(">", "<")


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize(
    ("samples", "colours"),
    [
        (1, ("gray",)),
        (2, ("gray", "alpha")),
        (3, ("red", "green", "blue")),
        (4, ("red", "green", "blue", "alpha")),
    ],
)
@pytest.mark.parametrize("height", [1, 3, 4, 700])
def test_gdal_sees_the_same_tiff(
    height: int, samples: int, colours: tuple[str, ...], dtype: str
) -> None:
    pixels = noise((height, 130, samples), dtype)
    seen = seen_by_gdal(make(pixels, "tiff"))

    np.testing.assert_array_equal(seen.pixels, pixels)
    assert seen.pixels.dtype == dtype
    assert seen.colours == colours
    assert seen.tags["COMPRESSION"] == "DEFLATE"


@given(shape=shapes, level=st.integers(0, 9), seed=seeds)
def test_webp_of_the_best_quality_keeps_every_pixel(
    shape: tuple[int, ...], level: int, seed: int
) -> None:
    pixels = noise(shape, "u1", seed)
    seen = seen_by_pillow(make(pixels, "webp", level, BEST_QUALITY))

    if pixels.shape[2] < 3:  # grey is stored as RGB
        pixels = pixels[..., [0, 0, 0, 1][: 3 + (pixels.shape[2] == 2)]]
    # Pillow forgets an alpha that is 255 everywhere: one pixel of noise may be
    if seen.shape != pixels.shape:
        assert (pixels[..., 3] == 255).all()
        pixels = pixels[..., :3]
    np.testing.assert_array_equal(seen, pixels)


@pytest.mark.parametrize(("name", "quality"), [("jpeg", 90), ("jpeg", 100), ("webp", 90)])
@pytest.mark.parametrize("samples", [1, 3])
def test_lossy_formats_come_close(name: str, quality: int, samples: int) -> None:
    pixels = smooth(samples)
    seen = seen_by_pillow(make(pixels, name, quality=quality)).astype(int)

    assert seen.shape == (48, 64, 1 if (name, samples) == ("jpeg", 1) else 3)
    assert np.abs(seen - pixels).mean() < 2
    assert np.abs(seen - pixels).max() < 20


@pytest.mark.parametrize("samples", [2, 4])
def test_lossy_webp_keeps_the_transparency_exactly(samples: int) -> None:
    pixels = smooth(samples)
    seen = seen_by_pillow(make(pixels, "webp"))

    np.testing.assert_array_equal(seen[..., -1], pixels[..., -1])
    assert np.abs(seen[..., :3].astype(int) - pixels[..., : samples - 1]).mean() < 2


def test_jpeg_has_colours_at_full_resolution() -> None:
    with Image.open(io.BytesIO(make(smooth(3), "jpeg"))) as image:
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_jpeg_takes_noise_at_its_best() -> None:
    pixels = noise((600, 700, 3))

    assert np.abs(seen_by_pillow(make(pixels, "jpeg", 9, 100)).astype(int) - pixels).mean() < 2


@pytest.mark.parametrize("name", LOSSY)
def test_a_better_quality_is_larger_and_the_default_is_one_of_them(name: str) -> None:
    pixels = (
        noise((100, 100, 3)) // 4
        + smooth(3).repeat(3, axis=0)[:100].repeat(2, axis=1)[:, :100] // 2
    )
    sizes = [len(make(pixels, name, quality=quality)) for quality in (1, 30, 60, 90, 99, 100)]

    assert sizes == sorted(set(sizes))
    assert make(pixels, name) == make(pixels, name, quality=DEFAULT_QUALITY)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_lossless_formats_have_no_quality(name: str) -> None:
    assert make(smooth(3), name, quality=0) == make(smooth(3), name)


@pytest.mark.parametrize(("name", "quality"), [("webp", 90), ("webp", 100), ("tiff", None)])
def test_a_higher_level_is_smaller(name: str, quality: int | None) -> None:
    pixels = smooth(3).repeat(4, axis=0).repeat(4, axis=1) + noise((192, 256, 3)) // 64
    sizes = [len(make(pixels, name, level, quality)) for level in (0, 9)]

    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_pixels_give_the_same_file(name: str) -> None:
    pixels = noise((30, 60, 3))
    before = pixels.copy()
    view = pixels[::-1, ::2, ::-1]

    assert make(view, name) == make(view.copy(), name)
    np.testing.assert_array_equal(pixels, before)


def tags_of(file: bytes) -> dict[int, Any]:
    with tifffile.TiffFile(io.BytesIO(file)) as tif:
        return {tag.code: tag.value for tag in tif.pages.first.tags}


@pytest.mark.parametrize(
    ("samples", "colours", "extra"),
    [(1, 1, None), (2, 1, (2,)), (3, 2, None), (4, 2, (2,))],
)
def test_a_tiff_says_what_it_holds_and_what_wrote_it(
    samples: int, colours: int, extra: tuple[int] | None
) -> None:
    file = make(noise((9, 9, samples), "u2"), "tiff")
    tags = tags_of(file)

    assert file[:4] == b"II*\0"
    assert tags[262] == colours  # PhotometricInterpretation: 1 black is zero, 2 RGB
    assert tags.get(338) == extra  # ExtraSamples: 2 unassociated alpha
    assert (tags[259], tags[317]) == (8, 2)  # deflate, horizontal differences
    assert tags[305] == "asyncrgb"
    assert not tags.keys() & {270, 306}  # no description, no time


def test_a_tiff_too_large_for_32_bits_has_64(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise((50, 50, 3))
    monkeypatch.setattr(encoder, "_CLASSIC_TIFF", pixels.nbytes - 1)
    file = make(pixels, "tiff")

    assert file[:4] == b"II+\0"
    np.testing.assert_array_equal(seen_by_gdal(file).pixels, pixels)


def test_a_georeference_is_copied_to_a_tiff() -> None:
    file = make(smooth(3), "tiff", georeference=PLACE)

    assert Georeference.from_tags(tags_of(file)) == PLACE


def test_gdal_finds_the_place_of_a_tiff() -> None:
    seen = seen_by_gdal(make(smooth(3), "tiff", georeference=PLACE))

    assert list(seen.transform) == [10, 0, 500_000, 0, -10, 4_000_000]
    assert seen.epsg == 32632


@pytest.mark.parametrize("name", ["png", *LOSSY])
def test_other_formats_have_no_place_for_a_georeference(name: str) -> None:
    assert make(smooth(3), name, georeference=PLACE) == make(smooth(3), name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("jpeg", (1, 65_500, 1)), ("jpeg", (65_500, 1, 3)), ("webp", (16_383, 1, 3))],
)
def test_the_longest_side_is_possible(name: str, shape: tuple[int, ...]) -> None:
    assert seen_by_pillow(make(np.zeros(shape, "u1"), name)).shape[:2] == shape[:2]
    assert FORMATS[name].longest_side == max(shape)


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "what", "others"),
    [
        ("jpeg", (4, 4, 2), "u1", "transparency", "png, webp or tiff"),
        ("jpeg", (4, 4, 4), "u1", "transparency", "png, webp or tiff"),
        ("jpeg", (4, 4, 4), "u2", "transparency", "png or tiff"),
        ("jpeg", (4, 4, 3), "u2", "16 bits a sample, only 8", "png or tiff"),
        ("webp", (4, 4, 1), ">u2", "16 bits a sample, only 8", "png or tiff"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    name: str, shape: tuple[int, ...], dtype: str, what: str, others: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        make(np.zeros(shape, dtype), name)

    assert str(caught.value) == f"{name} cannot hold {what}: choose --format {others}"


def test_what_no_format_can_hold_is_refused() -> None:
    with pytest.raises(EncodeError, match=r"jpeg cannot hold .* no other format can either$"):
        make(np.zeros((4, 4, 5), "u1"), "jpeg")


@pytest.mark.parametrize(
    ("name", "shape", "remedy"),
    [
        ("jpeg", (1, 65_501, 3), "choose --format png or tiff, or --max-size 65500"),
        ("webp", (16_384, 1, 2), "choose --format png or tiff, or --max-size 16383"),
        ("tiff", (2**31, 1, 1), "choose --max-size 2147483647"),
    ],
)
def test_a_side_that_is_too_long_is_refused(name: str, shape: tuple[int, ...], remedy: str) -> None:
    most = remedy.rsplit(maxsplit=1)[-1]
    with pytest.raises(EncodeError) as caught:
        make(np.broadcast_to(np.uint8(0), shape), name)

    assert str(caught.value) == (
        f"{name} cannot hold a side of {max(shape)} pixels, only up to {most}: {remedy}"
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 4), "u1"),
        ((), "u1"),
        ((1, 4, 4, 3), "u1"),
        ((0, 4, 3), "u1"),
        ((4, 0, 3), "u1"),
        ((4, 4, 0), "u1"),
        ((4, 4, 5), "u1"),
        ((4, 4, 3), "i1"),
        ((4, 4, 3), "i2"),
        ((4, 4, 3), "u4"),
        ((4, 4, 3), "f4"),
        ((4, 4, 3), "?"),
    ],
)
def test_what_are_no_pixels_is_refused(name: str, shape: tuple[int, ...], dtype: str) -> None:
    pixels = np.zeros(shape, dtype)

    with pytest.raises(EncodeError, match="height, width, samples") as caught:
        make(pixels, name)

    assert name in str(caught.value).lower()
    assert str(shape) in str(caught.value)
    assert str(pixels.dtype) in str(caught.value)


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("quality", [-1, 0, 101])
def test_a_quality_is_1_to_100(name: str, quality: int) -> None:
    with pytest.raises(EncodeError, match=f"{name} has no quality {quality}: .* 1 .* 100"):
        make(smooth(3), name, quality=quality)


def test_there_is_no_other_format() -> None:
    with pytest.raises(EncodeError) as caught:
        make(smooth(3), "gif")

    assert str(caught.value) == (
        "there is no format 'gif': choose --format png, jpeg, webp or tiff"
    )


@pytest.mark.parametrize("name", [*LOSSY, "tiff"])
def test_whatever_an_encoder_raises_is_an_encode_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise ValueError("encoding error 6")

    monkeypatch.setattr("imageio.plugins.pillow.PillowPlugin.write", fail)
    monkeypatch.setattr("imageio.plugins.tifffile_v3.TifffilePlugin.write", fail)

    with pytest.raises(EncodeError, match=f"{name}.*ValueError: encoding error 6.*--format png"):
        make(smooth(3), name)


def test_a_lack_of_memory_is_no_fault_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr("imageio.plugins.pillow.PillowPlugin.write", fail)

    with pytest.raises(MemoryError):
        make(smooth(3), "jpeg")


def modules_after(code: str) -> set[str]:
    """Run ``code`` in a fresh interpreter and give the names of the modules it has then."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_png_needs_no_other_encoder() -> None:
    present = modules_after(
        "import numpy\n"
        "from asyncrgb.imaging.writing.encode import encode\n"
        "encode(numpy.zeros((4, 4, 3), 'u1'), 'png', level=1, quality=None)"
    )

    assert "asyncrgb.imaging.writing.png" in present
    assert not {"imageio", "PIL", "tifffile", "imagecodecs"} & present


def test_the_table_of_formats_needs_nothing() -> None:
    present = modules_after("import asyncrgb.formats")

    assert "asyncrgb.formats" in present
    assert not {"numpy", "imageio", "PIL", "tifffile"} & present


@pytest.mark.parametrize("name", FORMATS)
def test_suffixes_are_those_of_the_formats(name: str) -> None:
    form = FORMATS[name]

    assert form.name == name
    assert Image.registered_extensions()[form.suffix] == name.upper()
    assert form.worldfile_suffix == f".{form.suffix[1]}{form.suffix[-1]}w"


@pytest.mark.parametrize("name", FORMATS)
def test_files_are_of_the_format_asked_for(name: str) -> None:
    with Image.open(io.BytesIO(make(smooth(3), name))) as image:
        assert image.format == name.upper()
