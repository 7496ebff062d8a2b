"""Where on Earth an image lies: from the tags of its TIFF to what outputs can carry.

Tags and keys are those of the GeoTIFF standard (OGC 19-008r4). Where files break it, this
module reads them as GDAL does, because that is what other programs read them with.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    Affine: TypeAlias = tuple[float, float, float, float, float, float]
    ExtraTag: TypeAlias = tuple[int, str, int, tuple[float, ...] | bytes, bool]

_PIXEL_SCALE, _TIEPOINTS, _TRANSFORMATION = 33550, 33922, 34264
_KEYS, _DOUBLES, _TEXT = 34735, 34736, 34737
TAGS: Final = (_PIXEL_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS, _DOUBLES, _TEXT)
"""Numbers of the tags that say where an image lies, in the order of ``Georeference``."""

_AXES: Final = 3
_TIEPOINT: Final = 6  # numbers of one: column, row, depth; x, y, z
_MATRIX: Final = 16
_RASTER_TYPE: Final = 1025
_PIXEL_IS_POINT: Final = 2
_VERSION: Final = 1  # of the key directory; there is no other
_KEY: Final = 4  # numbers of a key, and of the directory's head
_LARGEST_SHORT: Final = 2**16 - 1


class Georeference(NamedTuple):
    """The georeferencing tags of a TIFF, unchanged; None for each that it lacks.

    Attributes:
        pixel_scale: size of a pixel along x, y and z.
        tiepoints: six numbers each: column, row, depth and the x, y, z found there.
        transformation: a 4 x 4 matrix from column, row, depth to x, y, z; row by row.
        keys: the directory of the keys, which name the coordinate system.
        doubles: the numbers that the directory refers to.
        text: the names that the directory refers to.

    """

    pixel_scale: tuple[float, ...] | None = None
    tiepoints: tuple[float, ...] | None = None
    transformation: tuple[float, ...] | None = None
    keys: tuple[int, ...] | None = None
    doubles: tuple[float, ...] | None = None
    text: str | None = None

    @classmethod
    def from_tags(cls, tags: Mapping[int, Any]) -> Georeference | None:
        """Collect the georeferencing among ``tags``, number to value as tifffile gives them.

        A damaged tag counts as absent: an image is worth more than its place. None if there
        is no usable tag at all.
        """
        found = cls(
            _pixel_scale(tags.get(_PIXEL_SCALE)),
            _tiepoints(tags.get(_TIEPOINTS)),
            _transformation(tags.get(_TRANSFORMATION)),
            _keys(tags.get(_KEYS)),
            _numbers(tags.get(_DOUBLES)),
            _text(tags.get(_TEXT)),
        )
        return None if found == cls() else found

    def worldfile(self) -> str | None:
        """Write the six lines of a world file: A, D, B, E and the centre of the first pixel.

        None if the place is not an affine function of column and row: there are only control
        points, or nothing at all. Every number reads back as exactly what it was.
        """
        affine = self._affine()
        if affine is None:
            return None
        a, b, x, d, e, y = affine
        if not self._pixel_is_point():
            x, y = x + (a + b) / 2, y + (d + e) / 2
        numbers = (a, d, b, e, x, y)
        return "".join(f"{n!r}\n" for n in numbers) if all(map(isfinite, numbers)) else None

    def scaled(self, down: float, across: float) -> Georeference:
        """Say where a picture lies whose pixels are ``down`` x ``across`` as large."""
        half = 0.5 if self._pixel_is_point() else 0.0
        columns, rows = half * (across - 1), half * (down - 1)  # where its first pixel was
        scale, points, matrix = self.pixel_scale, self.tiepoints, self.transformation
        if scale is not None:
            scale = scale[0] * across, scale[1] * down, scale[2]
        if points is not None:
            ties = (points[at : at + _TIEPOINT] for at in range(0, len(points), _TIEPOINT))
            parts = [((i - columns) / across, (j - rows) / down, *rest) for i, j, *rest in ties]
            points = tuple(number for part in parts for number in part)
        if matrix is not None:
            lines = (matrix[at : at + 4] for at in range(0, _MATRIX, 4))
            sums = [(a * across, b * down, c, d + a * columns + b * rows) for a, b, c, d in lines]
            matrix = tuple(number for line in sums for number in line)
        return self._replace(pixel_scale=scale, tiepoints=points, transformation=matrix)

    def extratags(self) -> list[ExtraTag]:
        """List the tags as tifffile takes them, to be copied to an image of the same size."""
        return [
            _extratag(tag, value)
            for tag, value in zip(TAGS, self, strict=True)
            if value is not None
        ]

    def _affine(self) -> Affine | None:
        """Give a, b, c, d, e, f: x = a column + b row + c, y = d column + e row + f.

        Columns and rows count corners or centres of pixels, as the raster type says. As in GDAL
        a scale comes before a matrix, goes with the first tiepoint, and points north up even if
        its sign does not.
        """
        if self.pixel_scale and self.tiepoints:
            a, e = self.pixel_scale[0], -abs(self.pixel_scale[1])
            column, row, _, x, y, _ = self.tiepoints[:_TIEPOINT]
            return a, 0.0, x - a * column, 0.0, e, y - e * row
        if self.transformation:
            a, b, _, c, d, e, _, f = self.transformation[:8]
            return a, b, c, d, e, f
        return None

    def _pixel_is_point(self) -> bool:
        """Tell whether places are those of the pixels' centres instead of their corners."""
        keys = self.keys or ()
        entries = {keys[at]: keys[at + 1 : at + _KEY] for at in range(_KEY, len(keys), _KEY)}
        return entries.get(_RASTER_TYPE) == (0, 1, _PIXEL_IS_POINT)


def _numbers(value: object) -> tuple[float, ...] | None:
    """Take finite numbers; tifffile gives a single one as itself."""
    values = value if isinstance(value, tuple) else (value,)
    usable = values and all(isinstance(each, (int, float)) and isfinite(each) for each in values)
    return tuple(map(float, values)) if usable else None


def _pixel_scale(value: object) -> tuple[float, ...] | None:
    scale = _numbers(value)
    return scale if scale and len(scale) == _AXES and scale[0] and scale[1] else None


def _tiepoints(value: object) -> tuple[float, ...] | None:
    points = _numbers(value)
    return points if points and len(points) % _TIEPOINT == 0 else None


def _transformation(value: object) -> tuple[float, ...] | None:
    matrix = _numbers(value)
    if not matrix or len(matrix) != _MATRIX:
        return None
    a, b, _, _, d, e, *_ = matrix
    return matrix if a * e != b * d else None


def _keys(value: object) -> tuple[int, ...] | None:
    """Take a directory that is as long as its head says: its numbers are unsigned shorts."""
    if not isinstance(value, tuple) or len(value) < _KEY:
        return None
    if not all(isinstance(each, int) and 0 <= each <= _LARGEST_SHORT for each in value):
        return None
    end = _KEY * (1 + value[3])
    return value[:end] if value[0] == _VERSION and len(value) >= end else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _extratag(tag: int, value: tuple[float, ...] | str) -> ExtraTag:
    if isinstance(value, str):
        text = value.encode() + b"\0"  # tifffile would refuse what is not ASCII
        return tag, "s", len(text), text, True
    return tag, "H" if tag == _KEYS else "d", len(value), value, True
