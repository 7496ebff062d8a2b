"""The output formats, and what each of them can hold.

A table without code, so that whoever checks options or names files can look something up
without the weight of an encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Format:
    """What there is to know about a format before anything is encoded.

    Attributes:
        name: what ``--format`` calls it.
        suffix: of its files, with the dot.
        worldfile_suffix: of the world file beside one, with the dot: first and last letter
            of the format's own suffix and a w, as ESRI has it.
        alpha: whether pixels can be transparent.
        deep: whether a sample can have 16 bits.
        longest_side: most pixels of a row or a column.
        lossy: whether it has a quality; the others keep every pixel as it is.

    """

    name: str
    suffix: str
    worldfile_suffix: str
    alpha: bool
    deep: bool
    longest_side: int
    lossy: bool


FORMATS: Final[Mapping[str, Format]] = {
    each.name: each
    for each in (
        Format(
            name="png",
            suffix=".png",
            worldfile_suffix=".pgw",
            alpha=True,
            deep=True,
            longest_side=2**31 - 1,
            lossy=False,
        ),
        Format(
            name="jpeg",
            suffix=".jpg",
            worldfile_suffix=".jgw",
            alpha=False,
            deep=False,
            longest_side=65_500,  # what libjpeg allows; the format itself has 65,535
            lossy=True,
        ),
        Format(
            name="webp",
            suffix=".webp",
            worldfile_suffix=".wpw",
            alpha=True,
            deep=False,
            longest_side=16_383,
            lossy=True,
        ),
        Format(
            name="tiff",
            suffix=".tif",
            worldfile_suffix=".tfw",
            alpha=True,
            deep=True,
            longest_side=2**31 - 1,  # what GDAL reads; the format itself has twice that
            lossy=False,
        ),
    )
}

BEST_QUALITY: Final = 100
"""The best quality of lossy formats; WebP files of it are lossless."""

DEFAULT_QUALITY: Final = 90
"""The quality of lossy formats unless another is asked for."""
