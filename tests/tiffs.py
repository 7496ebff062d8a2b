"""TIFFs put together by hand, for tests: any layout, and any lie about it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Tags = dict[int, tuple[int, Sequence[int]]]
    Table = list[int]
    Lie = Callable[[Table, Table], None]

BYTE, ASCII, SHORT, LONG, LONG8 = 1, 2, 3, 4, 16
_FORMS: Final = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", LONG8: "Q"}
_KINDS: Final = {"u": 1, "i": 2, "f": 3}  # SampleFormat
_CODECS: Final[dict[int, Callable[..., Any]]] = {
    1: bytes,
    5: imagecodecs.lzw_encode,
    8: zlib.compress,
    50000: imagecodecs.zstd_encode,
}

Order = Literal["<", ">"]


@dataclass
class Page:
    """One image of a file.

    ``tags`` are added to those that follow from the rest, or replace them; ``blocks`` are
    tiles or strips in the order of their tables; ``lie`` changes the tables of their offsets
    and sizes once they are known.
    """

    tags: Tags
    blocks: list[bytes]
    tiled: bool
    lie: Lie = lambda _offsets, _counts: None

    def finished(self, offsets: Sequence[int], kind: int) -> Tags:
        """Return all tags, given where the blocks lie."""
        places, sizes = list(offsets), [len(block) for block in self.blocks]
        self.lie(places, sizes)
        return self._with_tables(places, sizes, kind)

    def unfinished(self, kind: int) -> Tags:
        """Return as many tags, with zeros in the tables."""
        none = [0] * len(self.blocks)
        return self._with_tables(none, none, kind)

    def _with_tables(self, offsets: Sequence[int], counts: Sequence[int], kind: int) -> Tags:
        first, second = (324, 325) if self.tiled else (273, 279)
        return {first: (kind, offsets), second: (kind, counts)} | self.tags


def page(  # noqa: PLR0913 - each is one property of an image, and all but the first have defaults
    pixels: NDArray[Any],
    *,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    planar: bool = False,
    compression: int = 8,
    predictor: bool = True,
    order: Order = "<",
    sparse: Sequence[int] = (),
    tags: Tags | None = None,
    lie: Lie | None = None,
) -> Page:
    """Store ``pixels`` (height, width, bands) in tiles (height, width), or strips of ``rows``.

    ``sparse`` are the numbers of blocks that are left out: offset and size 0.
    """
    height, width, bands = pixels.shape
    down, along = tile or (min(rows or height, height), width)
    planes = [pixels[..., [band]] for band in range(bands)] if planar else [pixels]
    predicts = predictor and compression != 1
    blocks = [
        _block(plane[top : top + down, left : left + along], tile, compression, order, predicts)
        for plane, top, left in product(planes, range(0, height, down), range(0, width, along))
    ]
    for number in sparse:
        blocks[number] = b""
    plain = _plain_tags(pixels, compression, planar=planar, predicts=predicts)
    sides = {322: (LONG, [along]), 323: (LONG, [down])} if tile else {278: (LONG, [down])}
    made = Page(plain | sides | (tags or {}), blocks, tile is not None)
    if lie is not None:
        made.lie = lie
    return made


def _plain_tags(pixels: NDArray[Any], compression: int, *, planar: bool, predicts: bool) -> Tags:
    height, width, bands = pixels.shape
    tags: Tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8 * pixels.dtype.itemsize] * bands),
        259: (SHORT, [compression]),
        262: (SHORT, [1]),
        277: (SHORT, [bands]),
        284: (SHORT, [2 if planar else 1]),
        339: (SHORT, [_KINDS[pixels.dtype.kind]] * bands),
    }
    extra: Tags = {338: (SHORT, [0] * (bands - 1))} if bands > 1 else {}
    return tags | extra | ({317: (SHORT, [2])} if predicts else {})


def _block(
    values: NDArray[Any],
    tile: tuple[int, int] | None,
    compression: int,
    order: Order,
    predicts: bool,
) -> bytes:
    if tile is not None:
        missing = [(0, side - there) for side, there in zip(tile, values.shape, strict=False)]
        values = np.pad(values, [*missing, (0, 0)], mode="edge")
    if predicts:
        values = np.diff(values, axis=1, prepend=np.zeros_like(values[:, :1]))
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    return bytes(_CODECS[compression](data))


def tiff(
    *pages: Page,
    order: Order = "<",
    big: bool = False,
    directories_last: bool = False,
    backwards: bool = False,
    next_of_last: int | None = None,
) -> bytes:
    """Write a file: header, the directories of all pages, their blocks.

    Args:
        pages: the images.
        order: of bytes.
        big: as BigTIFF.
        directories_last: write them behind the blocks.
        backwards: write the last block first.
        next_of_last: the number of the page that is said to follow on the last one.

    """
    kind = LONG8 if big else LONG
    sizes = [len(_directory(each.unfinished(kind), 0, 0, order, big=big)) for each in pages]
    header = 16 if big else 8
    start = header if directories_last else header + sum(sizes)
    body, offsets = _body(pages, start, backwards=backwards)
    first = start + len(body) if directories_last else header
    places = [first + sum(sizes[:number]) for number in range(len(pages))]
    follows = [*places[1:], 0 if next_of_last is None else places[next_of_last]]
    directories = b"".join(
        _directory(each.finished(where, kind), at, then, order, big=big)
        for each, where, at, then in zip(pages, offsets, places, follows, strict=True)
    )
    parts = (body, directories) if directories_last else (directories, body)
    return b"".join((_header(places[0], order, big=big), *parts))


def _body(pages: Sequence[Page], start: int, *, backwards: bool) -> tuple[bytes, list[list[int]]]:
    """Return all blocks, on even offsets, and where those of each page lie; 0: nowhere."""
    body = bytearray()
    offsets = [[0] * len(each.blocks) for each in pages]
    places = [(number, at) for number, each in enumerate(pages) for at in range(len(each.blocks))]
    for number, at in reversed(places) if backwards else places:
        block = pages[number].blocks[at]
        if block:
            offsets[number][at] = start + len(body)
            body += block + bytes(len(block) % 2)
    return bytes(body), offsets


def _header(first: int, order: Order, *, big: bool) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    if big:
        return mark + struct.pack(f"{order}HHHQ", 43, 8, 0, first)
    return mark + struct.pack(f"{order}HI", 42, first)


def _directory(tags: Tags, at: int, follows: int, order: Order, *, big: bool) -> bytes:
    """Write a directory that lies ``at`` a place, and behind it what does not fit in its tags."""
    count, entry, pointer, room = ("Q", "HHQ", "Q", 8) if big else ("H", "HHI", "I", 4)
    end = at + struct.calcsize(f"={count}{pointer}") + (4 + 2 * room) * len(tags)
    entries, arrays = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        body = struct.pack(f"{order}{len(values)}{_FORMS[kind]}", *values)
        inline = body.ljust(room, b"\0")
        if len(body) > room:
            inline = struct.pack(order + pointer, end + len(arrays))
            arrays += body + bytes(len(body) % 2)
        entries += struct.pack(order + entry, tag, kind, len(values)) + inline
    return (
        struct.pack(order + count, len(tags))
        + entries
        + struct.pack(order + pointer, follows)
        + arrays
    )
