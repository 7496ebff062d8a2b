"""What a file is: the facts that ``describe`` finds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["order", "names", "count"]


@dataclass(frozen=True, slots=True)
class BandDescription:
    """What one band is.

    Attributes:
        number: counted from 1.
        description: what the file calls it, if it does.
        scale, offset: a value stands for ``value * scale + offset``; 1 and 0 if nothing is said.
        valid: how many values are data.
        blank: share (0 to 1) of the values that are not.
        minimum, maximum, mean: of the values that are data; None if there are none.
        p2, p50, p98: their percentiles; those of floats are right to 1 part in 4096.

    """

    number: int
    description: str | None
    scale: float
    offset: float
    valid: int
    blank: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    p2: float | None
    p50: float | None
    p98: float | None


@dataclass(frozen=True, slots=True)
class Storage:
    """How a file stores its image.

    Attributes:
        bigtiff: whether it is a BigTIFF.
        byte_order: "little" or "big".
        tiled: whether it is cut into tiles; else into strips.
        rows, columns: of a strip or tile.
        segments: number of strips or tiles, of one page.
        planar: whether each of them holds one band only; else all bands ("chunky").
        compression: its name, such as "deflate"; "none" without.
        compression_code: its number in the file.
        predictor: "horizontal" or "floating point", if there is one.
        photometric: what the values mean, as TIFF calls it, such as "minisblack" or "rgb".
        pages: number of images of full resolution; more than one are the bands of one image.
        overviews: height and width of each smaller copy.
        masks: number of masks, those of overviews included.

    """

    bigtiff: bool
    byte_order: Literal["little", "big"]
    tiled: bool
    rows: int
    columns: int
    segments: int
    planar: bool
    compression: str
    compression_code: int
    predictor: str | None
    photometric: str
    pages: int
    overviews: tuple[tuple[int, int], ...]
    masks: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where on earth an image lies.

    Attributes:
        crs: the coordinate system, such as "EPSG:32632", if it has such a code.
        pixel_size: along columns and rows, in the units of the coordinate system.
        origin: x and y of the upper left corner of the first pixel. Both are None where
            only control points are known.

    """

    crs: str | None
    pixel_size: tuple[float, float] | None
    origin: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class SensorGuess:
    """A sensor that the image may be of.

    Attributes:
        name: a key of ``SENSORS``.
        reason: "order": all bands are described by its names, in its order; "names": all that
            are described have its names, in another order; "count": it has as many bands,
            transparency apart.

    """

    name: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Shown:
    """The bands that are shown where none are asked for.

    Attributes:
        bands: their numbers, from 1, as red, green and blue, or as grey.
        as_is: whether the image is a picture already.
        guessed: whether nothing says that these are red, green and blue.

    """

    bands: tuple[int, ...]
    as_is: bool
    guessed: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What a file is.

    Attributes:
        file_bytes: size of the file.
        height, width: pixels.
        dtype: of a value, such as "uint16".
        bits: of a value, as stored.
        storage: how the file stores it.
        nodata: the value that stands for no data, if one was declared; may be NaN.
        alpha: number of the band that holds transparency, if any does.
        palette: how many colours the values stand for, if they do.
        place: where on earth it lies, if it says so.
        sensors: those that it may be of.
        described: bands that are described as red, green and blue, in this order, if they are.
        shown: what is shown where no bands are asked for; None if they have to be.
        zeros: share (0 to 1) of the pixels that are 0 in all bands.
        bands: what each band is.

    """

    file_bytes: int
    height: int
    width: int
    dtype: str
    bits: int
    storage: Storage
    nodata: float | None
    alpha: int | None
    palette: int | None
    place: Place | None
    sensors: tuple[SensorGuess, ...]
    described: tuple[int, ...] | None
    shown: Shown | None
    zeros: float
    bands: tuple[BandDescription, ...]
