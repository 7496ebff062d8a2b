"""The settings file: limits under names that say what they are, to be given to any run.

A TOML file with one table, ``[limits]``, whose keys are the fields of ``Limits``. Amounts of
memory are numbers of bytes, or text as on the command line, such as "32M".
"""

from __future__ import annotations

import os
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from asyncrgb.errors import OptionsError
from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import StrPath

_TABLE: Final = "limits"
_SIZES: Final = ("memory", "worker_memory")
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_KEYS: Final = tuple(field.name for field in fields(Limits))


def read_limits(path: StrPath) -> Limits:
    """Read a settings file; what it does not name is as by default.

    Args:
        path: of a TOML file.

    Raises:
        OptionsError: it is no TOML, or names what there is not, or a value cannot be used; the
            message names the file, the key, and what can be given.
        OSError: it cannot be read.

    """
    import tomllib  # noqa: PLC0415 - for who has such a file only

    name = os.fsdecode(path)
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
        return Limits(**_checked(found))
    except UnicodeDecodeError:
        raise OptionsError(f"{name}: that is no text: name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise OptionsError(f"{name}: that is no TOML: {error}") from error
    except OptionsError as error:
        raise OptionsError(f"{name}: {error}") from error


def settings_text(limits: Limits, notes: Sequence[str] = ()) -> str:
    """Write limits as the text of a settings file: those that are not as by default.

    Args:
        limits: what to write.
        notes: lines that go ahead of it as comments.

    """
    usual = Limits()
    lines = [f"# {note}" for note in notes] + [f"[{_TABLE}]"]
    for key in _KEYS:
        value = getattr(limits, key)
        if value != getattr(usual, key):
            lines.append(f"{key} = {_written(key, value)}")
    return "\n".join(lines) + "\n"


def size_of(text: str) -> int:
    """Turn "32M" into 33554432.

    Raises:
        ValueError: that is no size.

    """
    parsed = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if parsed is None:
        raise ValueError(f"{text!r}: give a size such as 500K, 32M or 1G")
    return int(parsed[1]) * _UNITS[parsed[2].upper()]


def shown_size(size: int) -> str:
    """Write a size the way it is given."""
    for unit, factor in reversed(_UNITS.items()):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _written(key: str, value: float) -> str:
    return f'"{shown_size(int(value))}"' if key in _SIZES else str(value)


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of ``Limits`` in a file that holds nothing else."""
    for name, value in found.items():
        if name != _TABLE:
            remedy = f"write it below a line [{_TABLE}]" if name in _KEYS else "leave it out"
            raise OptionsError(f"{name}: there is only one table, [{_TABLE}]: {remedy}")
        if not isinstance(value, dict):
            raise OptionsError(f"{_TABLE}: it is a table: write a line [{_TABLE}]")
    return {key: _value(key, value) for key, value in found.get(_TABLE, {}).items()}


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - whatever TOML can hold
    if key not in _KEYS:
        raise OptionsError(f"[{_TABLE}] {key}: no such limit: choose from {', '.join(_KEYS)}")
    if key in _SIZES and isinstance(value, str):
        try:
            value = size_of(value)
        except ValueError as error:
            raise OptionsError(f"[{_TABLE}] {key} {error}") from None
    value = None if key == "timeout" and value == 0 and value is not False else value
    try:
        Limits(**{key: value})  # its message names the key
    except OptionsError as error:
        raise OptionsError(f"[{_TABLE}] {error}") from None
    return value
