"""The limits of a conversion, divided among shards so that together they keep to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from asyncrgb import machine
from asyncrgb.errors import OptionsError

if TYPE_CHECKING:
    from asyncrgb.limits import Limits

_LEAST_MEMORY: Final = 2**20


def divided(limits: Limits) -> list[Limits]:
    """Give the limits of each of ``limits.shards`` shards.

    Raises:
        OptionsError: there is something of which not every shard can have a part.

    """
    parts, workers = limits.shards, limits.worker_count
    _check(parts, workers, "workers")
    _check(parts, limits.reads, "reads")
    _check(parts, limits.writes, "writes")
    _check(parts, limits.memory // _LEAST_MEMORY, "MiB of memory")
    each = replace(
        limits,
        shards=1,
        memory=limits.memory // parts,
        worker_memory=_worker_memory(limits, workers),
    )
    return [
        replace(
            each,
            workers=_part(workers, parts, number),
            reads=_part(limits.reads, parts, number),
            writes=_part(limits.writes, parts, number),
        )
        for number in range(parts)
    ]


def _check(parts: int, there: int, what: str) -> None:
    if there < parts:
        raise OptionsError(
            f"shards {parts}: each takes some of the {what}, and there are {there}: give fewer "
            f"shards, or more {what}"
        )


def _part(total: int, parts: int, number: int) -> int:
    return total // parts + (number < total % parts)


def _worker_memory(limits: Limits, workers: int) -> int:
    if limits.worker_memory is None:
        return max(_LEAST_MEMORY, machine.memory() // workers)
    return limits.worker_memory
