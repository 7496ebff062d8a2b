"""How the command line is written: option groups, a default command, types of values."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncrgb.options import FixedStretch, NoData

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_IMAGES: Final = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp")
_UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class GroupedOption(click.Option):
    """An option that is listed under a heading of its own in the help."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists its options group by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each group, in the order of the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                group = getattr(parameter, "group", "Help")
                sections.setdefault(group, []).append(record)
        for group, records in sections.items():
            with formatter.section(group):
                formatter.write_dl(records)


class CommandGroup(click.Group):
    """Commands, one of which is meant where none is named: ``asyncrgb SRC DST``."""

    def __init__(
        self, *, name: str, default: click.Command, commands: Sequence[click.Command]
    ) -> None:
        super().__init__(name, {str(each.name): each for each in commands})
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of arguments that name none."""
        if args[:1] not in [[each] for each in (*self.commands, "--help")]:
            args = [str(self.default.name), *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the default command, and the list of the others."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] SRC DST")
        self.default.format_help_text(ctx, formatter)
        self.default.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def band_list(text: str) -> tuple[int | str, ...]:
    """Turn "4,3,2" into (4, 3, 2), and "red,B03" into ("red", "B03")."""
    parts = [part.strip() for part in text.split(",")]
    return tuple(int(part) if re.fullmatch(r"[+-]?\d+", part) else part for part in parts)


def written_file(text: str) -> str:
    """Take the name of a file to be written, unless it is that of an image.

    One mistyped name could cost a source.
    """
    if text.lower().endswith(_IMAGES):
        raise click.BadParameter(f"{text}: that is the name of an image: name another file")
    return text


def no_data(text: str) -> NoData:
    """Turn "-9999" or "nan" into a number, and leave "auto" and "none" as they are."""
    if text == "auto":
        return "auto"
    if text == "none":
        return "none"
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: give auto, none, nan or a number") from None


def byte_size(text: str) -> int:
    """Turn "32M" into 33554432."""
    parsed = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    if parsed is None:
        raise click.BadParameter(f"{text!r}: give a size such as 500K, 32M or 1G")
    return int(parsed[1]) * _UNITS[parsed[2].upper()]


def seconds(text: str) -> float | None:
    """Turn "2.5" into 2.5; 0 is no time at all, which is how to say that there is no limit."""
    try:
        value = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: give a number of seconds, or 0 for any time") from None
    return value or None


def shown_size(size: int) -> str:
    """Write a size the way it is given."""
    for unit, factor in reversed(_UNITS.items()):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def shown_range(stretch: FixedStretch) -> str:
    """Write a range the way it is given."""
    ((low, high),) = stretch.ranges
    return f"{low:g} {high:g}"


def in_order(*options: Decorator) -> Decorator:
    """Make one decorator of several; the help lists their options in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def default_of(options: type, name: str) -> Any:  # noqa: ANN401 - a default is of any type
    """Read the default of a field of a dataclass: the one place where defaults stand."""
    return next(field.default for field in fields(options) if field.name == name)
