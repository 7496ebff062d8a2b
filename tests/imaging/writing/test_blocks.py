"""Blocks of deflate that others follow: zlib has to read them, whoever made them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import igzip_lib

from asyncrgb.imaging.writing import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: Final = ["noise", "normal", "runs", "rare", "flat", "few", "steps"]


def sample(kind: str, size: int, seed: int) -> bytes:
    """Draw bytes with codes of many shapes: long ones, short ones, hardly any."""
    rng = np.random.default_rng(seed)
    runs = np.repeat(rng.integers(0, 9, size // 20 + 1), rng.integers(1, 400, size // 20 + 1))
    drawn = {
        "noise": rng.integers(0, 256, size),
        "normal": rng.normal(0, rng.integers(1, 60), size),
        "runs": np.resize(runs, size),
        "rare": np.where(rng.random(size) < 0.001, rng.integers(0, 256, size), 7),
        "flat": np.full(size, seed % 256),
        "few": rng.choice([0, 255], size),
        "steps": -np.log2(rng.random(size) + 1e-9),
    }[kind]
    return drawn.astype(np.int64).astype(np.uint8).tobytes()


def inflated(parts: Sequence[bytes]) -> bytes:
    """Inflate parts of a stream one by one: each has to be complete, and none the last."""
    inflater = zlib.decompressobj(-15)
    seen = b""
    for part in parts:
        seen += inflater.decompress(part)
        assert not inflater.eof
    return seen


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    size=st.integers(1, 3000),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_follow_each_other(kinds: list[str], size: int, seed: int) -> None:
    data = [sample(kind, size, seed + i) for i, kind in enumerate(kinds)]
    compressor = blocks.Compressor()
    parts = [compressor.compress(memoryview(each)) for each in data]
    inflater = zlib.decompressobj(-15)

    for part, expected in zip(parts, data, strict=True):
        assert inflater.decompress(part) == expected
    assert compressor.flush(zlib.Z_FULL_FLUSH) == b""
    assert not inflater.eof
    assert inflater.decompress(b"\x03\x00") == b""
    assert inflater.eof


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [blocks._LARGEST - 1, blocks._LARGEST, 3 * blocks._LARGEST + 5])  # noqa: SLF001
def test_long_parts_are_cut(kind: str, size: int) -> None:
    data = sample(kind, size, 1)

    assert inflated([blocks.Compressor().compress(memoryview(data))]) == data


@pytest.mark.parametrize("kind", ["normal", "runs", "rare", "few", "steps"])
def test_the_history_is_the_shortest(kind: str) -> None:
    """As large as ISA-L's own stream, but for the flush, because it is that."""
    data = bytes(range(8)) + sample(kind, blocks._LARGEST - 8, 2)  # noqa: SLF001
    whole = igzip_lib.compress(data, 1, igzip_lib.COMP_DEFLATE, igzip_lib.MEM_LEVEL_EXTRA_LARGE, 1)
    made = blocks.Compressor().compress(memoryview(data))

    assert made[1 : len(whole)] == whole[1:]
    assert 4 <= len(made) - len(whole) <= 5


@given(
    kind=st.sampled_from(KINDS),
    size=st.integers(1, 20_000),
    seed=st.integers(0, 2**32 - 1),
    level=st.integers(1, 9),
    strategy=st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]),
)
def test_blocks_of_another_deflater_are_followed(
    kind: str, size: int, seed: int, level: int, strategy: int
) -> None:
    data = sample(kind, size, seed)
    other = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    stream = other.compress(data) + other.flush()
    block = blocks.followed(stream)

    assert (block is not None) == (stream[0] & 7 == 0b101)
    if block is not None:
        assert inflated([block, block[:0]]) == data


@pytest.mark.parametrize("flush", [zlib.Z_FULL_FLUSH, zlib.Z_FINISH])
@pytest.mark.parametrize("data", [b"", b"abc", bytes(100_000) + bytes(range(256)) * 900])
def test_other_streams_are_left_alone(data: bytes, flush: int) -> None:
    """Of several blocks, of fixed codes, without an end."""
    other = zlib.compressobj(6, zlib.DEFLATED, -15, 1)
    stream = other.compress(data) + other.flush(flush)

    assert blocks.followed(stream) is None


def test_a_block_with_another_end_is_left_alone() -> None:
    data = sample("normal", 5000, 3)
    other = zlib.compressobj(6, zlib.DEFLATED, -15)
    stream = other.compress(data) + other.flush()

    assert blocks.followed(stream) is not None
    assert blocks.followed(stream + b"\0") is None
    assert blocks.followed(stream[:-2] + b"\0\x80") is None


def test_what_cannot_be_followed_is_deflated_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "followed", lambda _: None)
    data = sample("normal", 5000, 4)

    assert inflated([blocks.Compressor().compress(memoryview(data))]) == data
