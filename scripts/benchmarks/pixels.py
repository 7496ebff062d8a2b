"""Whether results are what the tutorial's formula gives."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image

from benchmarks.formula import stretch

if TYPE_CHECKING:
    from pathlib import Path


def largest_difference(chip: Path, png: bytes) -> int:
    """Return by how much the pixels of ``png`` differ at most; 0: they are exact."""
    ms = tifffile.imread(chip)
    if ms.shape[0] < ms.shape[-1]:  # planar
        ms = np.moveaxis(ms, 0, -1)
    expected = stretch(ms[..., (3, 2, 1)]).astype(int)
    with Image.open(io.BytesIO(png)) as image:
        rgb = np.asarray(image.convert("RGB")).astype(int)
    return int(np.abs(rgb - expected).max())
