"""What lies in folders of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def pictures(folder: Path) -> dict[str, bytes]:
    """Give the files by their names."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.png")}


def pixels(folder: Path) -> dict[str, bytes]:
    """Give what all pictures show: ISA-L packs one in some 30,000 otherwise, by a byte or two."""
    found = {}
    for path in folder.rglob("*.png"):
        with Image.open(path) as picture:
            found[str(path.relative_to(folder))] = picture.tobytes()
    return found
