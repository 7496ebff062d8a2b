"""What a run may use, and what it does about faults: options that become ``Limits``, and more."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from asyncrgb.cli.parameters import (
    GroupedOption,
    Name,
    byte_size,
    default_of,
    field_option,
    in_order,
    seconds,
    written_file,
)
from asyncrgb.cli.settings import config_option
from asyncrgb.limits import Limits
from asyncrgb.settings import shown_size

if TYPE_CHECKING:
    from collections.abc import Mapping

_option = partial(click.option, cls=GroupedOption)
_limit = partial(field_option, Limits, group="Limits")
_number = partial(_limit, type=int, metavar="N")
_most = partial(_limit, type=click.IntRange(min=0), metavar="N")
_faults = partial(_option, group="Faults")
_terminal = partial(_option, group="Terminal")

size_options = in_order(
    _most("--limit-pixels", "max_pixels", help="Largest height times width of an image; 0: any."),
    _most("--limit-bands", "max_bands", help="Most bands of an image; 0: any number."),
    _most(
        "--limit-expansion",
        "max_expansion",
        help="Most decoded bytes for each byte of a file, where they are more than 64 MiB; 0: any.",
    ),
)

resource_options = in_order(
    config_option,
    _number("--workers", unset="one for each processor", help="Renderers at work at once."),
    _number("--reads", help="Most reads in flight; fast storage never needs as many."),
    _number("--writes", help="Most writes in flight."),
    _limit(
        "--memory",
        type=byte_size,
        metavar="SIZE",
        default=shown_size(default_of(Limits, "memory")),
        help="Image data held at any moment.",
    ),
    _number("--batch", help="Most images that a worker gets at once."),
    _limit(
        "--worker-memory",
        type=byte_size,
        metavar="SIZE",
        unset="a fair share of what there is",
        help="What each worker process may take for images, besides what it has anyway (with all "
        "its libraries half a gigabyte of address space); 0: any amount.",
    ),
    _limit(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        unset="any time",
        help="What rendering one image may take; 0: any time.",
    ),
    _number(
        "--nice",
        unset="1",
        help="How far worker processes stand back behind others, 0 to 19: 10 keeps what else runs "
        "here prompt, but busy processors are left to others then.",
    ),
    size_options,
)

limit_options = in_order(
    resource_options,
    _number(
        "--shards",
        help="Event loops that share the work, for machines where one cannot feed all workers; "
        "each is a process with its part of the workers, reads, writes and memory.",
    ),
    _option(
        "--dask",
        group="Limits",
        metavar="ADDRESS",
        show_default="this machine alone",
        help="Convert on the workers of the Dask cluster whose scheduler is there, which have to "
        "reach SRC and DST; the limits are those of each. `local` starts a cluster here.",
    ),
    _option(
        "--executor",
        group="Limits",
        type=Name(["process", "thread", "serial"]),
        default="process",
        show_default=True,
        help="Where to render: in processes, in threads, or in the main thread.",
    ),
)

fault_options = in_order(
    _faults(
        "--on-error",
        type=Name(["continue", "stop"]),
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
        help="Write what becomes of each source, a line of JSON each, as it happens; - is stdout.",
    ),
)

terminal_options = in_order(
    _terminal(
        "--progress/--no-progress", default=True, help="Bar on stderr, where it is a terminal."
    ),
    _terminal("-q", "--quiet", is_flag=True, help="No bar and no summary; failures only."),
    _terminal("-v", "--verbose", is_flag=True, help="Say with which settings the run goes on."),
)


def limits(given: Mapping[str, Any]) -> Limits:
    """Turn what was given into limits: the command line counts more than the settings file.

    Raises:
        click.UsageError: one is given that would not be kept.
        OptionsError: a value cannot be used, or the settings file cannot.
        OSError: the settings file cannot be read.

    """
    source = click.get_current_context().get_parameter_source
    named = (each.name for each in fields(Limits) if each.name in given)
    spelled = {name: given[name] for name in named if source(name) != ParameterSource.DEFAULT}
    usual = Limits() if given["config"] is None else Limits.from_file(given["config"])
    found = replace(usual, **spelled)
    if found.worker_memory and given.get("executor", "process") != "process":
        raise click.UsageError("--worker-memory: only processes have one: leave out the --executor")
    if given.get("dask") is not None and given["executor"] != "process":
        raise click.UsageError("--dask: its workers render by themselves: leave out the --executor")
    return found
