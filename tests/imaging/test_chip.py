"""From the bytes of a TIFF to the bytes of a PNG: the tutorial's pixels, in files of its size."""

from __future__ import annotations

import io
from array import array
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Final

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from asyncrgb.errors import BandError, DecodeError, LimitError
from asyncrgb.imaging.chip import render
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.stretches import FixedStretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

LEVELS: Final = range(10)


def tutorial(data: bytes) -> NDArray[np.uint8]:
    """Do as the tutorial does; its formula is copied, not written again."""
    ms = tifffile.imread(io.BytesIO(data))
    rgb: NDArray[np.uint8] = (255 * (ms[..., (3, 2, 1)] / 4000).clip(0, 1)).astype(np.uint8)
    return rgb


def shown(file: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        return np.asarray(image)


@pytest.fixture(scope="module")
def real_pngs(eurosat_chips: tuple[bytes, ...]) -> list[list[bytes]]:
    """Give the PNGs of all real chips for each level."""
    options = [RenderOptions(compress_level=level) for level in LEVELS]
    return [[render(chip, option) for chip in eurosat_chips] for option in options]


@pytest.fixture(scope="module")
def imageio_size(eurosat_chips: tuple[bytes, ...]) -> int:
    """Give the bytes that imageio's default takes for all real chips."""
    pngs = (imageio.imwrite("<bytes>", tutorial(c), extension=".png") for c in eurosat_chips)
    return sum(map(len, pngs))


def test_real_chips_look_as_in_the_tutorial(eurosat_chips: tuple[bytes, ...]) -> None:
    for chip in eurosat_chips:
        np.testing.assert_array_equal(shown(render(chip)), tutorial(chip))


def test_every_level_shows_the_same_pixels(
    eurosat_chips: tuple[bytes, ...], real_pngs: list[list[bytes]]
) -> None:
    pictures = [tutorial(chip) for chip in eurosat_chips]

    for pngs in real_pngs:
        for png, picture in zip(pngs, pictures, strict=True):
            np.testing.assert_array_equal(shown(png), picture)


def test_files_are_about_as_large_as_those_of_imageio(
    eurosat_chips: tuple[bytes, ...], imageio_size: int
) -> None:
    assert sum(len(render(chip)) for chip in eurosat_chips) <= 1.15 * imageio_size


def test_level_9_is_smaller_than_imageio(real_pngs: list[list[bytes]], imageio_size: int) -> None:
    assert sum(map(len, real_pngs[9])) < imageio_size


def test_files_do_not_grow_from_level_to_level(real_pngs: list[list[bytes]]) -> None:
    sizes = [sum(map(len, pngs)) for pngs in real_pngs]

    assert all(larger >= smaller for larger, smaller in pairwise(sizes)), sizes
    assert sizes[1] > sizes[9]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"byteorder": ">"},
        {"dtype": "int16"},
        {"rows_per_strip": 64},
        {"rows_per_strip": 7},
        {"size": 33},
        {"bands": 4},
    ],
    ids=str,
)
def test_synthetic_chips_look_as_in_the_tutorial(
    make_chip: Write, layout: dict[str, Any], level: int
) -> None:
    chip = make_chip(**layout)
    picture = tutorial(chip)

    np.testing.assert_array_equal(shown(render(chip, RenderOptions(compress_level=level))), picture)
    assert len(np.unique(picture)) > 50


def test_synthetic_chips_lie_as_the_real_ones_do(chip: bytes) -> None:
    with tifffile.TiffFile(io.BytesIO(chip)) as tif:
        page = tif.pages.first
        assert page.shape == (64, 64, 13)
        assert page.dtype == np.uint16
        assert len(page.dataoffsets) == 16
        assert page.is_contiguous
        assert page.asarray().max() > 4000


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_any_three_bands_come_in_their_order(write_tiff: Write, compression: str | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 5)).astype("u1")
    data = write_tiff(pixels, compression=compression)
    untouched = FixedStretch(0, 255)

    for bands in product(range(1, 6), repeat=3):
        options = RenderOptions(bands=bands, stretch=untouched)
        picked = pixels[..., [band - 1 for band in bands]]
        np.testing.assert_array_equal(shown(render(data, options)), picked, err_msg=str(bands))


@pytest.mark.parametrize("bands", [(7, 4, 1), (9, 6, 3), (1, 5, 9), (9, 5, 1), (2, 2, 1)])
def test_wide_steps_stay_inside_the_pixel(write_tiff: Write, bands: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 9)).astype("u1")
    options = RenderOptions(bands=bands, stretch=FixedStretch(0, 255))

    picked = pixels[..., [band - 1 for band in bands]]
    np.testing.assert_array_equal(shown(render(write_tiff(pixels), options)), picked)


@pytest.mark.parametrize("bands", [(14, 1, 1), (1, 14, 2), (12, 13, 14), (14, 14, 14)])
def test_a_band_that_is_not_there_is_named(chip: bytes, bands: tuple[int, ...]) -> None:
    with pytest.raises(BandError, match=r"band 14 .* image has 13: .* 1 to 13"):
        render(chip, RenderOptions(bands=bands))


def test_the_last_band_is_there(chip: bytes) -> None:
    ms = tifffile.imread(io.BytesIO(chip))
    picture = shown(render(chip, RenderOptions(bands=(13, 12, 11))))

    expected = (255 * (ms[..., (12, 11, 10)] / 4000).clip(0, 1)).astype(np.uint8)
    np.testing.assert_array_equal(picture, expected)


def test_the_stretch_is_that_of_the_options(chip: bytes) -> None:
    ms = tifffile.imread(io.BytesIO(chip))
    picture = shown(render(chip, RenderOptions(stretch=FixedStretch(500.5, 2500))))

    share = (ms[..., (3, 2, 1)] - 500.5) / (2500 - 500.5)
    np.testing.assert_array_equal(picture, (255 * share.clip(0, 1)).astype(np.uint8))


def test_any_bytes_will_do(chip: bytes) -> None:
    expected = render(chip)

    assert render(bytearray(chip)) == expected
    assert render(memoryview(chip)) == expected
    assert render(array("H", chip + bytes(len(chip) % 2))) == expected


def test_the_bytes_are_left_alone(chip: bytes) -> None:
    data = bytearray(chip)
    render(data)

    assert data == chip
    data.append(0)  # nothing holds on to them


def test_limits_reach_the_decoder(chip: bytes) -> None:
    assert render(chip, limits=Limits(max_pixels=4096)) == render(chip)
    with pytest.raises(LimitError, match="64 x 64"):
        render(chip, limits=Limits(max_pixels=4095))


def test_what_cannot_be_decoded_is_no_image(chip: bytes) -> None:
    with pytest.raises(DecodeError):
        render(chip[:-1])
