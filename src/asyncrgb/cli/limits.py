"""What a run may use, and what it does about faults: options that become ``Limits``, and more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from asyncrgb.cli.parameters import (
    GroupedOption,
    byte_size,
    default_of,
    in_order,
    seconds,
    shown_size,
    written_file,
)
from asyncrgb.options import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

_option = partial(click.option, cls=GroupedOption)
_limit = partial(_option, group="Limits")
_faults = partial(_option, group="Faults")
_terminal = partial(_option, group="Terminal")
_default = partial(default_of, Limits)


def _or(name: str, words: str) -> str | bool:
    """Show a default as it is, or in words where it is None."""
    return words if _default(name) is None else True


size_options = in_order(
    _limit(
        "--limit-pixels",
        "max_pixels",
        type=int,
        metavar="N",
        default=_default("max_pixels"),
        show_default=True,
        help="Largest height times width of an image; 0: any.",
    ),
    _limit(
        "--limit-bands",
        "max_bands",
        type=int,
        metavar="N",
        default=_default("max_bands"),
        show_default=True,
        help="Most bands of an image; 0: any number.",
    ),
    _limit(
        "--limit-expansion",
        "max_expansion",
        type=int,
        metavar="N",
        default=_default("max_expansion"),
        show_default=True,
        help="Most decoded bytes for each byte of a file, where they are more than 64 MiB; 0: any.",
    ),
)

limit_options = in_order(
    _limit(
        "--workers",
        type=int,
        metavar="N",
        default=_default("workers"),
        show_default=_or("workers", "one for each processor"),
        help="Renderers at work at once.",
    ),
    _limit(
        "--reads",
        type=int,
        metavar="N",
        default=_default("reads"),
        show_default=True,
        help="Most reads in flight; fast storage never needs as many.",
    ),
    _limit(
        "--writes",
        type=int,
        metavar="N",
        default=_default("writes"),
        show_default=True,
        help="Most writes in flight.",
    ),
    _limit(
        "--memory",
        type=byte_size,
        metavar="SIZE",
        default=shown_size(_default("memory")),
        show_default=True,
        help="Image data held at any moment.",
    ),
    _limit(
        "--worker-memory",
        type=byte_size,
        metavar="SIZE",
        default=_default("worker_memory"),
        show_default=_or("worker_memory", "a fair share of what there is"),
        help="What each worker process may take for images, besides what it has anyway (with all "
        "its libraries half a gigabyte of address space); 0: any amount.",
    ),
    _limit(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        default=_default("timeout"),
        show_default=_or("timeout", "any time"),
        help="What rendering one image may take; 0: any time.",
    ),
    size_options,
    _limit(
        "--executor",
        type=click.Choice(["process", "thread", "serial"]),
        default="process",
        show_default=True,
        help="Where to render: in processes, in threads, or in the main thread.",
    ),
)

fault_options = in_order(
    _faults(
        "--on-error",
        type=click.Choice(["continue", "stop"]),
        default="continue",
        show_default=True,
        help="Go on when a file fails, or stop there.",
    ),
    _faults(
        "--max-errors",
        type=click.IntRange(min=1),
        metavar="N",
        show_default="any number",
        help="Stop when N files have failed.",
    ),
    _faults(
        "--report",
        type=written_file,
        metavar="FILE",
        help="Write what becomes of each source, a line of JSON each, as it happens.",
    ),
)

terminal_options = in_order(
    _terminal(
        "--progress/--no-progress", default=True, help="Bar on stderr, where it is a terminal."
    ),
    _terminal("-q", "--quiet", is_flag=True, help="No bar and no summary; failures only."),
    _terminal("-v", "--verbose", is_flag=True, help="Say with which settings the run goes on."),
)

_LIMITS: Final = (
    "workers",
    "reads",
    "writes",
    "memory",
    "worker_memory",
    "timeout",
    "max_pixels",
    "max_bands",
    "max_expansion",
)


def limits(given: Mapping[str, Any]) -> Limits:
    """Turn what was given on the command line into limits.

    Raises:
        OptionsError: a value cannot be used.

    """
    return Limits(**{name: given[name] for name in _LIMITS})
