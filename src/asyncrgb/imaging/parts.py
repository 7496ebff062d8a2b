"""What is said of a scene and its parts; light, for processes that never look into images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from asyncrgb.exposure import Exposure
    from asyncrgb.imaging.writing.joining import Note, Recipe

    Range = tuple[int, int]  # first byte, bytes


class Part(NamedTuple):
    """Rows of a picture that are drawn at once.

    Attributes:
        top, bottom: the first of the rows, and the one after the last.
        ranges: what is read of the file for them, (first byte, bytes), ascending.
        room: most bytes of what is made of them.
        join: what joins the pieces; None where values are collected.

    """

    top: int
    bottom: int
    ranges: tuple[Range, ...]
    room: int
    join: Recipe | None = None


class Plan(NamedTuple):
    """How a scene is drawn.

    Attributes:
        header: the ranges of the file that are needed besides those of the parts: first byte,
            and bytes.
        height, width: of the picture.
        parts: its rows, from the top down.
        counted: whether all parts are counted before the first is drawn.
        canvas: bytes of the values that are collected, part after part, and drawn by ``finish``;
            0 where pieces are joined.
        join: what joins the pieces; None where there is a canvas.
        worldfile: the text of the world file, if one was asked for and the image has a place.
        guessed: bands of the image, if nobody said which are red, green and blue; else 0.

    """

    header: tuple[tuple[int, bytes], ...]
    height: int
    width: int
    parts: tuple[Part, ...]
    counted: bool
    canvas: int
    join: Recipe | None
    worldfile: str | None
    guessed: int


class Drawn(NamedTuple):
    """What became of a part.

    Attributes:
        piece: of the file; or rows of the canvas.
        note: what joining has to know of the piece; None for a canvas.
        exposure: how the part came out, if that was asked for.

    """

    piece: bytes
    note: Note | None = None
    exposure: Exposure | None = None
