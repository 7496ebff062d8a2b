"""How the command line is written: option groups, a default command, types of values."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import click

from asyncrgb.settings import size_of
from asyncrgb.urls import is_url, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asyncrgb.options import NoData, Overview
    from asyncrgb.stretches import FixedStretch

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_IMAGES: Final = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp")
STDOUT: Final = "-"  # as the name of a file
_SIMILAR: Final = 0.7  # from 0 to 1, of a word to that of a command


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


class Name(click.Choice):  # type: ignore[type-arg] # before click 8.2 it takes none
    """One of several names, in any case; who mistypes one is told which is like it."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__([*names], case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        """Find the name that is meant."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            near = _nearest(str(value).lower(), self.choices)
            remedy = f" Did you mean {near!r}?" if near else ""
            self.fail(error.message + remedy, param, ctx)


def _nearest(word: str, words: Iterable[str], least: float = 0.6) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    return next(iter(get_close_matches(word, [*words], n=1, cutoff=least)), None)


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
            self._check_mistyped(ctx, args[:1])
            args = [str(self.default.name), *args]
        return super().parse_args(ctx, args)

    def _check_mistyped(self, ctx: click.Context, first: list[str]) -> None:
        for word in first:
            near = _nearest(word, self.commands, _SIMILAR)
            if near is not None and not os.path.lexists(word):
                ctx.fail(f"no command, folder or file is called {word!r}: did you mean {near}?")

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the default command, and the list of the others."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] SRC DST")
        self.default.format_help_text(ctx, formatter)
        self.default.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def band_list(text: str) -> tuple[int | str, ...]:
    """Turn "4,3,2" into (4, 3, 2), and "red,B03" into ("red", "B03")."""
    if re.fullmatch(r"\d+(\D\d+)+", text) and "," not in text:
        meant = re.sub(r"\D", ",", text)
        raise click.BadParameter(f"{text!r}: separate numbers by commas, as in {meant}")
    parts = [part.strip() for part in text.split(",")]
    return tuple(int(part) if re.fullmatch(r"[+-]?\d+", part) else part for part in parts)


def any_path(text: str) -> str:
    """Take the name of a file or a folder; an empty one would stand for the current folder."""
    if not text:
        raise click.BadParameter("it is empty: name a file or a folder")
    return text


def local_path(text: str) -> str:
    """Take the name of a file or a folder of this machine."""
    if is_url(any_path(text)):
        raise click.BadParameter(f"{redacted(text)}: name a file or a folder of this machine")
    return text


def written_file(text: str) -> str:
    """Take the name of a file to be written, unless it is that of an image.

    One mistyped name could cost a source.
    """
    if local_path(text).lower().endswith(_IMAGES):
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


def overview(text: str) -> Overview:
    """Turn "1" into a number, and leave "auto" and "none" as they are."""
    if text == "auto":
        return "auto"
    if text == "none":
        return "none"
    if not text.isdecimal():
        raise click.BadParameter(f"{text!r}: give auto, none or a number, 0 for the first")
    return int(text)


def byte_size(text: str) -> int:
    """Turn "32M" into 33554432."""
    try:
        return size_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def seconds(text: str) -> float | None:
    """Turn "2.5" into 2.5; 0 is no time at all, which is how to say that there is no limit."""
    try:
        value = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: give a number of seconds, or 0 for any time") from None
    return value or None


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


def field_option(options: type, *names: str, unset: str = "", **words: Any) -> Decorator:  # noqa: ANN401 - click's
    """Declare an option for a field of a dataclass, with the default of that.

    Args:
        options: the dataclass.
        names: as of ``click.option``; the last one is that of the field.
        unset: what it means in words that the default is None.
        words: more for ``GroupedOption``, or other than follows from the field.

    """
    default = default_of(options, names[-1].removeprefix("--").replace("-", "_"))
    shown = (unset or False) if default is None else True
    words = {"default": default, "show_default": shown} | words
    return click.option(*names, cls=GroupedOption, **words)


def default_of(options: type, name: str) -> Any:  # noqa: ANN401 - a default is of any type
    """Read the default of a field of a dataclass: the one place where defaults stand."""
    return next(field.default for field in fields(options) if field.name == name)
