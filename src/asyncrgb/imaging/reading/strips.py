"""Strips of small images, decoded straight into place.

What chips are stored in where they are compressed: strips of deflate, LZW or Zstandard, with
horizontal differences or without. Their strips, one after the other, are the image, or the
plane of a band: so each is decoded into its part of one array, and nothing of it is moved or
looked at again. Files of chunky LZW are handed to libtiff as they are.

Whatever is not as it should be, damage included, is left to ``segments``: what it makes of it,
or how it refuses it, is the answer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from asyncrgb.imaging.reading import lzw
from asyncrgb.imaging.reading.segments import pick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.layout import Layout

    Streams: TypeAlias = Sequence[memoryview]
    Target: TypeAlias = NDArray[np.uint8]
    Decode: TypeAlias = Callable[[Streams, int, Target], object]

_SMALL: Final = 2**24  # bytes of an image of which all bands may be decoded for a few
_LZW: Final = 5
_PLAIN, _DIFFERENCES = 1, 2  # values of Predictor


def suit(layout: Layout) -> bool:
    """Tell whether an image is of the kind that ``read`` is for."""
    _, _, _, tiled, compression, predictor = layout.coding
    simple = predictor == _PLAIN
    simple = simple or (predictor == _DIFFERENCES and layout.form.dtype.kind in "iu")
    ordinary = simple and not tiled and compression in _DECODERS
    return ordinary and layout.size <= _SMALL and all(layout.counts)


def read(data: memoryview, layout: Layout, bands: Sequence[int]) -> NDArray[Any] | None:
    """Decode ``bands``, counted from 1, of the file ``data``, an image that ``suit``s.

    Returns:
        (height, width, len(bands)) in native byte order; None where it has to be found out
        strip by strip what is the matter.

    """
    coding = layout.coding
    try:
        if coding.planar:
            return _planes(data, layout, bands)
        if coding.compression == _LZW:
            return _whole(data, layout, bands)
        return pick(_decoded(data, layout, [1])[0], bands)
    except Exception:  # noqa: BLE001 - the decoders' own, whatever they are
        return None


def _whole(data: memoryview, layout: Layout, bands: Sequence[int]) -> NDArray[Any] | None:
    usual = all(data[start] for start in layout.offsets)
    return pick(lzw.decode_file(data, layout.form), bands) if usual else None


def _planes(data: memoryview, layout: Layout, bands: Sequence[int]) -> NDArray[Any]:
    planes = [*dict.fromkeys(bands)]
    pixels = _decoded(data, layout, planes)[..., 0].transpose(1, 2, 0)
    return pick(pixels, [planes.index(band) + 1 for band in bands])


def _decoded(data: memoryview, layout: Layout, planes: Sequence[int]) -> NDArray[Any]:
    """Decode planes to (planes, height, width, samples) in native byte order.

    At once where all of their strips are as long; else only the last of a plane may be shorter.
    """
    form, coding, *_ = layout
    samples = 1 if coding.planar else form.bands
    pixels = np.empty((len(planes), form.height, form.width, samples), form.dtype)
    runs = len(planes) if form.height % coding.rows else 1
    streams = [*_streams(data, layout, planes)]
    each = len(streams) // runs
    targets = pixels.view("u1").reshape(runs, len(planes) // runs * form.height, -1)
    for run, target in enumerate(targets):
        part = streams[run * each : (run + 1) * each]
        _DECODERS[coding.compression](part, coding.rows, target)
    return _restored(pixels, layout)


def _restored(pixels: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Bring pixels to the byte order of the machine, and undo differences."""
    native = pixels.astype(layout.form.dtype.newbyteorder("="), copy=False)
    if layout.coding.predictor != _DIFFERENCES:
        return native
    import imagecodecs  # noqa: PLC0415 - see below

    return imagecodecs.delta_decode(native, axis=2, out=native)  # ten times as fast as numpy


def _streams(data: memoryview, layout: Layout, planes: Sequence[int]) -> Iterator[memoryview]:
    _, coding, offsets, counts, *_ = layout
    each = -(-layout.form.height // coding.rows)
    for plane in planes:
        part = slice(each * (plane - 1), each * plane)
        for start, size in zip(offsets[part], counts[part], strict=True):
            yield data[start : start + size]


# Ways to decode strips of as many rows each (the last may have fewer) to (rows, bytes) of uint8.


def _one_by_one(codec: str, streams: Streams, rows: int, target: Target) -> None:
    import imagecodecs  # noqa: PLC0415 - 60 ms that plain chips never need

    decode = getattr(imagecodecs, codec)
    flat, size = target.reshape(-1), rows * target.shape[1]
    for start, stream in zip(range(0, len(flat), size), streams, strict=True):
        part = flat[start : start + size]
        if len(decode(stream, out=part)) != len(part):
            raise ValueError(start)


def _copied(streams: Streams, rows: int, target: Target) -> None:
    """Copy what is not compressed."""
    flat, size = target.reshape(-1).data, rows * target.shape[1]
    for start, stream in zip(range(0, len(flat), size), streams, strict=True):
        flat[start : start + size] = stream


_DECODERS: Final[Mapping[int, Decode]] = {
    1: _copied,
    _LZW: lzw.decode,
    8: partial(_one_by_one, "deflate_decode"),
    32946: partial(_one_by_one, "deflate_decode"),
    50000: partial(_one_by_one, "zstd_decode"),
}
