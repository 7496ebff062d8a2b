"""Which values are data, and what they stand for."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import tifffile

from asyncrgb.imaging.bands import Choice, choose
from asyncrgb.imaging.reading import tiff
from asyncrgb.imaging.stretch import Affine
from asyncrgb.imaging.values import Values
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

COLOURS: Final = np.array([[0, 10, 20, 30], [1, 11, 21, 31], [2, 12, 22, 32]], "u2") * 257


def values_of(data: bytes, **options: Any) -> Values:  # noqa: ANN401 - of RenderOptions
    image, wanted = tiff.find_image(memoryview(data), Limits()), RenderOptions(**options)
    return Values(image, choose(image, wanted), wanted)


def nodata_tag(text: str) -> list[tuple[int, int, int, str, bool]]:
    return [(42113, 2, len(text) + 1, text, True)]


def with_mask(pixels: NDArray[Any], mask: NDArray[np.bool_], **options: Any) -> bytes:  # noqa: ANN401 - tifffile's
    """Write an image and, as a second page, which of its pixels are data."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        plain: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
        writer.write(pixels, planarconfig="contig", **(plain | options))
        writer.write(mask, subfiletype=4, **plain)
    return file.getvalue()


def palette_file(indexes: NDArray[Any], **options: Any) -> bytes:  # noqa: ANN401 - tifffile's
    file = io.BytesIO()
    colours = np.zeros((3, 256), "u2")
    colours[:, :4] = COLOURS
    plain: dict[str, Any] = {"photometric": "palette", "colormap": colours, "metadata": None}
    tifffile.imwrite(file, indexes, **(plain | options))
    return file.getvalue()


@pytest.fixture
def pixels() -> NDArray[np.uint16]:
    return np.arange(4 * 5 * 3, dtype="u2").reshape(4, 5, 3)


# Which values are data.


def test_all_values_are_data_unless_something_says_otherwise(
    write_tiff: Write, pixels: NDArray[np.uint16]
) -> None:
    values = values_of(write_tiff(pixels))

    assert values.known is None
    assert values.present is None
    assert (values.channels, values.bits, values.nodata) == (3, 16, None)
    np.testing.assert_array_equal(values.pixels, pixels)


@pytest.mark.parametrize(
    ("tag", "option", "missing"),
    [
        ("7", "auto", [7]),
        ("7", "none", []),
        ("7", 9, [9]),
        ("nan", "auto", []),
        ("7.5", "auto", []),
        ("-1", "auto", []),
        ("65536", "auto", []),
        ("", "auto", []),
        ("7", math.nan, []),
    ],
)
def test_no_data_is_what_the_file_or_the_option_says(
    write_tiff: Write,
    pixels: NDArray[np.uint16],
    tag: str,
    option: Any,  # noqa: ANN401 - of RenderOptions
    missing: list[int],
) -> None:
    values = values_of(write_tiff(pixels, extratags=nodata_tag(tag)), nodata=option)

    assert values.nodata is None or math.isfinite(values.nodata), "NaN would not share a table"
    found = [] if values.known is None else pixels[~values.known].tolist()
    assert found == missing


@pytest.mark.parametrize("tag", ["nan", "-9999", None])
def test_floats_that_are_no_numbers_are_no_data(write_tiff: Write, tag: str | None) -> None:
    pixels = np.array([[[1], [np.nan], [np.inf], [-np.inf], [-9999]]], "f4")
    extra = {"extratags": nodata_tag(tag)} if tag else {}

    for option in ("auto", "none"):
        known = values_of(write_tiff(pixels, **extra), nodata=option).known
        assert known is not None
        last = not (tag == "-9999" and option == "auto")
        assert known.ravel().tolist() == [True, False, False, False, last]


def test_a_mask_is_no_data_unless_nodata_is_named(pixels: NDArray[np.uint16]) -> None:
    mask = np.arange(20).reshape(4, 5) % 3 > 0
    data = with_mask(pixels, mask, extratags=nodata_tag("5"))

    masked = values_of(data)
    assert masked.known is not None
    np.testing.assert_array_equal(masked.known, mask[..., None] & (pixels != 5))
    for option, missing in (("none", []), (8, [8])):
        known = values_of(data, nodata=option).known
        assert ([] if known is None else pixels[~known].tolist()) == missing


# Palettes.


def test_the_values_of_a_palette_are_its_colours() -> None:
    indexes = np.array([[0, 1], [2, 3]], "u1")

    values = values_of(palette_file(indexes))

    assert values.pixels.dtype == np.uint8
    np.testing.assert_array_equal(values.pixels, (COLOURS // 257).T[indexes])
    assert (values.channels, values.bits, values.known) == (3, 8, None)


def test_no_data_of_a_palette_is_an_index() -> None:
    indexes = np.array([[0, 1], [2, 3]], "u1")

    values = values_of(palette_file(indexes, extratags=nodata_tag("2")))

    assert values.known is not None
    np.testing.assert_array_equal(values.known, np.dstack([indexes != 2] * 3))
    colour = values_of(palette_file(indexes), nodata=20).known
    assert colour is None or colour.all()


def test_a_mask_leaves_out_colours_too() -> None:
    indexes = np.array([[0, 1], [2, 3]], "u1")
    image = tiff.find_image(memoryview(palette_file(indexes, extratags=nodata_tag("2"))), Limits())
    mask = np.array([[True, False], [True, True]])

    for nodata, present in (("auto", mask & (indexes != 2)), ("none", None), (3, indexes != 3)):
        options = RenderOptions(nodata=nodata)  # type: ignore[arg-type] # not taken for literals
        values = Values(image._replace(mask=lambda: mask), Choice((1,), as_is=True), options)
        assert values.masked
        if present is None:
            assert values.present is None
        else:
            np.testing.assert_array_equal(values.present, present)
            np.testing.assert_array_equal(values.known, np.dstack([present] * 3))


def test_colours_are_not_measured_values() -> None:
    indexes = np.array([[0, 1], [2, 3]], "u1")

    values = values_of(palette_file(indexes), offset=-1000, unscale=True)

    assert values.affines == (Affine(),) * 3
    np.testing.assert_array_equal(values.physical(), values.pixels)


def test_a_band_of_a_palette_that_is_named_is_its_indexes() -> None:
    indexes = np.array([[0, 1], [2, 3]], "u1")

    values = values_of(palette_file(indexes), bands=(1,))

    np.testing.assert_array_equal(values.pixels[..., 0], indexes)


# What values stand for.


def scaled(write_tiff: Write, pixels: NDArray[Any], *items: tuple[str, int, str]) -> bytes:
    text = "".join(
        f'<Item name="{role.upper()}" sample="{band - 1}" role="{role}">{number}</Item>'
        for role, band, number in items
    )
    xml = f"<GDALMetadata>{text}</GDALMetadata>"
    return write_tiff(pixels, extratags=[(42112, 2, len(xml) + 1, xml, True)])


def test_values_are_unscaled_band_by_band(write_tiff: Write, pixels: NDArray[np.uint16]) -> None:
    data = scaled(write_tiff, pixels, ("scale", 1, "0.5"), ("offset", 1, "-3"), ("scale", 3, "10"))

    values = values_of(data, bands=(3, 2, 1), unscale=True, offset=4)

    oracle = (pixels[..., ::-1] + 4.0) * [10, 1, 0.5] + [0, 0, -3]
    np.testing.assert_array_equal(values.physical(), oracle)
    np.testing.assert_array_equal(values.pixels, pixels[..., ::-1])
    unasked = values_of(data, bands=(3, 2, 1), offset=4)
    np.testing.assert_array_equal(unasked.physical(), pixels[..., ::-1].astype(int) + 4)


@pytest.mark.parametrize("damaged", ["nan", "inf", "-inf", "1e999", "two", ""])
def test_scales_that_are_no_numbers_are_left_out(
    write_tiff: Write, pixels: NDArray[np.uint16], damaged: str
) -> None:
    data = scaled(write_tiff, pixels, ("scale", 1, damaged), ("offset", 1, damaged))

    np.testing.assert_array_equal(values_of(data, unscale=True).physical(), pixels)


@pytest.mark.parametrize(
    ("options", "choice", "inverted"),
    [
        ({"photometric": "miniswhite"}, Choice((1,), as_is=True), True),
        ({"photometric": "miniswhite"}, Choice((1,)), False),
        ({}, Choice((1,), as_is=True), False),
    ],
    ids=str,
)
def test_white_is_zero_in_pictures_that_say_so(
    write_tiff: Write, options: dict[str, Any], choice: Choice, inverted: bool
) -> None:
    data = write_tiff(np.zeros((3, 3, 1), "u1"), **options)
    image = tiff.find_image(memoryview(data), Limits())

    assert Values(image, choice, RenderOptions()).inverted == inverted


def test_white_is_zero_in_grey_only(handmade_tiff: Write) -> None:
    data = handmade_tiff(np.zeros((3, 3, 3), "u1"), tags={262: ("H", [0])})

    assert not values_of(data).inverted
