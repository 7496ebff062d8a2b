"""Files of which only some ranges are here, headers wherever they lie, and hostile ones."""

from __future__ import annotations

import io
import pickle
import struct
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging import scene
from asyncrgb.imaging.reading import levels, sparse, tiff
from asyncrgb.imaging.reading.sparse import Absent, Sparse, merged
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

DATA: Final = np.random.default_rng(0).bytes(1000)
LIMITS: Final = Limits()
SMALL: Final = np.arange(40 * 30 * 3, dtype="u2").reshape(40, 30, 3)
RANGES: Final = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 300)), max_size=6)


def of(ranges: list[tuple[int, int]]) -> Sparse:
    return Sparse(1000, [(start, DATA[start : start + size]) for start, size in ranges])


def found(data: bytes, first: int = 2**16, limits: Limits = LIMITS) -> tuple[levels.Levels, int]:
    """Find what a file holds, and in how many rounds of reading."""
    known = [(0, data[:first])]
    while len(known) < 300:
        try:
            return levels.find(Sparse(len(data), known), limits), len(known)
        except Absent as absent:
            start, size = absent.start, absent.size
            known.append((start, data[start : start + size]))
    raise AssertionError("the header is never complete")


# Ranges.


@given(ranges=RANGES, start=st.integers(0, 1100), size=st.integers(0, 400))
def test_what_is_here_is_seen_and_what_is_not_is_asked_for(
    ranges: list[tuple[int, int]], start: int, size: int
) -> None:
    here = {at for first, count in ranges for at in range(first, min(1000, first + count))}
    wanted = set(range(start, min(1000, start + size)))
    file = of(ranges)

    assert len(file) == 1000
    if wanted <= here:
        assert bytes(file[start : start + size]) == DATA[start : start + size]
    else:
        with pytest.raises(Absent) as caught:
            file[start : start + size]
        asked = range(caught.value.start, caught.value.start + caught.value.size)
        assert min(wanted - here) in asked
        assert max(wanted) in asked
        assert asked.stop <= 1000


def test_what_lies_in_one_range_is_not_copied() -> None:
    body = bytearray(DATA)
    view = Sparse(1000, [(0, body[:10]), (100, memoryview(body)[100:400])])[150:160]
    body[150] ^= 255

    assert bytes(view) == body[150:160]


@given(ranges=RANGES, gap=st.integers(0, 20))
def test_merged_ranges_hold_the_same_bytes_and_those_of_short_gaps(
    ranges: list[tuple[int, int]], gap: int
) -> None:
    result = merged(ranges, gap)
    there = {at for start, size in ranges for at in range(start, start + size)}
    covered = [at for start, size in result for at in range(start, start + size)]

    assert there <= set(covered)
    assert len(covered) == len(set(covered))
    assert all(start + size + gap < after for (start, size), (after, _) in pairwise(result))
    extra = sorted(set(covered) - there)
    runs = np.split(extra, np.flatnonzero(np.diff(extra) > 1) + 1) if extra else []
    assert all(len(run) <= gap for run in runs)


def test_absent_can_be_pickled() -> None:
    absent = pickle.loads(pickle.dumps(Absent(7, 65536)))  # noqa: S301 - our own
    assert (absent.start, absent.size) == (7, 65536)


def test_what_was_absent_is_said_even_if_somebody_made_nothing_of_it() -> None:
    file = of([(0, 10)])

    def parse(made_of_it: type[Exception] | None) -> None:
        with file.complete(), suppress(Absent):
            file.look(500, 10)
        if made_of_it is not None:
            raise made_of_it

    with pytest.raises(Absent):
        parse(None)
    with pytest.raises(Absent), file.complete():
        parse(ValueError)
    with file.complete():
        file.look(2, 4)


@given(
    looks=st.lists(st.tuples(st.integers(0, 990), st.integers(0, 10)), max_size=8),
)
def test_a_header_is_all_that_was_looked_at(looks: list[tuple[int, int]]) -> None:
    file = of([(0, 1000)])
    for start, size in looks:
        file.look(start, size)
    again = Sparse(1000, file.header())

    for start, size in looks:
        assert again.look(start, size) == DATA[start : start + size]


def test_it_is_a_file_for_others() -> None:
    file = of([(0, 1000)]).opened()

    assert file.seek(-10, io.SEEK_END) == 990
    assert file.read() == DATA[990:]
    assert (file.seek(5), file.seek(5, io.SEEK_CUR), file.tell()) == (5, 10, 10)
    assert file.read(4) == DATA[10:14]
    assert file.readinto(target := bytearray(8)) == 8
    assert target == DATA[14:22]
    with pytest.raises(ValueError, match="seek to -1"):
        file.seek(-1)


# Headers.


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_header_at_the_end_is_found_in_few_rounds(big: bool, order: Literal["<", ">"]) -> None:
    """tifffile writes the directory of the second page, and all its arrays, after the first."""
    pixels = np.zeros((2000, 300, 3), "u2")
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", rowsperstrip=1, bigtiff=big, byteorder=order)
    data = moved_to_the_end(file.getvalue(), big=big, order=order)
    header, rounds = found(data)

    assert header.sizes[0].form.height == 2000
    assert rounds <= 3
    assert sum(len(body) for _, body in header.header) < 60_000


def moved_to_the_end(data: bytes, *, big: bool, order: str) -> bytes:
    """Append a copy of the file's beginning, and let its first directory be that."""
    start = len(data) + 2**18
    at, form, entry = (8, "Q", 20) if big else (4, "I", 12)
    (first,) = struct.unpack_from(order + form, data, at)
    count_form = "Q" if big else "H"
    (count,) = struct.unpack_from(order + count_form, data, first)
    size = struct.calcsize(count_form) + count * entry + struct.calcsize(form)
    head = data[:at] + struct.pack(order + form, start) + data[at + struct.calcsize(form) :]
    return head + bytes(2**18) + data[first : first + size]


def test_headers_of_real_scenes_are_those_of_whole_files(data_folder: Path) -> None:
    for path in sorted((data_folder / "scenes").glob("*.tif")):
        data = path.read_bytes()
        image = tiff.find_image(memoryview(data), LIMITS)
        for first in (8, 1000, 2**16):
            header, rounds = found(data, first)
            assert header.sizes[0].form == image.form
            assert header.details == image.details()
            assert rounds <= 3


@pytest.mark.filterwarnings("ignore")
def test_of_odd_files_as_much_is_found_as_in_whole_ones(data_folder: Path) -> None:
    """And what is refused is refused the same way."""
    compared = 0
    for path in sorted((data_folder / "odd_tiffs").rglob("*.tif*"))[::3]:
        data = path.read_bytes()
        whole, part = whole_form(data), part_form(data)
        if not isinstance(whole, str) and not isinstance(part, str):
            assert repr(part._replace(dtype=None)) == repr(whole._replace(dtype=None)), path
            compared += 1
        assert isinstance(whole, str) or not isinstance(part, str) or path.name in REFUSED, path
        assert whole != "LimitError" or isinstance(part, str), path
    assert compared > 200


REFUSED: Final = {  # files that tifffile cannot parse, and we can
    "classictiff_one_block_byte.tif",
    "id_000019_sig_06_src_000001_op_havoc_rep_8.tif",
}


def whole_form(data: bytes) -> Any:  # noqa: ANN401 - a form, or the name of an error
    try:
        return tiff.find_image(memoryview(data), LIMITS).form
    except AsyncRgbError as error:
        return type(error).__name__


def part_form(data: bytes) -> Any:  # noqa: ANN401 - the same
    try:
        return found(data, 4096)[0].sizes[0].form
    except AsyncRgbError as error:
        return type(error).__name__


# Hostile headers.


def drawn(data: bytes, limits: Limits) -> None:
    """Draw a small scene, whose parts and header are one range."""
    file, options = Sparse(len(data), [(0, data)]), RenderOptions()
    for part in scene.plan(file, options, limits, 2**22).parts:
        scene.draw(file, part, options, limits)


def refused(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises((DecodeError, LimitError)) as caught:
        drawn(data, limits)
    return str(caught.value)


def test_an_empty_file_and_one_that_is_no_tiff_are_refused() -> None:
    assert "empty" in refused(b"")
    assert "not a TIFF" in refused(b"PK\3\4" + bytes(100))
    assert "TIFF" in refused(b"II*\0")


def test_pages_in_a_loop_are_refused(handmade_tiff: Write) -> None:
    assert "loop" in refused(handmade_tiff(SMALL, next_directory=8))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({256: ("I", [2**31]), 257: ("I", [2**31])}, "more than the limit"),
        ({256: ("I", [2**32 - 1]), 257: ("I", [2**32 - 1])}, "more than the limit"),
        ({322: ("I", [2**30]), 323: ("I", [2**30]), 324: ("I", [8]), 325: ("I", [8])}, "limit"),
        ({273: ("I", [2**32 - 8])}, "truncated"),
        ({279: ("I", [2**32 - 1]), 259: ("H", [8])}, "truncated"),
        ({277: ("H", [60_000]), 258: ("H", [16])}, "limit"),
        ({278: ("I", [0])}, ""),
        ({273: ("I", [400] * 9), 279: ("I", [99] * 9)}, ""),
    ],
)
def test_what_a_header_cannot_mean_is_refused(
    handmade_tiff: Write, tags: dict[int, Any], message: str
) -> None:
    data = handmade_tiff(SMALL, tags=tags)
    whole = whole_form(data)

    if isinstance(whole, str):
        assert message in refused(data)
    else:
        assert found(data)[0].sizes[0].form == whole


def test_offsets_beyond_all_numbers_are_refused() -> None:
    file = io.BytesIO()
    coded: dict[str, Any] = {"compression": "zlib", "rowsperstrip": 40}
    tifffile.imwrite(file, SMALL, photometric="rgb", bigtiff=True, **coded)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        tags = tif.pages.first.tags
        offset, count = tags[273].valueoffset, tags[279].valueoffset
    for place, value in ((offset, 2**64 - 8), (offset, 2**63 - 8), (count, 2**63 + 1)):
        broken = bytearray(data)
        broken[place : place + 8] = struct.pack("<Q", value)
        refused(bytes(broken))


def test_a_million_strips_are_read(handmade_tiff: Write) -> None:
    count = 10**6
    pixels = np.zeros((count, 1, 1), "u1")
    data = handmade_tiff(
        pixels, rows=1, tags={257: ("I", [count]), 273: ("I", [8] * count), 279: ("B", [1] * count)}
    )
    first = 2**16
    header, rounds = found(data, first)
    plan = scene.plan(Sparse(len(data), header.header), RenderOptions(), LIMITS, 2**24)

    assert rounds <= 4
    assert len(plan.parts) < 10
    assert plan.parts[0].ranges == ((8, 1),)


def test_a_header_without_end_is_refused(handmade_tiff: Write) -> None:
    """Arrays of 2**30 bytes are not looked at, even if the file has them."""
    head = handmade_tiff(SMALL, rows=40, tags={270: ("A", [65] * 50)})
    at = head.index(struct.pack("<HHI", 270, 2, 50))
    head = head[: at + 4] + struct.pack("<II", 2**30, 2**16) + head[at + 12 :]
    file = Sparse(2**32 - 1, [(0, head + bytes(2**16 - len(head)))])

    with pytest.raises(LimitError, match="its header has more than"):
        levels.find(file, LIMITS)
    assert sparse._MOST < 2**30  # noqa: SLF001 - or the test shows nothing


@given(data=st.data())
def test_any_damage_to_a_header_is_an_error_of_ours(data: st.DataObject) -> None:
    pixels: NDArray[Any] = np.arange(20 * 12 * 3, dtype="u2").reshape(20, 12, 3)
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", rowsperstrip=5, compression="zlib")
    body = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 300))
        body[at] = data.draw(st.integers(0, 255))
    with suppress(AsyncRgbError):
        drawn(bytes(body), Limits(max_pixels=2**16))
