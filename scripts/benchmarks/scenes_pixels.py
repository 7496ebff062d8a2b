"""Whether the picture of a scene is what the tutorial's formula gives."""

from __future__ import annotations

import numpy as np
import rasterio
from PIL import Image
from rasterio.windows import Window

from benchmarks.formula import stretch

_ROWS = 512
_BANDS = [4, 3, 2]

Image.MAX_IMAGE_PIXELS = None  # scenes are large, and these are our own


def largest_difference(scene: str, picture: str) -> int:
    """Return by how much the pixels of ``picture`` differ at most; 0: they are exact.

    The scene is read by GDAL and stretched by numpy, some rows at a time.
    """
    largest = 0
    with Image.open(picture) as image, rasterio.open(scene) as source:
        if image.size != (source.width, source.height):
            return 255
        rgb = np.asarray(image.convert("RGB"))
        for top in range(0, source.height, _ROWS):
            rows = rgb[top : top + _ROWS]
            window = Window(0, top, source.width, len(rows))
            expected = np.moveaxis(stretch(source.read(_BANDS, window=window)), 0, -1)
            difference = np.maximum(rows, expected) - np.minimum(rows, expected)
            largest = max(largest, int(difference.max()))
    return largest


def longest_side(picture: str) -> int:
    """Return the longest side of a picture."""
    with Image.open(picture) as image:
        return max(image.size)
