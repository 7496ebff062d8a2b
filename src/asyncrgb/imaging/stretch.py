"""From pixel values to intensities.

Integers of up to 16 bits go through a lookup table, which is computed once with the exact
formula: half the time of the formula itself, and equal to it by construction. The table costs
as much as an image of its size, so a stretch that only one image has is computed directly
where that image is smaller.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Tables = Sequence[NDArray[Any]]

_TABLE_BYTES: Final = 2
_SAFE_IN_32_BITS: Final = 2**30
_LARGE: Final = 2**22  # values looked up at once
_BLOCK: Final = 2**16  # values computed at once: they stay in the cache, and need little memory


class Affine(NamedTuple):
    """What pixel values stand for: ``(value + add) * scale + shift``; all finite."""

    add: float = 0
    scale: float = 1
    shift: float = 0

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Compute what ``values`` stand for: themselves, exact integers, or float64."""
        if self == _IDENTITY:
            return values
        if self._keeps_integers(values.dtype):
            return values.astype(np.int32) + np.int32(self.add)
        with np.errstate(over="ignore", invalid="ignore"):  # huge floats become infinite
            return (values.astype(np.float64) + self.add) * self.scale + self.shift

    def _keeps_integers(self, dtype: np.dtype[Any]) -> bool:
        small = dtype.kind in "iu" and dtype.itemsize <= _TABLE_BYTES
        whole = float(self.add).is_integer() and abs(self.add) < _SAFE_IN_32_BITS
        return small and whole and self.scale == 1 and self.shift == 0


_IDENTITY: Final = Affine()


class Response(NamedTuple):
    """How intensities are written.

    Attributes:
        first, last: what black and full intensity become.
        gamma: intensity x becomes x ** (1 / gamma).
        nearest: round, instead of truncating.
        deep: write 16 bits instead of 8.

    """

    first: int = 0
    last: int = 255
    gamma: float = 1
    nearest: bool = False
    deep: bool = False


class Transfer(NamedTuple):
    """How the values of one band become intensities.

    Attributes:
        low, high: what becomes black and full intensity; two different numbers. ``low`` is the
            larger one where white is zero.
        affine: applied to pixel values first.
        nodata: pixel value that stands for no data, if one does; it becomes 0.
        response: how intensities are written.

    """

    low: float
    high: float
    affine: Affine = _IDENTITY
    nodata: float | None = None
    response: Response = Response()


def opened(ends: tuple[float, float]) -> tuple[float, float]:
    """Part the ends of a range without extent, so that its one value is black."""
    low, high = ends
    return (low, high) if low < high else (low, low + max(1.0, abs(low)))


def apply(
    pixels: NDArray[Any], transfers: Sequence[Transfer], *, lasting: bool = True
) -> NDArray[Any]:
    """Stretch ``pixels`` to intensities.

    Args:
        pixels: (height, width, bands) of any real dtype.
        transfers: one for each band; all write the same number of bits.
        lasting: whether the same transfers will be used again, so that a table pays.

    Returns:
        uint8 or uint16 of the same shape. NaN and infinities become 0, as no data does.

    """
    dtype = pixels.dtype
    if _has_tables(dtype) and (lasting or pixels[..., 0].size > 2 ** (8 * dtype.itemsize)):
        return look_up(pixels, tables(dtype, transfers))
    if _alike(transfers):
        return _formula(pixels, transfers[0])
    bands = [_formula(pixels[..., i], transfer) for i, transfer in enumerate(transfers)]
    return np.stack(bands, axis=-1)


def tables(dtype: np.dtype[Any], transfers: Sequence[Transfer]) -> Tables:
    """Give the table of each band, or one for all, by which values of ``dtype`` are stretched.

    There is none for wide integers and floats.
    """
    if not _has_tables(dtype):
        return ()
    each = transfers[:1] if _alike(transfers) else transfers
    return tuple(_table(transfer, dtype) for transfer in each)


def look_up(pixels: NDArray[Any], tables: Tables) -> NDArray[Any]:
    """Stretch ``pixels`` as ``apply`` does, by the tables for their dtype."""
    dtype = pixels.dtype
    indexes = pixels if dtype.kind == "u" else pixels.view(dtype.str.replace("i", "u"))
    if indexes.size > _LARGE:  # take() makes them eight bytes each
        parts = np.array_split(indexes, -(-indexes.size // _LARGE))
        return np.concatenate([look_up(part, tables) for part in parts])
    if len(tables) == 1:
        return tables[0].take(_gathered(indexes))
    written = np.empty(indexes.shape, tables[0].dtype)
    for i, table in enumerate(tables):
        written[..., i] = table.take(indexes[..., i])
    return written


def _has_tables(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu" and dtype.itemsize <= _TABLE_BYTES


def _gathered(indexes: NDArray[Any]) -> NDArray[Any]:
    """Bring values next to each other, a band at a time.

    Left to numpy, who goes through them pixel by pixel, that takes four times as long: a third
    of the time of a table.
    """
    if indexes.flags.c_contiguous:
        return indexes
    gathered = np.empty(indexes.shape, indexes.dtype.newbyteorder("="))
    for band in range(indexes.shape[-1]):
        gathered[..., band] = indexes[..., band]
    return gathered


def _alike(transfers: Sequence[Transfer]) -> bool:
    return transfers.count(transfers[0]) == len(transfers)


@lru_cache(maxsize=64)
def _table(transfer: Transfer, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Stretch every value of ``dtype``, ordered by the value's bits read as unsigned."""
    unsigned = np.arange(2 ** (8 * dtype.itemsize)).astype(f"u{dtype.itemsize}")
    return _formula(unsigned.view(f"{dtype.kind}{dtype.itemsize}"), transfer)


def _formula(pixels: NDArray[Any], transfer: Transfer) -> NDArray[Any]:
    """Stretch ``pixels``, some rows at a time."""
    written = np.empty(pixels.shape, np.uint16 if transfer.response.deep else np.uint8)
    rows = max(1, _BLOCK * len(pixels) // max(1, pixels.size))
    for top in range(0, len(pixels), rows):
        part = slice(top, top + rows)
        written[part] = _written(pixels[part], transfer)
    return written


def _written(pixels: NDArray[Any], transfer: Transfer) -> NDArray[Any]:
    """Compute what is written, fractions included: whole numbers only once they are stored."""
    first, last, gamma, nearest, _ = transfer.response
    intensity = _intensity(pixels, transfer)
    if gamma != 1:
        intensity **= 1 / gamma
    written: NDArray[Any] = first + (last - first) * intensity
    if nearest:
        written = np.floor(written + 0.5)
    known = valid(pixels, transfer.nodata)
    if known is not None:
        written[~known] = 0
    return written


def _intensity(pixels: NDArray[Any], transfer: Transfer) -> NDArray[Any]:
    """Compute intensities, 0 to 1; NaN only where ``pixels`` are NaN or infinite."""
    low, high, affine, _, _ = transfer
    with np.errstate(over="ignore", invalid="ignore"):  # huge floats clip, and some NaN signal
        values = affine.apply(pixels)
        values = values.astype(_arithmetic(values.dtype, transfer), copy=False)
        if math.isinf(high - low):
            values, low, high = values / 2, low / 2, high / 2
        return ((values - low) / (high - low)).clip(0, 1)


def _arithmetic(dtype: np.dtype[Any], transfer: Transfer) -> np.dtype[Any]:
    """Choose how to compute with values of ``dtype``: as numpy does, floats in their own kind.

    Where that cannot hold the range of the values or of the picture it is float64.
    """
    double = np.dtype(np.float64)
    if dtype.kind != "f":
        return double
    limits, span = np.finfo(dtype), abs(transfer.high - transfer.low)
    largest = max(abs(transfer.low), abs(transfer.high), span)
    held = float(limits.smallest_normal) <= span and largest <= float(limits.max)
    return dtype if held and transfer.response.last < 2**limits.nmant else double


def valid(pixels: NDArray[Any], nodata: float | None) -> NDArray[np.bool_] | None:
    """Tell which values are data: neither ``nodata`` nor NaN nor infinite.

    Returns:
        The same shape as ``pixels``; None where all are, as their dtype tells.

    """
    known = np.isfinite(pixels) if pixels.dtype.kind == "f" else None
    value = as_dtype(nodata, pixels.dtype)
    if value is None:
        return known
    differs: NDArray[np.bool_] = pixels != value
    return differs if known is None else known & differs


def as_dtype(nodata: float | None, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 - a numpy scalar
    """Give ``nodata`` as a value of ``dtype``; None if there is none that a pixel could have."""
    if nodata is None or not math.isfinite(nodata):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(float(nodata))
    if nodata != int(nodata):
        return None
    bounds = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return dtype.type(int(nodata)) if bounds[0] <= nodata <= bounds[1] else None
