"""Makes the engine of a Converter that shares its work among several flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.errors import OptionsError
from asyncrgb.pipeline.shards.dealing import Dealer
from asyncrgb.pipeline.shards.division import divided
from asyncrgb.pipeline.shards.shards import ProcessShards
from asyncrgb.pipeline.storage.storage import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from distributed import Client

    from asyncrgb.limits import Limits
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.events import Event


def shared(  # noqa: PLR0913 - what a Converter has been given
    options: RenderOptions,
    limits: Limits,
    executor: Executor | None,
    cluster: Client | None,
    *,
    fsync: bool,
    hook: Callable[[Event], None] | None,
) -> Dealer:
    """Make a dealer and its shards: workers of a cluster, or processes of this machine.

    Raises:
        OptionsError: there is an executor too, or there are more shards than of what they share.

    """
    if cluster is not None:
        return _on_cluster(options, limits, executor, cluster, fsync=fsync)
    if executor is not None:
        raise OptionsError(
            "shards: each has worker processes of its own: leave out the shards, or the executor "
            "(--executor process)"
        )
    parts = divided(limits)
    shards = ProcessShards(options, parts, fsync=fsync, on_event=hook)
    return Dealer(options, parts[0], shards, LocalFiles(fsync=fsync))


def _on_cluster(
    options: RenderOptions,
    limits: Limits,
    executor: Executor | None,
    cluster: Client,
    *,
    fsync: bool,
) -> Dealer:
    if executor is not None or limits.shards > 1:
        raise OptionsError(
            "cluster: its workers render by themselves: leave out the executor (--executor) and "
            "the shards (--shards)"
        )
    if limits.timeout is not None or limits.worker_memory:
        raise OptionsError(
            "timeout and worker memory: Dask workers render by themselves, and nobody can end them "
            "for an image: leave out --timeout and --worker-memory"
        )
    from asyncrgb.pipeline.shards.cluster import ClusterShards  # noqa: PLC0415 - needs distributed

    shards = ClusterShards(cluster, options, limits, fsync=fsync)
    return Dealer(options, limits, shards, LocalFiles(fsync=fsync))
