"""Where to cut a scene: rows that fit into the room that a part has.

Parts end where segments do, as far as that leaves them neither too small, which costs time for
each, nor too large: a segment that two parts share is decoded twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.errors import LimitError
from asyncrgb.imaging.parts import Part
from asyncrgb.imaging.reading import sparse
from asyncrgb.imaging.writing import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb.imaging.subject import Subject
    from asyncrgb.imaging.writing.joining import Recipe


_PIXELS: Final = 2**20  # of a part, if nothing is against it
_MANY_PIXELS: Final = 2**23  # the same, where they are made smaller
_DECODED: Final = 2  # as many bytes as a part has room for may be decoded


class Cutter(NamedTuple):
    """Cuts what is drawn into parts.

    Attributes:
        subject: what it is.
        join: what joins the pieces; None where values are collected.
        room: most bytes that are read for a part, or made of it.

    """

    subject: Subject
    join: Recipe | None
    room: int

    def parts(self) -> Iterator[Part]:
        """Give all parts, from the top down.

        Raises:
            LimitError: not even the least of a part fits.

        """
        top, height = 0, self.subject.size[0]
        heights, at = self._heights(), 0
        while top < height:
            part, at = self._largest(top, heights, at)
            yield part
            top, at = part.bottom, max(0, at - 1)

    def _largest(self, top: int, heights: Sequence[int], at: int) -> tuple[Part, int]:
        """Find the part that begins at ``top`` which is as large as it should be, or else fits.

        Args:
            top: its first row.
            heights: numbers of rows that it may have, the best first, then smaller ones.
            at: the first of these to try: what was too large above is so here, as a rule, and to
                look at ranges of a million strips takes a second.

        """
        why = ""
        for number in range(at, len(heights)):
            part = self._part(top, self._with_segments(top, top + heights[number]))
            why = self._obstacle(part)
            if not why:
                return part, number
        raise LimitError(
            f"{why}, more than the {self.room} there is room for: give more --memory, or write "
            "the image in smaller pieces, as with gdal_translate -co TILED=YES"
        )

    def _part(self, top: int, bottom: int) -> Part:
        subject = self.subject
        first, last = subject.rows(top, bottom)
        starts, sizes = subject.level.places(subject.bands, first, last, masked=subject.masked)
        ranges = sparse.merged([*zip(starts.tolist(), sizes.tolist(), strict=True)])
        rows = bottom - top
        made = rows * subject.line if self.join is None else pieces.room(self.join, rows)
        return Part(top, bottom, ranges, made, self.join)

    def _obstacle(self, part: Part) -> str:
        """Say what is too large for a part."""
        rows, subject = f"rows {part.top} to {part.bottom}", self.subject
        if (read := sum(size for _, size in part.ranges)) > self.room:
            return f"{rows} take {read} bytes of the file"
        if part.room > self.room:
            return f"{rows} of the picture take up to {part.room} bytes"
        first, last = subject.rows(part.top, part.bottom)
        form, planes = subject.level.form, len(subject.bands)
        at_once = last - first if subject.reduction is None else min(last - first, subject.strip)
        values = at_once * form.width * planes * form.dtype.itemsize
        if values > _DECODED * self.room:
            return f"{rows} have {values} bytes of values"
        segment = max(each.decoded for each in subject.level.grids)
        if segment > _DECODED * self.room:
            return f"one strip or tile has {segment} bytes of pixels"
        return ""

    def _heights(self) -> list[int]:
        """Give numbers of rows that a part may have, the best first, then half of it and so on."""
        step = self._step()
        heights = [max(step, self._rows() // step * step)]
        while heights[-1] > step:
            heights.append(max(step, heights[-1] // 2 // step * step))
        return heights

    def _step(self) -> int:
        """Give the number of rows that parts have a multiple of."""
        return getattr(self.join, "tile_height", 1)

    def _rows(self) -> int:
        """Say how many rows a part has, if they fit."""
        subject = self.subject
        form, each = subject.level.form, subject.level.grids[0].rows
        small = subject.reduction is not None  # rows at the borders of parts are read twice
        wanted = max(1, (_MANY_PIXELS if small else _PIXELS) // form.width)
        if not subject.level.grids[0].line:
            wanted = max(wanted, 2 * each if small else each)
        return max(1, wanted * subject.size[0] // form.height)

    def _with_segments(self, top: int, bottom: int) -> int:
        """Let a part end where segments do, if that leaves half of it."""
        subject, height = self.subject, self.subject.size[0]
        if bottom >= height:
            return height
        each = subject.level.grids[0].rows
        last = subject.rows(top, bottom)[1] // each * each
        end = last * height // subject.level.form.height
        return end if end % self._step() == 0 and 2 * (end - top) >= bottom - top else bottom
