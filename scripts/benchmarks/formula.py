"""What every contender computes, and how it names the results."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stretch(bands: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring reflectances of 0 to 4000 to 0 to 255, as the tutorial does."""
    rgb: NDArray[np.uint8] = (255 * (bands / 4000).clip(0, 1)).astype(np.uint8)
    return rgb


def result_path(chip: str, destination: str) -> str:
    """Return where the PNG of ``chip`` belongs."""
    stem, _ = os.path.splitext(os.path.basename(chip))
    return os.path.join(destination, f"{stem}.png")
