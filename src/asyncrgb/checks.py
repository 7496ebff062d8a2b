"""How options check themselves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from asyncrgb.errors import OptionsError

if TYPE_CHECKING:
    from typing_extensions import Buffer


def check(ok: bool, message: str) -> None:  # noqa: FBT001 - a predicate reads best in first place
    """Refuse an option; ``message`` says which, what it is, and what it can be."""
    if not ok:
        raise OptionsError(message)


def is_whole(value: object) -> bool:
    """Tell whether ``value`` is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether ``value`` is a number that floats can hold, and no other kind of number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def is_name(value: object) -> bool:
    """Tell whether ``value`` is text that names something."""
    return isinstance(value, str) and bool(value.strip())


def shown(value: object) -> str:
    """Write a value as a user would."""
    return f"{value:g}" if isinstance(value, float) else repr(value)


def view_of(data: Buffer) -> memoryview:
    """See the bytes of a file that a caller has read.

    Raises:
        TypeError: it is something else, such as the name of the file.

    """
    try:
        return memoryview(data).cast("B")
    except TypeError as error:
        raise TypeError(
            f"{error}: give the bytes of a TIFF, such as Path('image.tif').read_bytes()"
        ) from None
