"""The rows as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torturing.bench import Row

_HEADS: Final = ("fault", "tries", "lost", "orphaned", "seconds", "remarks")
_NUMBERS: Final = range(1, 5)


def table(rows: Sequence[Row]) -> str:
    """Lay out the rows in columns, numbers to the right."""
    cells = [_HEADS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_line(line, widths) for line in cells)


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (f"{row.tries:,}", f"{len(row.lost):,}", str(row.orphaned), f"{row.seconds:.1f}")
    return (row.fault, *numbers, row.remarks)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = enumerate(zip(cells, widths, strict=True))
    laid = (
        f"{cell:>{width}}" if n in _NUMBERS else f"{cell:<{width}}" for n, (cell, width) in pairs
    )
    return "  ".join(laid).rstrip()
