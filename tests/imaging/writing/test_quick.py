"""Quick deflate: zlib has to read it, and it is the same wherever it is done."""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from asyncrgb.imaging.writing import quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEGINNINGS: Final = st.one_of(
    st.just(b""),
    st.builds(
        lambda first, pair, times: first + pair * times,
        st.binary(min_size=1, max_size=3),
        st.binary(min_size=1, max_size=2),
        st.integers(0, 700),
    ),
)
RESTS: Final = st.builds(
    lambda part, times: part * times, st.binary(max_size=400), st.integers(1, 9)
)


@given(beginning=BEGINNINGS, rest=RESTS)
@example(beginning=b"", rest=b"")
@example(beginning=b"\2" + bytes(12351), rest=b"")
@example(beginning=b"\2abab", rest=b"a")
def test_zlib_reads_it(beginning: bytes, rest: bytes) -> None:
    data = beginning + rest
    start, stream = quick.deflate(memoryview(data))
    inflater = zlib.decompressobj(-15)

    assert zlib.decompress(quick.compress(memoryview(data))) == data
    assert inflater.decompress(start + stream) == data
    assert inflater.eof
    assert not inflater.unused_data


def test_nothing_but_repetitions_is_short() -> None:
    assert len(quick.compress(memoryview(b"\2" + bytes(200_000)))) < 1000


def images(count: int) -> Iterator[bytes]:
    """Draw bytes with short repetitions, and some that begin with a long one."""
    rng = np.random.default_rng(1)
    for _ in range(count):
        pairs = rng.integers(0, 256, (1900, 2), np.uint8)
        yield b"".join(rng.choice(pair, 32).tobytes() for pair in pairs)
    rest = rng.integers(0, 256, 700, np.uint8).tobytes()
    yield from (b"\2" + bytes([byte]) * 300 + rest for byte in range(256))


def on_threads(work: Callable[[], list[bytes]], count: int = 100) -> set[tuple[bytes, ...]]:
    """Do the same on threads that are all there at once, so that each has a place of its own."""
    together, found = threading.Barrier(count), set()

    def run() -> None:
        together.wait()
        made = tuple(work())
        together.wait()
        found.add(made)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_it_is_the_same_wherever_it_is_done() -> None:
    """ISA-L's own is not: it takes the address of a stream for a part of what is in it."""
    data = [memoryview(each) for each in images(10)]

    assert len(on_threads(lambda: [quick.compress(each) for each in data])) == 1
