"""``--config FILE`` and ``--save FILE``: limits that are written once and given to any run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from asyncrgb.cli.parameters import GroupedOption, local_path, written_file
from asyncrgb.cli.written import write_text
from asyncrgb.errors import OptionsError
from asyncrgb.settings import settings_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncrgb.limits import Limits

_SUFFIX: Final = ".toml"

config_option = click.option(
    "--config",
    cls=GroupedOption,
    group="Limits",
    type=local_path,
    metavar="FILE",
    help="Take limits from this file, as `asyncrgb tune --save` writes it; options given here "
    "count more.",
)


def saved_file(text: str) -> str:
    """Take the name of a settings file to be written."""
    if not written_file(text).lower().endswith(_SUFFIX):
        raise click.BadParameter(f"{text}: name a file that ends in {_SUFFIX}")
    return text


def save(path: str, limits: Limits, notes: Sequence[str]) -> None:
    """Write a settings file that is seen whole or not at all.

    Raises:
        OSError: it cannot be written.

    """
    write_text(path, settings_text(limits, notes))


def check_saving(path: str) -> None:
    """Find out before anything is measured whether the file can be written.

    Raises:
        OSError: it cannot.
        OptionsError: it is there and is no settings file, which would be lost.

    """
    write_text(path, None)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            ours = "[limits]" in file.read()
    except FileNotFoundError:
        return
    if not ours:
        raise OptionsError(f"{path}: that is no settings file: name another, or remove it")
