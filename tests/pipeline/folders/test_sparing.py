"""Pictures that asyncrgb has not made are not replaced, unless that is asked for."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import tifffile
from PIL import Image

import asyncrgb
from asyncrgb import CollisionError, Converted, Failed, Pending, RenderOptions, UpToDate
from asyncrgb.pipeline.storage.authorship import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncrgb import Outcome

PIXELS: Final = np.zeros((20, 20, 3), np.uint8)


def mask(path: Path) -> bytes:
    """Write a picture as somebody else does."""
    Image.fromarray(PIXELS).save(path)
    return path.read_bytes()


def outcomes(source: Path, target: Path, **how: Any) -> dict[str, Outcome]:  # noqa: ANN401
    report = asyncrgb.run(source, target, **how)
    return {Path(each.source).stem: each for each in report.outcomes}


@pytest.fixture
def folder(tmp_path: Path, make_chip: Callable[..., bytes]) -> Path:
    """Give a folder of images, one with a mask beside it."""
    for name in "ab":
        (tmp_path / f"{name}.tif").write_bytes(make_chip(size=32))
    mask(tmp_path / "b.png")
    return tmp_path


def test_masks_beside_their_images_stay(folder: Path) -> None:
    before = (folder / "b.png").read_bytes()
    for n, expected in enumerate((Converted, UpToDate, UpToDate)):
        forecast = outcomes(folder, folder, dry_run=True)
        found = outcomes(folder, folder)
        assert isinstance(found["a"], expected)
        assert isinstance(forecast["a"], UpToDate if n else Pending)
        for each in (found["b"], forecast["b"]):
            assert isinstance(each, Failed)
            assert isinstance(each.error, CollisionError)
            assert f"{folder / 'b.png'} is there already" in str(each.error)
            assert "--force" in str(each.error)
        assert (folder / "b.png").read_bytes() == before
    changed = outcomes(folder, folder, options=RenderOptions(bands=(1, 2, 3)))
    assert isinstance(changed["a"], Converted)
    assert isinstance(changed["b"], Failed)
    assert isinstance(outcomes(folder, folder, force=True)["b"], Converted)
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()
    os.unlink(folder / ".asyncrgb.json")
    assert isinstance(outcomes(folder, folder)["b"], Converted), "it is ours now"


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_a_file_that_is_named_as_the_result_stays(folder: Path, suffix: str) -> None:
    """``asyncrgb *.tif`` where there are two."""
    options = RenderOptions(format="png" if suffix == "png" else "tiff")
    target = folder / f"b.{suffix}"
    before = target.read_bytes()
    found = outcomes(folder / "a.tif", target, options=options)
    assert isinstance(found["a"], Failed)
    assert target.read_bytes() == before
    assert isinstance(
        outcomes(folder / "a.tif", target, options=options, force=True)["a"], Converted
    )
    assert isinstance(outcomes(folder / "a.tif", target, options=options)["a"], Converted)


def test_who_names_each_job_means_it(folder: Path) -> None:
    async def convert() -> Outcome:
        async with asyncrgb.Converter() as converter:
            return await converter.convert_file(folder / "a.tif", folder / "b.png")

    assert isinstance(asyncio.run(convert()), Converted)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}])
def test_tiffs_of_others_are_known(tmp_path: Path, options: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, **options)
    assert is_foreign(os.fspath(tmp_path / "a.tif"))
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, software="asyncrgb", **options)
    assert is_foreign(os.fspath(tmp_path / "a.tif")) == ("byteorder" in options)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("deep", [8, 16])
def test_results_are_known(tmp_path: Path, chip: bytes, suffix: str, deep: Any) -> None:  # noqa: ANN401
    options = RenderOptions(format="png" if suffix == "png" else "tiff", bit_depth=deep)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(asyncrgb.render(chip, options))
    assert not is_foreign(os.fspath(path))


@pytest.mark.parametrize(
    "data", [b"", b"text", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II+\0" + b"\xff" * 60]
)
def test_what_is_hardly_a_file_does_no_harm(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    assert is_foreign(os.fspath(tmp_path / "a.tif")) == data.startswith(b"II")
    assert not is_foreign(os.fspath(tmp_path / "none.tif"))
    assert not is_foreign(os.fspath(tmp_path))
    os.mkfifo(tmp_path / "pipe.tif")
    assert not is_foreign(os.fspath(tmp_path / "pipe.tif"))
