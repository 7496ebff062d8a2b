"""What lies in folders of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def pictures(folder: Path) -> dict[str, bytes]:
    """Give the files by their names."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.png")}
