"""Makes the engine of a Converter that shares its work among several flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.errors import OptionsError
from asyncrgb.pipeline.dealing import Dealer
from asyncrgb.pipeline.division import divided
from asyncrgb.pipeline.shards import ProcessShards

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from asyncrgb.options import Limits, RenderOptions
    from asyncrgb.pipeline.events import Event


def shared(
    options: RenderOptions,
    limits: Limits,
    executor: Executor | None,
    *,
    fsync: bool,
    hook: Callable[[Event], None] | None,
) -> Dealer:
    """Make a dealer and its shards, which are processes of this machine.

    Raises:
        OptionsError: there is an executor, or there are more shards than of what they share.

    """
    if executor is not None:
        raise OptionsError(
            "shards: each has worker processes of its own: leave out the shards, or the executor "
            "(--executor process)"
        )
    parts = divided(limits)
    return Dealer(options, parts[0], ProcessShards(options, parts, fsync=fsync, on_event=hook))
