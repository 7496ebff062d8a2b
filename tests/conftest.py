"""What several test modules share: real chips, synthetic chips, TIFFs written by hand."""

from __future__ import annotations

import io
import logging
import os
import signal
import struct
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

    Tag = tuple[str, Sequence[int]]

# Machines that test are shared: how long an example takes says nothing. The same examples are drawn
# each time, so that what fails does so because of a change; THOROUGH=1 draws others.
settings.register_profile(
    "asyncrgb",
    settings.default,
    deadline=None,
    derandomize="THOROUGH" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("asyncrgb")

_KINDS: Final = {"u": 1, "i": 2, "f": 3}  # SampleFormat
_TYPES: Final = {"B": (1, "B"), "A": (2, "B"), "H": (3, "H"), "I": (4, "I")}  # as struct has them


@pytest.fixture(autouse=True)
def _as_from_the_start() -> None:
    """Begin as in a terminal, with signals that get through and a log that is not verbose.

    In the background of a shell, and under nohup, some are ignored. So they are once a test has
    called the command in this process, which is not to be disturbed as it ends; whatever was
    started by the next test would be deaf to them. And the log is as verbose as that command was.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)
    logging.getLogger("asyncrgb").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Give the folder of the real test data, which are no part of the project."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real test data are not there: ../shared/data")
    return folder


@pytest.fixture(scope="session")
def eurosat_chips(data_folder: Path) -> tuple[bytes, ...]:
    """Give 100 real EuroSAT chips, whole files."""
    chips = tuple(path.read_bytes() for path in sorted(data_folder.glob("eurosat/*/*.tif")))
    assert len(chips) == 100
    return chips


@pytest.fixture(scope="session")
def write_tiff() -> Callable[..., bytes]:
    """Give the function that writes a TIFF with tifffile; see ``_write_tiff``."""
    return _write_tiff


@pytest.fixture(scope="session")
def make_chip() -> Callable[..., bytes]:
    """Give the function that writes a synthetic chip; see ``_make_chip``."""
    return _make_chip


@pytest.fixture(scope="session")
def chip(make_chip: Callable[..., bytes]) -> bytes:
    """Give a synthetic chip laid out as those of EuroSAT."""
    return make_chip()


@pytest.fixture(scope="session")
def handmade_tiff() -> Callable[..., bytes]:
    """Give the function that writes a TIFF without any library; see ``_handmade_tiff``."""
    return _handmade_tiff


def _write_tiff(pixels: NDArray[Any], **options: Any) -> bytes:  # noqa: ANN401 - tifffile's
    """Write ``pixels`` (height, width, bands) with tifffile: plain strips unless asked."""
    file = io.BytesIO()
    plain = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
    if pixels.shape[-1] == 1:
        pixels, plain["planarconfig"] = pixels[..., 0], None
    tifffile.imwrite(file, pixels, **(plain | options))
    return file.getvalue()


def _make_chip(  # noqa: PLR0913 - each is one property of a chip, and all have defaults
    *,
    seed: int = 0,
    size: int = 64,
    bands: int = 13,
    dtype: DTypeLike = "uint16",
    rows_per_strip: int = 4,
    byteorder: Literal["<", ">"] = "<",
) -> bytes:
    """Write a chip of ``size`` x ``size`` pixels, by default laid out as those of EuroSAT.

    The values vary smoothly, as reflectance does; some are above 4000.
    """
    steps = np.random.default_rng(seed).normal(0, 60, (size, size, bands))
    rows = np.arange(1, size + 1)[:, None, None]
    terrain = 3000 + steps.cumsum(axis=0).cumsum(axis=1) / np.sqrt(rows)
    pixels = terrain.clip(0, np.iinfo(dtype).max).astype(dtype)
    return _write_tiff(pixels, byteorder=byteorder, rowsperstrip=rows_per_strip)


def _handmade_tiff(  # noqa: PLR0913 - each is one property of a file, and all have defaults
    pixels: NDArray[Any],
    *,
    order: str = "<",
    rows: int | None = None,
    offset_type: str = "I",
    gap: int = 0,
    upside_down: bool = False,
    tags: Mapping[int, Tag | None] = {},
    next_directory: int = 0,
) -> bytes:
    """Write ``pixels`` (height, width, bands) in strips of ``rows``, with struct alone.

    ``tags`` replaces tags (type and values), or leaves them out (None); ``gap`` bytes lie
    between strips; ``upside_down`` stores the last strip first.
    """
    rows = rows or len(pixels)
    on_disk = pixels.astype(pixels.dtype.newbyteorder(cast("Literal['<', '>']", order)))
    strips = [on_disk[top : top + rows].tobytes() for top in range(0, len(pixels), rows)]
    sequence = range(len(strips))[:: -1 if upside_down else 1]
    fields = _plain_tags(pixels, rows) | {279: (offset_type, [len(strip) for strip in strips])}

    def directory(offsets: list[int]) -> bytes:
        every = {**fields, 273: (offset_type, offsets), **tags}
        kept = {tag: field for tag, field in every.items() if field is not None}
        return _directory(order, kept, next_directory)

    ends = accumulate(
        (len(strips[index]) + gap for index in sequence),
        initial=len(directory([0] * len(strips))),
    )
    place = dict(zip(sequence, ends, strict=False))
    body = b"".join(strips[index] + bytes(gap) for index in sequence)
    return directory([place[index] for index in range(len(strips))]) + body


def _plain_tags(pixels: NDArray[Any], rows: int) -> dict[int, Tag | None]:
    height, width, bands = pixels.shape
    return {
        256: ("H", [width]),
        257: ("H", [height]),
        258: ("H", [8 * pixels.dtype.itemsize] * bands),
        259: ("H", [1]),
        262: ("H", [1]),
        277: ("H", [bands]),
        278: ("H", [rows]),
        284: ("H", [1]),
        339: ("H", [_KINDS[pixels.dtype.kind]] * bands),
    }


def _directory(order: str, tags: Mapping[int, Tag], next_directory: int) -> bytes:
    """Write header, directory and the arrays that it points to."""
    end = 8 + 2 + 12 * len(tags) + 4
    entries, arrays = b"", b""
    for tag, (name, values) in sorted(tags.items()):
        kind, form = _TYPES[name]
        body = struct.pack(f"{order}{len(values)}{form}", *values)
        at = struct.pack(order + "I", end + len(arrays))
        arrays += body if len(body) > 4 else b""
        entries += struct.pack(order + "HHI", tag, kind, len(values))
        entries += at if len(body) > 4 else body.ljust(4, b"\0")
    magic = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    tail = struct.pack(order + "I", next_directory)
    return magic + struct.pack(order + "H", len(tags)) + entries + tail + arrays
