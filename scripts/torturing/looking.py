"""A look at a folder of results: whether each file is whole, and the right one."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final, TypeAlias

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

Tree: TypeAlias = dict[str, bytes]

_DEBRIS: Final = ".asyncrgb-*"
_END: Final = b"IEND\xaeB`\x82"  # Pillow does not miss it


def pictures(folder: Path) -> list[Path]:
    """List the files under their final names."""
    return sorted(folder.glob("*.png"))


def tree(folder: Path) -> Tree:
    """Read all files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def faults(folder: Path, right: Tree) -> list[str]:
    """Say which files under their final names are not whole, or not those that they should be."""
    return [fault for path in pictures(folder) if (fault := _fault(path, right.get(path.name)))]


def debris(folder: Path) -> list[str]:
    """Say what a run has left behind that had ended in good order."""
    return [f"{path.name} is left" for path in sorted(folder.rglob(_DEBRIS))]


def differences(folder: Path, right: Tree) -> list[str]:
    """Say in what a complete folder is not the one it should be."""
    found = tree(folder)
    missing = [f"{name} is missing" for name in sorted(right.keys() - found.keys())]
    extra = [f"{name} is too much" for name in sorted(found.keys() - right.keys())]
    both = [(name, found[name], right[name]) for name in sorted(right.keys() & found.keys())]
    other = [name for name, is_, was in both if is_ != was]
    other = [f"{name} is not that of the undisturbed run" for name in other]
    return [*missing, *extra, *other, *debris(folder)]


def _fault(path: Path, right: bytes | None) -> str | None:
    data = path.read_bytes()
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
    except Exception as error:  # noqa: BLE001 - whatever it is, the file is not whole
        return f"{path.name}, {len(data)} bytes, cannot be decoded: {error}"
    if not data.endswith(_END):
        return f"{path.name}, {len(data)} bytes, has no end"
    if right is None:
        return f"{path.name} is none of the undisturbed run"
    return None if data == right else f"{path.name} is not that of the undisturbed run"
