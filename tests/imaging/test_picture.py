"""Everything that options ask of a picture, from the bytes of a TIFF to what Pillow reads."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asyncrgb.errors import BandError, DecodeError, LimitError
from asyncrgb.imaging import chip as renderer
from asyncrgb.imaging.chip import picture, render
from asyncrgb.limits import Limits
from asyncrgb.options import PRESETS, RenderOptions
from asyncrgb.stretches import FixedStretch, PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

AS: Final = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}  # what Pillow calls what is shown


def shown(file: bytes, mode: str = "RGB") -> NDArray[Any]:
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "PNG"
        assert image.mode == mode
        return np.asarray(image)


def deep(file: bytes) -> NDArray[np.uint16]:
    """Read 16 bits, which Pillow does not keep in colour pictures."""
    pixels: NDArray[np.uint16] = imageio.imread(file, extension=".tif", plugin="tifffile")
    assert pixels.dtype == np.uint16
    return pixels


def nodata_tag(text: str) -> list[tuple[int, int, int, str, bool]]:
    return [(42113, 2, len(text) + 1, text, True)]


# What is a picture already.


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_pictures_are_scaled_to_the_full_range(
    handmade_tiff: Write, bits: int, photometric: str
) -> None:
    packed = np.random.default_rng(bits).integers(0, 256, (6, bits, 1)).astype("u1")
    code = ["miniswhite", "minisblack"].index(photometric)
    tags = {256: ("H", [8]), 258: ("H", [bits]), 262: ("H", [code])}
    data = handmade_tiff(packed, tags=tags)

    with Image.open(io.BytesIO(data)) as image:
        oracle = np.asarray(image.convert("L"))
    np.testing.assert_array_equal(shown(render(data), "L"), oracle)
    (grey,) = np.unpackbits(packed[..., 0], axis=1).reshape(1, 6, 8, bits)
    values = grey @ (1 << np.arange(bits)[::-1])
    expected = values * 255 // (2**bits - 1)
    np.testing.assert_array_equal(oracle, 255 - expected if code == 0 else expected)


def test_a_palette_is_shown_in_its_colours(data_folder: Path) -> None:
    folder = data_folder / "odd_tiffs" / "image-tiff"
    for name in ("images/palette-1c-1b.tiff", "images/palette-1c-4b.tiff", "libtiffpic/jello.tif"):
        data = (folder / name).read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            assert image.mode == "P"
            oracle = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(shown(render(data)), oracle, err_msg=name)
        deeper = deep(render(data, RenderOptions(bit_depth=16, format="tiff")))
        np.testing.assert_array_equal(deeper, oracle.astype(int) * 257, err_msg=name)
        dark = shown(render(data, RenderOptions(stretch=FixedStretch(0, 510))))
        np.testing.assert_array_equal(dark, oracle // 2, err_msg=name)


def test_an_index_without_data_is_black_or_transparent(data_folder: Path) -> None:
    data = (data_folder / "odd_tiffs/image-tiff/libtiffpic/jello.tif").read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        indexes, oracle = np.asarray(image), np.asarray(image.convert("RGB"))
    common = int(np.bincount(indexes.ravel()).argmax())
    missing = indexes == common

    rgba = shown(render(data, RenderOptions(nodata=common, alpha=True)), "RGBA")
    np.testing.assert_array_equal(rgba[..., 3], np.where(missing, 0, 255))
    np.testing.assert_array_equal(rgba[..., :3], np.where(missing[..., None], 0, oracle))
    assert oracle[missing].any()


def test_rgb_of_bytes_keeps_its_values(write_tiff: Write) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype("u1")

    for options in ({}, {"photometric": "rgb"}):
        np.testing.assert_array_equal(shown(render(write_tiff(pixels, **options))), pixels)


def test_gamma_brightens_white_is_zero_too(write_tiff: Write) -> None:
    data = write_tiff(np.full((4, 4, 1), 155, "u1"), photometric="miniswhite")

    for gamma, value in ((1, 100), (2, int(255 * (100 / 255) ** 0.5)), (0.5, 39)):
        assert np.unique(shown(render(data, RenderOptions(gamma=gamma)), "L")).tolist() == [value]


def test_white_is_zero_within_the_range_of_the_picture(write_tiff: Write) -> None:
    pixels = np.array([[[0], [51], [255], [9]]], "u1")
    data = write_tiff(pixels, photometric="miniswhite", extratags=nodata_tag("9"))

    grey = shown(render(data, RenderOptions(dst_range=(100, 250))), "L")
    assert grey.tolist() == [[250, 220, 100, 0]]


def test_one_band_is_grey(chip: bytes) -> None:
    ms = tifffile.imread(io.BytesIO(chip))

    for options in (RenderOptions(bands=(8,)), RenderOptions(bands=("nir",), sensor="eurosat")):
        oracle = (255 * (ms[..., 7] / 4000).clip(0, 1)).astype(np.uint8)
        np.testing.assert_array_equal(shown(render(chip, options), "L"), oracle)


# Ranges and depths.


def test_the_preset_is_the_published_recipe(eurosat_chips: tuple[bytes, ...]) -> None:
    options = RenderOptions(**PRESETS["eurosat-rgb"])

    for chip in eurosat_chips[::10]:
        ms = tifffile.imread(io.BytesIO(chip))[..., (3, 2, 1)]
        oracle = np.floor((ms / 2750).clip(0, 1) * 254 + 1.5).astype(np.uint8)
        np.testing.assert_array_equal(shown(render(chip, options)), oracle)


def test_each_band_has_its_own_range(eurosat_chips: tuple[bytes, ...]) -> None:
    low, high = np.array([100, 200.5, 300]), np.array([1000, 2000, 3000])
    options = RenderOptions(stretch=FixedStretch(tuple(low.tolist()), tuple(high.tolist())))

    for chip in eurosat_chips[::10]:
        ms = tifffile.imread(io.BytesIO(chip))[..., (3, 2, 1)]
        oracle = (255 * ((ms - low) / (high - low)).clip(0, 1)).astype(np.uint8)
        np.testing.assert_array_equal(shown(render(chip, options)), oracle)


def test_sixteen_bits(eurosat_chips: tuple[bytes, ...]) -> None:
    for chip in eurosat_chips[::10]:
        ms = tifffile.imread(io.BytesIO(chip))[..., (3, 2, 1)]
        oracle = (65_535 * (ms / 4000).clip(0, 1)).astype(np.uint16)
        tiff = render(chip, RenderOptions(bit_depth=16, format="tiff"))
        np.testing.assert_array_equal(deep(tiff), oracle)
        grey = shown(render(chip, RenderOptions(bit_depth=16, bands=(4,))), "I;16")
        np.testing.assert_array_equal(grey, oracle[..., 0])


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("dtype", ["u2", "i2", "f4", "u4"])
def test_percentiles_of_an_image_are_those_of_numpy(
    eurosat_chips: tuple[bytes, ...], write_tiff: Write, dtype: str, joint: bool
) -> None:
    stretch = PercentileStretch(1, 99, joint=joint)
    for chip in eurosat_chips[::20]:
        ms = tifffile.imread(io.BytesIO(chip))[..., (3, 2, 1)].astype(dtype)
        low, high = np.percentile(ms.astype("f8"), (1, 99), axis=None if joint else (0, 1))
        share = (ms - low.astype(dtype if dtype == "f4" else "f8")) / (high - low).astype(
            dtype if dtype == "f4" else "f8"
        )
        oracle = (255 * share.clip(0, 1)).astype(np.uint8)
        rgb = shown(render(write_tiff(ms), RenderOptions(stretch=stretch)))
        np.testing.assert_array_equal(rgb, oracle)


@pytest.mark.parametrize("stretch", [None, PercentileStretch(), PercentileStretch(0, 100)])
@pytest.mark.parametrize("value", [0, 1, 77, np.nan, np.inf])
@pytest.mark.parametrize("nodata", ["auto", "none", 77])
@pytest.mark.parametrize("alpha", [True, False])
def test_constant_and_empty_images_are_rendered(
    write_tiff: Write,
    stretch: PercentileStretch | None,
    value: float,
    nodata: Any,  # noqa: ANN401 - of RenderOptions
    alpha: bool,
) -> None:
    data = write_tiff(np.full((8, 8, 13), value, "f4"))
    options = RenderOptions(stretch=stretch, nodata=nodata, alpha=alpha)

    rendered = picture(data, options, Limits(), judge=True)

    pixels = shown(rendered.file, "RGBA" if alpha else "RGB")
    blank = not np.isfinite(value) or nodata == value
    assert {*pixels[..., :3].ravel()} <= {0, int(255 * min(1, value / 4000)) if not blank else 0}
    assert not alpha or {*pixels[..., 3].ravel()} == {0 if blank else 255}
    assert rendered.exposure is not None
    assert rendered.exposure.blank == (1 if blank else 0)


# No data and transparency.


@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("stretch", [None, FixedStretch(0, 100), PercentileStretch()])
def test_no_data_is_black_or_transparent(
    write_tiff: Write, dtype: str, stretch: FixedStretch | PercentileStretch | None
) -> None:
    pixels = np.random.default_rng(0).integers(1000, 3000, (20, 20, 4)).astype(dtype)
    pixels[:5, :5] = 2000  # everywhere: no data
    pixels[7, 7, 0] = 2000  # of a band that is not shown
    pixels[8, 8, 1] = 2000  # of one of those that are shown
    missing = pixels[..., [3, 2, 1]] == 2000
    data = write_tiff(pixels, extratags=nodata_tag("2000"))
    options: dict[str, Any] = {"stretch": stretch, "dst_range": (1, 255)}

    opaque = shown(render(data, RenderOptions(**options)))
    through = shown(render(data, RenderOptions(alpha=True, **options)), "RGBA")

    np.testing.assert_array_equal(opaque == 0, missing)
    np.testing.assert_array_equal(through[..., :3], opaque)
    np.testing.assert_array_equal(through[..., 3], np.where(missing.all(axis=-1), 0, 255))
    assert shown(render(data, RenderOptions(nodata="none", **options))).min() >= 1


def test_no_data_does_not_count_in_percentiles(write_tiff: Write) -> None:
    pixels = np.random.default_rng(0).integers(1000, 3000, (20, 20, 3)).astype("i2")
    holed = pixels.copy()
    holed[:10] = -9999
    stretch = RenderOptions(stretch=PercentileStretch(0, 100))
    data = write_tiff(holed, extratags=nodata_tag("-9999"))

    below = shown(render(write_tiff(pixels[10:]), stretch))
    np.testing.assert_array_equal(shown(render(data, stretch))[10:], below)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("depth", [8, 16])
def test_the_alpha_of_the_file_is_kept(write_tiff: Write, bits: int, depth: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**bits, (9, 9, 4)).astype(f"u{bits // 8}")
    data = write_tiff(pixels, photometric="rgb", extrasamples=[2])
    stretch = FixedStretch(0, 2**bits - 1)
    options = RenderOptions(alpha=True, bit_depth=depth, format="tiff", stretch=stretch)

    rgba = imageio.imread(render(data, options), extension=".tif", plugin="tifffile")

    exact = pixels / (2**bits - 1) * (2**depth - 1)
    np.testing.assert_array_equal(rgba[..., 3], np.floor(exact[..., 3] + 0.5))
    np.testing.assert_array_equal(rgba[..., :3], np.floor(exact[..., :3]))
    assert shown(render(data)).shape == (9, 9, 3)


@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
@pytest.mark.parametrize(("dtype", "full"), [("u1", 255), ("u2", 65535), ("i2", 32767), ("f4", 1)])
@pytest.mark.parametrize("nodata", [None, 0])
def test_colours_that_alpha_was_multiplied_into_are_straightened(
    write_tiff: Write, dtype: str, full: int, kind: str, nodata: float | None
) -> None:
    """As PNG has them; also where a damaged file has colours above alpha, or colours and none."""
    rng = np.random.default_rng(4)
    stored = (rng.random((11, 9, 4)) * full).astype(dtype)
    stored[:4, :, :3] = np.minimum(stored[:4, :, :3], stored[:4, :, 3:])
    stored[0, :, 3], stored[1, :, 3], stored[2, 4] = full, 0, 0
    tag = [] if nodata is None else nodata_tag("0")
    data = write_tiff(stored, photometric="rgb", extrasamples=[kind], extratags=tag)
    look = RenderOptions(stretch=FixedStretch(0, full), alpha=True, rounding="nearest")

    expected = np.zeros((11, 9, 4), "u1")
    for y, x in np.ndindex(11, 9):
        *colours, alpha = map(float, stored[y, x])
        for i, colour in enumerate(colours):
            if kind == "assocalpha" and alpha:
                colour = min(colour * full / alpha, full)  # noqa: PLW2901 - now straight
                colour = colour if dtype == "f4" else np.floor(colour + 0.5)  # noqa: PLW2901
            expected[y, x, i] = np.floor(255 * (colour / full) + 0.5)
        blank = nodata == 0 and not any(colours)
        expected[y, x, 3] = 0 if blank else np.floor(255 * (alpha / full) + 0.5)
    np.testing.assert_allclose(shown(render(data, look), "RGBA"), expected, atol=dtype == "f4")
    opaque = shown(render(data, RenderOptions(stretch=look.stretch, nodata="none")))
    np.testing.assert_allclose(opaque, 255.0 * stored[..., :3] / full, atol=1)


def test_the_alpha_of_the_file_does_not_bring_back_what_has_no_data(write_tiff: Write) -> None:
    pixels = np.full((2, 2, 4), 200, "u1")
    pixels[0, 0, :3] = 7
    data = write_tiff(pixels, photometric="rgb", extrasamples=[2], extratags=nodata_tag("7"))

    rgba = shown(render(data, RenderOptions(alpha=True)), "RGBA")
    assert rgba[..., 3].tolist() == [[0, 200], [200, 200]]


def test_a_mask_in_the_file_is_no_data(data_folder: Path) -> None:
    data = (data_folder / "odd_tiffs/gdal_autotest/gcore/data/test_with_mask_8bit.tif").read_bytes()
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        mask = tif.pages[1].asarray() != 0
        pixels = tif.pages[0].asarray()
    assert 0 < mask.mean() < 1

    masked = shown(render(data, RenderOptions(alpha=True)), "LA")
    np.testing.assert_array_equal(masked[..., 1], np.where(mask, 255, 0))
    np.testing.assert_array_equal(masked[..., 0], np.where(mask, pixels, 0))
    plain = shown(render(data, RenderOptions(nodata="none")), "L")
    np.testing.assert_array_equal(plain, pixels)


# What values stand for.


def test_an_offset_comes_before_the_stretch(eurosat_chips: tuple[bytes, ...]) -> None:
    for chip in eurosat_chips[::20]:
        ms = tifffile.imread(io.BytesIO(chip))[..., (3, 2, 1)].astype(int)
        oracle = (255 * ((ms - 1000) / 4000).clip(0, 1)).astype(np.uint8)
        np.testing.assert_array_equal(shown(render(chip, RenderOptions(offset=-1000))), oracle)


def test_values_are_unscaled(write_tiff: Write) -> None:
    items = '<Item sample="0" role="scale">0.0001</Item><Item sample="0" role="offset">-0.1</Item>'
    text = f"<GDALMetadata>{items}</GDALMetadata>"
    pixels = np.arange(0, 12_000, 3, dtype="u2").reshape(40, 100, 1)
    data = write_tiff(pixels, extratags=[(42112, 2, len(text) + 1, text, True)])
    stretch = FixedStretch(0, 0.4)

    grey = shown(render(data, RenderOptions(unscale=True, stretch=stretch)), "L")

    oracle = (255 * ((pixels[..., 0] * 0.0001 - 0.1) / 0.4).clip(0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(grey, oracle)
    assert len(np.unique(grey)) == 256


# How it came out.


def test_an_exposure_is_made_only_if_asked_for(chip: bytes) -> None:
    assert picture(chip, RenderOptions(), Limits()).exposure is None
    assert picture(chip, RenderOptions(), Limits(), judge=True).file == render(chip)


def test_an_exposure_tells_shares_of_values_with_data(write_tiff: Write) -> None:
    pixels = np.array([[[249], [251], [3730], [3770], [9999], [7]]], "u2")
    data = write_tiff(pixels, extratags=nodata_tag("7"))

    exposure = picture(data, RenderOptions(), Limits(), judge=True).exposure

    assert exposure is not None
    assert (exposure.low, exposure.high) == (249, 9999)
    assert (exposure.black, exposure.white) == (0.2, 0.4)
    assert exposure.blank == pytest.approx(1 / 6)
    assert exposure.guessed == 0


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("bands", [4, 12, 13])
def test_an_exposure_tells_of_dark_reflectances_and_guesses(
    write_tiff: Write, bands: int, depth: int
) -> None:
    pixels = np.random.default_rng(0).uniform(0, 1, (8, 8, bands)).astype("f4")

    exposure = picture(
        write_tiff(pixels), RenderOptions(bit_depth=depth), Limits(), judge=True
    ).exposure

    assert exposure is not None
    assert exposure.black == 1
    assert exposure.high is not None
    assert 0.9 < exposure.high <= 1
    assert exposure.guessed == (0 if bands == 13 else bands)


# Real files.


def test_pictures_are_what_pillow_shows(data_folder: Path) -> None:
    """Those of up to 8 bits: in grey, in colours, with a palette, black and white."""
    modes = {"1": 0, "L": 0, "P": 0, "RGB": 0}
    for folder in ("pillow", "go_image", "image-tiff/images", "image-tiff/libtiffpic", "rasterio"):
        for path in sorted((data_folder / "odd_tiffs" / folder).rglob("*.tif*")):
            mode, oracle = by_pillow(path)
            with contextlib.suppress(
                BandError, DecodeError, LimitError
            ):  # other tests see to these
                file = render(path.read_bytes(), RenderOptions(nodata="none"))
                if mode in modes:
                    np.testing.assert_array_equal(shown(file, AS[mode]), oracle, str(path))
                    modes[mode] += 1

    assert min(modes.values()) > 5, modes


def by_pillow(path: Path) -> tuple[str, NDArray[Any]]:
    """Read a file whose values need no stretch, and in which Pillow and we see the same image."""
    try:
        with Image.open(path) as image, tifffile.TiffFile(path) as tif:
            page, frames = tif.pages.first, getattr(image, "n_frames", 1)
            alone = frames == len(tif.pages) == 1 and page.tags.valueof(274, 1) == 1
            plain = int(page.sampleformat) == 1 and int(page.photometric) < 4
            plain &= page.samplesperpixel < 4  # which of more are shown is a guess
            if alone and plain and page.bitspersample <= 8 and page.compression != 6:
                return image.mode, np.asarray(image.convert(AS[image.mode]))
    except Exception:  # noqa: BLE001, S110 - many of them are broken by intent
        pass
    return "", np.empty(0)


def test_bands_that_one_file_describes_are_not_those_of_the_next(write_tiff: Write) -> None:
    """Of a sensor that has another number of bands: there its table does not count."""
    pixels = np.arange(12 * 9 * 4, dtype="u1").reshape(12, 9, 4)
    look = RenderOptions(sensor="sentinel2-l2a", bands=("red",), stretch=FixedStretch(0, 255))
    for band in (2, 4, 1):
        item = f'<Item name="DESCRIPTION" sample="{band - 1}" role="description">B04</Item>'
        text = f"<GDALMetadata>{item}</GDALMetadata>"
        data = write_tiff(pixels, extratags=[(42112, 2, len(text) + 1, text, True)])

        np.testing.assert_array_equal(shown(render(data, look), "L"), pixels[..., band - 1])


@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=12),
)
def test_what_is_remembered_of_one_image_never_shows_in_another(
    write_tiff: Write, steps: list[tuple[int, int]]
) -> None:
    """Palettes, masks, nodata and white that is zero look alike until they are looked at."""
    pixels = np.arange(12 * 9 * 3, dtype="u1").reshape(12, 9, 3)
    colours = np.arange(3 * 256, dtype="u2").reshape(3, 256) * 85
    files = (
        write_tiff(pixels),
        write_tiff(pixels, extratags=[(42113, "s", 0, "7", True)]),
        write_tiff(pixels[..., :1], photometric="miniswhite"),
        write_tiff(pixels[..., :1], photometric="palette", colormap=colours),
    )
    looks = (
        RenderOptions(),
        RenderOptions(bands=(1,)),
        RenderOptions(bands=(1,), nodata=3),
        RenderOptions(stretch=PercentileStretch()),
        RenderOptions(alpha=True),
    )
    for file, look in steps:
        remembered = picture(files[file], looks[look], Limits()).file
        renderer._recipe = None  # noqa: SLF001 - as in a fresh process
        assert remembered == picture(files[file], looks[look], Limits()).file
