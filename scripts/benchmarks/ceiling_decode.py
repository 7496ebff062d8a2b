"""The ceiling with imagecodecs as decoder, the fastest one there is in a package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecodecs import tiff_decode

from asyncrgb import RenderOptions
from asyncrgb.imaging import stretch
from asyncrgb.imaging.stretch import Transfer
from asyncrgb.imaging.writing import png
from benchmarks.ceiling import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVEL = RenderOptions().compress_level
_TRANSFERS = (Transfer(0, 4000),) * 3


def run(chips: Sequence[str], destination: str, workers: int) -> None:
    """Convert all ``chips``."""
    spread(_render, chips, destination, workers)


def _render(data: bytes) -> bytes:
    rgb = stretch.apply(tiff_decode(data)[..., 3:0:-1], _TRANSFERS)
    return png.encode(rgb, _LEVEL)
