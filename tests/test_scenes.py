"""The scenes that tests are made with are what they say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import asyncrgb
from tests.scenes import SCENES, Expected, ground
from tests.tiffs import Order, page, tiff


def read(data: bytes) -> NDArray[Any]:
    """Read with tifffile: (height, width, bands)."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels = file.pages[0].asarray()
        is_planar = file.pages.first.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        return np.moveaxis(pixels, 0, -1) if is_planar else pixels


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [None, (64, 32)])
@pytest.mark.parametrize("compression", [1, 5, 8, 50000])
def test_tifffile_reads_what_is_put_together(
    compression: int,
    tile: tuple[int, int] | None,
    planar: bool,
    last: bool,
    backwards: bool,
) -> None:
    pixels = ground(150, 131)
    orders: tuple[Order, ...] = ("<", ">")
    for order in orders:
        one = page(pixels, tile=tile, rows=17, planar=planar, compression=compression, order=order)
        for big in (False, True):
            data = tiff(one, order=order, big=big, directories_last=last, backwards=backwards)
            assert (
                data[:4]
                == {
                    ("<", False): b"II*\0",
                    (">", False): b"MM\0*",
                    ("<", True): b"II+\0",
                    (">", True): b"MM\0+",
                }[order, big]
            )
            np.testing.assert_array_equal(read(data), pixels)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_rasterio_reads_mask_overviews_and_nodata(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    paths = {name: tmp_path / f"{name}.tif" for name in ("masked", "with_overviews", "nodata")}
    for name, path in paths.items():
        SCENES[name](path)
    with rasterio.open(paths["masked"]) as masked, rasterio.open(paths["nodata"]) as nodata:
        np.testing.assert_array_equal(masked.dataset_mask(), nodata.dataset_mask())
        assert {*np.unique(nodata.dataset_mask())} == {0, 255}
    with rasterio.open(paths["with_overviews"]) as scene:
        assert scene.overviews(1) == [2, 4]


@pytest.mark.parametrize("name", SCENES)
def test_what_is_expected_is_what_happens_to_the_whole_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    expected = SCENES[name](path)
    data = path.read_bytes()
    if not expected.errors:
        assert expected.picture(data).any()
        return
    with pytest.raises(expected.errors) as caught:
        expected.picture(data)
    assert expected.fits(caught.value)


def test_an_error_fits_by_class_and_words() -> None:
    expected = Expected((asyncrgb.DecodeError,), r"tile \d+")
    assert expected.fits(asyncrgb.DecodeError("tile 7 is damaged"))
    assert not expected.fits(asyncrgb.DecodeError("it is damaged"))
    assert not expected.fits(asyncrgb.LimitError("tile 7 is damaged"))
