"""``asyncrgb info``: what people and programs are told of a file, and that the advice is good."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import asyncrgb
from asyncrgb.cli.info import info
from tests.cli.commands import asyncrgb_command

WriteTiff = Callable[..., bytes]

SCALED = (
    '<GDALMetadata><Item name="SCALE" sample="{0}" role="scale">2.75e-05</Item>'
    '<Item name="OFFSET" sample="{0}" role="offset">-0.2</Item></GDALMetadata>'
)


def told(path: str | Path, *options: str) -> str:
    result = CliRunner().invoke(info, [*options, "--", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def as_json(path: str | Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(told(path, "--json"), parse_constant=refuse)
    return found


def suggested(path: Path) -> list[str]:
    """Give the options that are suggested for a file."""
    words = shlex.split(told(path).splitlines()[-1].removeprefix("Try: "))
    assert words[:3] == ["asyncrgb", str(path), f"{path.stem}.png"]
    assert as_json(path)["command"] == words
    return words[3:]


def notes(path: Path) -> list[str]:
    return [line for line in told(path).splitlines() if line.startswith("Note: ")]


def values(low: float, high: float, count: int, dtype: str = "uint16") -> NDArray[Any]:
    drawn = np.random.default_rng(1).uniform(low, high, (32, 40, count))
    return drawn.astype(dtype)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tif"


def test_a_real_chip_fits_on_a_screen(data_folder: Path) -> None:
    lines = told(data_folder / "eurosat/River/River_7.tif").splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines[1:-1])) <= 100
    text = "\n".join(lines)
    for fact in (
        "64 x 64 pixels (height x width), 13 bands of uint16, 107,244 bytes",
        "TIFF, little-endian, 16 strips of 4 rows, chunky, uncompressed",
        "no data  none declared",
        "EPSG:32631, pixels of 9.985412 x 9.9920661",
        "eurosat or sentinel2-l1c, by the number of bands",
        "bands 4,3,2 as red, green and blue, from 0 (black) to 4000",
        "2       0%   858    885    1061  1296.1  1531  1046.95",
    ):
        assert fact in text
    assert lines[-1].endswith("River_7.tif River_7.png"), "the defaults are right for it"


def test_the_columns_of_the_table_are_aligned(data_folder: Path) -> None:
    lines = told(data_folder / "eurosat/River/River_7.tif").splitlines()
    table = [
        line for line in lines if line.lstrip().split(" ")[0] in ("band", *map(str, range(14)))
    ]
    assert len(table) == 14
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("chips/Jaca_1.tif", ["big-endian, 9 strips of 8 rows, chunky, deflate", "EPSG:4326"]),
        ("scenes/landsat7_6band.tif", ["4 overviews (176 x 175, 88 x 88, 44 x 44, 22 x 22)"]),
        (
            "scenes/s2_l1c_13band_1024_bigtiff_bigendian_tiled.tif",
            ["BigTIFF, big-endian, 16 tiles of 256 x 256, chunky, deflate, horizontal predictor"],
        ),
        (
            "odd_tiffs/rasterio/data/cogeo.tif",
            ["6 overviews (512 x 512, 256 x 256, 128 x 128, 64 x 64, ...); 7 masks", "ycbcr"],
        ),
        (
            "odd_tiffs/image-tiff/images/palette-1c-4b.tiff",
            ["palette of 16 colours", "uint8 (4 bits)", "the colours of the palette"],
        ),
        ("odd_tiffs/rasterio/data/all-nodata.tif", ["no data  0", "100%", "blue"]),
        ("odd_tiffs/rasterio/data/float_nan.tif", ["no data  nan", "16.7%"]),
    ],
)
def test_facts_of_real_files(name: str, facts: list[str], data_folder: Path) -> None:
    text = told(data_folder / name)
    for fact in facts:
        assert fact in text


def test_json_has_the_same_keys_for_every_file(
    path: Path, tmp_path: Path, chip: bytes, write_tiff: WriteTiff
) -> None:
    path.write_bytes(chip)
    floats = np.array([np.nan, np.inf, 1, 2], np.float32).reshape(2, 2, 1)
    other = tmp_path / "other.tif"
    other.write_bytes(write_tiff(floats, extratags=[(42113, "s", 0, "nan", True)]))
    one, two = as_json(path), as_json(other)
    assert one.keys() == two.keys()
    assert one["bands"][0].keys() == two["bands"][0].keys()
    assert (one["nodata"], two["nodata"]) == (None, "nan")
    assert one["storage"].keys() == two["storage"].keys()
    assert (one["height"], one["width"], one["dtype"], len(one["bands"])) == (64, 64, "uint16", 13)
    pixels = tifffile.imread(path)
    assert [band["maximum"] for band in one["bands"]] == pixels.max(axis=(0, 1)).tolist()


@pytest.mark.parametrize(
    ("pixels", "kwargs", "options"),
    [
        (values(300, 2500, 13), {}, ""),
        (values(300, 2500, 12), {}, "--sensor sentinel2-l2a"),
        (values(300, 2500, 5), {}, ""),
        (values(300, 9000, 2), {}, "--bands 1 --percentile 2 98"),
        (values(0, 256, 6, "uint8"), {}, "--sensor landsat-tm"),
        (values(1, 12, 6, "uint8"), {}, "--sensor landsat-tm --percentile 2 98"),
        (values(0, 256, 3, "uint8"), {"photometric": "rgb"}, ""),
        (values(1, 12, 3, "uint8"), {"photometric": "rgb"}, "--percentile 2 98 --joint"),
        (values(0, 65535, 3), {"photometric": "rgb"}, "--percentile 2 98 --joint"),
        (values(0, 65535, 4), {"photometric": "rgb", "extrasamples": [0]},
         "--percentile 2 98 --joint"),
        (values(0, 3000, 5), {"extrasamples": [0, 0, 0, 2]}, ""),
        (values(0, 3000, 6), {"extrasamples": [0, 0, 2, 0, 0]}, "--bands 1,2,3"),
        (values(0.01, 0.5, 13, "float32"), {}, "--scale 0 0.4"),
        (values(-40, 300, 1, "float32"), {}, "--percentile 2 98"),
        (values(8000, 20000, 1), {"extratags": [(42112, "s", 0, SCALED.format(0), True)]},
         "--unscale --scale 0 0.4"),
        (np.full((9, 9, 13), 7, np.uint16), {}, ""),
        (np.eye(60, dtype=np.float32)[..., None], {}, "--minmax"),
        (values(300, 2500, 13) * (np.arange(40)[:, None] > 9), {}, "--nodata 0"),
        (values(1, 256, 3, "uint8") * (np.arange(40)[:, None] > 9).astype("u1"),
         {"photometric": "rgb"}, ""),
    ],
)  # fmt: skip
def test_the_suggestion_is_good(
    pixels: NDArray[Any], kwargs: dict[str, Any], options: str, path: Path, write_tiff: WriteTiff
) -> None:
    """It is accepted, and the picture is neither black nor white, unless there is nothing."""
    path.write_bytes(write_tiff(pixels, **kwargs))
    assert suggested(path) == options.split()
    picture = shown(path)
    if pixels.min() != pixels.max():
        assert picture.std() > 5


def shown(path: Path) -> NDArray[np.uint8]:
    words = shlex.split(told(path).splitlines()[-1].removeprefix("Try: "))
    done = asyncrgb_command(*words[1:], "-q", "--executor", "serial", cwd=path.parent)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with Image.open(path.parent / words[2]) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    "name",
    [
        "eurosat/SeaLake/SeaLake_8.tif",
        "chips/Jaca_1.tif",
        "scenes/landsat7_6band.tif",
        "odd_tiffs/rasterio/data/float_raster_with_nodata.tif",
        "odd_tiffs/rasterio/data/RGB2.byte.tif",
        "odd_tiffs/image-tiff/images/palette-1c-4b.tiff",
    ],
)
def test_suggestions_for_real_files(name: str, data_folder: Path, tmp_path: Path) -> None:
    link = tmp_path / Path(name).name
    link.symlink_to(data_folder / name)
    assert shown(link).std() > 5


@pytest.mark.parametrize(
    ("descriptions", "options"),
    [
        (["red", "green", "blue", "nir"], "--sensor naip"),
        (["B02", "B03", "B04", "B08"], "--bands 3,2,1"),
    ],
)
def test_descriptions_tell_the_bands(
    descriptions: Sequence[str], options: str, path: Path, write_tiff: WriteTiff
) -> None:
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{text}</Item>'
        for i, text in enumerate(descriptions)
    )
    tag = (42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)
    path.write_bytes(write_tiff(values(300, 2500, len(descriptions)), extratags=[tag]))
    assert suggested(path) == options.split()
    assert not notes(path)
    for text in descriptions:
        assert text in told(path)


def test_guesses_are_called_so(path: Path, write_tiff: WriteTiff) -> None:
    path.write_bytes(write_tiff(values(300, 2500, 4)))
    guess = "Note: that bands 4,3,2 are red, green and blue is a guess: "
    assert notes(path) == [f"{guess}give --sensor naip or --sensor planet-4, or the right --bands."]


def test_zeros_are_remarked(path: Path, write_tiff: WriteTiff) -> None:
    pixels = values(300, 2500, 13) * (np.arange(40)[:, None] > 9)
    path.write_bytes(write_tiff(pixels))
    taken = "25% of the pixels are 0 in all bands, which is taken for no data; "
    assert notes(path) == [f"Note: {taken}--alpha makes them transparent."]
    path.write_bytes(write_tiff(pixels, extratags=[(42113, "s", 0, "0", True)]))
    assert notes(path) == []
    path.write_bytes(write_tiff(pixels[..., :3].astype(np.uint8), photometric="rgb"))
    assert "if that stands for no data, add --nodata 0" in notes(path)[0]


def test_transparency_and_nothing_are_remarked(path: Path, write_tiff: WriteTiff) -> None:
    pixels = np.full((9, 9, 4), 200, np.uint8)
    path.write_bytes(write_tiff(pixels, photometric="rgb", extrasamples=[2]))
    assert notes(path) == [
        "Note: all values that are shown are 200.",
        "Note: band 4 is transparency: --alpha keeps it.",
    ]
    path.write_bytes(write_tiff(pixels, extratags=[(42113, "s", 0, "200", True)]))
    declared = "the bands that are shown have no data: if 200 is data, add --nodata none."
    assert f"Note: {declared}" in notes(path)


@pytest.mark.parametrize("nodata", [None, "nan"])
def test_nan_is_not_to_be_counted_as_data(
    nodata: str | None, path: Path, write_tiff: WriteTiff
) -> None:
    tags = [] if nodata is None else [(42113, "s", 0, nodata, True)]
    path.write_bytes(write_tiff(np.full((9, 9), np.nan, np.float32), extratags=tags))
    assert "have no data, only NaN or infinite values" in notes(path)[0]
    assert "--nodata" not in told(path)


@pytest.mark.parametrize("name", ["two words.tif", "it's.tif", "a;b$c.tif", "-v.tif", "x.png"])
def test_file_names_are_quoted(
    name: str, tmp_path: Path, chip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(chip)
    monkeypatch.chdir(tmp_path)
    line = told(name).splitlines()[-1].removeprefix("Try: asyncrgb ")
    command = f"{shlex.quote(sys.executable)} -m asyncrgb {line} -q --executor serial"
    done = subprocess.run(command, shell=True, cwd=tmp_path, check=False, timeout=60)  # noqa: S602 - as a shell reads it
    assert done.returncode == 0
    picture = tmp_path / shlex.split(line)[1]
    assert picture.read_bytes() == asyncrgb.render(chip)


def test_odd_characters_are_escaped(tmp_path: Path, chip: bytes) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/a\n\x1b[31m\xff.tif")
    with open(name, "wb") as file:
        file.write(chip)
    done = asyncrgb_command("info", name)
    assert done.returncode == 0
    assert "a\\n\\x1b[31m\\xff.tif" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1].startswith("Try: asyncrgb '")
    assert done.stdout.replace("\n", "").isprintable()
    assert json.loads(asyncrgb_command("info", name, "--json").stdout)["file"] == name


def test_odd_descriptions_are_escaped_and_cut(path: Path, write_tiff: WriteTiff) -> None:
    text = "red\n" + "very " * 9
    item = f'<Item name="DESCRIPTION" sample="0" role="description">{text}</Item>'
    tag = (42112, "s", 0, f"<GDALMetadata>{item}</GDALMetadata>", True)
    path.write_bytes(write_tiff(values(0, 9, 1), extratags=[tag]))
    assert "red\\nvery very very v..." in told(path)
    assert as_json(path)["bands"][0]["description"] == text.strip()


def test_what_cannot_be_read(path: Path, tmp_path: Path, chip: bytes) -> None:
    path.write_bytes(chip[:-1])
    damaged = asyncrgb_command("info", path)
    assert (damaged.returncode, damaged.stdout) == (1, "")
    assert damaged.stderr.startswith(f"asyncrgb: {path}: truncated: ")
    assert damaged.stderr.count("\n") == 1
    for missing in (tmp_path / "none.tif", tmp_path):
        done = asyncrgb_command("info", missing)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert asyncrgb_command("info").returncode == 2


def test_limits(path: Path, chip: bytes) -> None:
    path.write_bytes(chip)
    done = asyncrgb_command("info", path, "--limit-pixels", "4000")
    assert done.returncode == 1
    assert "--limit-pixels" in done.stderr
    assert asyncrgb_command("info", path, "--limit-pixels", "0").returncode == 0
    assert asyncrgb_command("info", path, "--limit-bands", "-1").returncode == 2


def test_warnings_of_the_parser_do_not_show(path: Path, write_tiff: WriteTiff) -> None:
    pixels = values(0, 9, 1, "float32")
    path.write_bytes(write_tiff(pixels, extratags=[(42113, "s", 0, "-3.4e+38", True)]))
    done = asyncrgb_command("info", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_needs_no_numpy() -> None:
    code = (
        "import sys\nfrom asyncrgb.cli.info import info\n"
        "info.main(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "--json" in done.stdout
    assert not {"numpy", "tifffile", "asyncio"} & {*done.stdout.split()}
