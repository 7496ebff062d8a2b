"""Strips decoded straight into place: the same pixels as one by one, and none of damage."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.errors import DecodeError
from asyncrgb.imaging.reading import decoders, layout, lzw, segments, strips, tiff
from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from asyncrgb.imaging.reading.layout import Layout

    Write = Callable[..., bytes]

SOME_BANDS: Final = ([1, 2, 3, 4], [4, 2], [3, 3, 1], [2])


class Way(NamedTuple):
    """How pixels are stored."""

    compression: str | None
    planar: bool
    predictor: bool
    rows: int

    def write(self, write_tiff: Write, pixels: NDArray[Any], order: str = "<") -> bytearray:
        return bytearray(
            write_tiff(
                np.moveaxis(pixels, -1, 0) if self.planar else pixels,
                byteorder=order,
                compression=self.compression,
                planarconfig="separate" if self.planar else "contig",
                predictor=2 if self.predictor else None,
                rowsperstrip=self.rows,
            )
        )


WAYS: Final = [
    Way(compression, planar, predictor, rows)
    for compression, planar, predictor, rows in itertools.product(
        ("lzw", "zlib", "deflate", "zstd", None), (False, True), (False, True), (5, 6, 20)
    )
    if compression or not predictor
]
DTYPES: Final = [("u1", "<"), ("i2", ">"), ("u4", "<"), ("f4", ">")]


def _find(data: bytearray) -> Layout:
    found = layout.find(memoryview(data))
    assert found is not None
    assert strips.suit(found)
    return found


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("dtype", "order"), DTYPES)
def test_needs_no_tifffile(
    write_tiff: Write, monkeypatch: pytest.MonkeyPatch, way: Way, dtype: str, order: str
) -> None:
    """Which takes longer to import than many chips to render."""
    monkeypatch.setattr(decoders, "opened", None)
    monkeypatch.setattr(segments, "_decoders", {})
    way = way._replace(predictor=way.predictor and dtype != "f4")
    pixels = np.random.default_rng(1).integers(0, 2**32, (20, 15, 4), "u4").astype(dtype)
    data = memoryview(way.write(write_tiff, pixels, order))

    for bands in SOME_BANDS:
        read = tiff.find_image(data, Limits()).read(bands)
        np.testing.assert_array_equal(read, pixels[..., [b - 1 for b in bands]])


@given(
    seed=st.integers(0, 999),
    cut=st.integers(0, 3000),
    edits=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=3),
    way=st.sampled_from(WAYS),
)
def test_strips_at_once_are_strips_one_by_one(
    write_tiff: Write, seed: int, cut: int, edits: list[tuple[int, int]], way: Way
) -> None:
    """Whatever the damage: the same pixels, or none, however often it is tried."""
    steps = np.random.default_rng(seed).integers(0, 9, (20, 15, 4))
    data = way.write(write_tiff, steps.cumsum(axis=0).astype("u2"))
    found = _find(data)
    start, end = found.offsets[0], found.offsets[-1] + found.counts[-1]
    for at, value in edits:
        data[start + at % (end - start)] = value
    if cut < end - start:
        del data[end - cut :]

    for bands in SOME_BANDS:
        expected = _one_by_one(data, found, bands)
        assert _one_by_one(data, found, bands) == expected
        assert _at_once(data, found, bands) in {expected, None}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_sound_strips_are_decoded_at_once(write_tiff: Write, way: Way) -> None:
    data = way.write(write_tiff, np.full((20, 15, 4), 7, "u2"))

    for bands in SOME_BANDS:
        assert _at_once(data, _find(data), bands) == _one_by_one(data, _find(data), bands)


def _one_by_one(data: bytearray, found: Layout, bands: Sequence[int]) -> bytes | None:
    try:
        return segments.find(memoryview(data), found).read(memoryview(data), bands).tobytes()
    except Exception:  # noqa: BLE001 - whatever the decoders raise
        return None


def _at_once(data: bytearray, found: Layout, bands: Sequence[int]) -> bytes | None:
    pixels = strips.read(memoryview(data), found, bands)
    return None if pixels is None else pixels.tobytes()


def test_old_lzw_is_not_mixed_with_new() -> None:
    """libtiff tells by the first bytes, and then believes it of the strips that follow, too."""
    old, new = b"\0\1" + bytes(9), bytes(imagecodecs.lzw_encode(bytes(8)))
    target = np.empty((2, 8), "u1")

    assert not lzw.decode([memoryview(new), memoryview(new)], 1, target).any()
    with pytest.raises(DecodeError, match="of the old style"):
        lzw.decode([memoryview(old), memoryview(new)], 1, target)
