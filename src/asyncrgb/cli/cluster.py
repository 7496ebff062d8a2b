"""``--dask ADDRESS``: the workers of a Dask cluster, or of one that is started for the run."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.cli.terminal import tell
from asyncrgb.errors import OptionsError
from asyncrgb.signals import held_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from asyncrgb.limits import Limits

LOCAL: Final = "local"
_CONNECT_SECONDS: Final = 10
_PRELOADED: Final = ["asyncrgb.pipeline.shards.cluster_worker", "asyncrgb.imaging.chip"]
# What watches over idle workers, and over tasks from a millisecond on, takes a tenth of two
# processors: 20 to 100 times a second in each process. And Dask has its workers give memory back
# (MALLOC_TRIM_THRESHOLD_) so often that each image gets its own anew, which takes a sixth of the
# time: that is left out of their environment here.
_CALM: Final = {
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}


@contextmanager
def cluster(address: str | None, limits: Limits, *, quiet: bool) -> Iterator[Client | None]:
    """Give a client of the cluster, if one was asked for.

    Args:
        address: of its scheduler; "local": one is started here; None: there is none.
        limits: how many workers a local one has.
        quiet: say nothing of what starting it took.

    Raises:
        OptionsError: Dask is not installed, or nobody answers at the address.

    """
    if address is None:
        yield None
        return
    began = perf_counter()
    _check_dask()
    from distributed import Client  # noqa: PLC0415 - a second that nobody else needs

    # What goes wrong with it comes out as errors; its own tracebacks would come on top.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        try:
            where = address if address != LOCAL else _local(stack, limits)
            client = stack.enter_context(Client(where, timeout=_CONNECT_SECONDS))
            if address == LOCAL:
                _prepare(client, limits.for_itself().niceness)
        except (OSError, ValueError) as error:
            raise OptionsError(
                f"{address}: no Dask scheduler answers there ({error}): give the address that "
                "`dask scheduler` prints, or local"
            ) from None
        if not quiet:
            tell(f"asyncrgb: {_about(client, perf_counter() - began)}", err=True)
        yield client


def _check_dask() -> None:
    try:
        import distributed  # noqa: F401, PLC0415 - the same
    except ModuleNotFoundError as error:
        raise OptionsError(
            f"--dask needs {error.name}, which is not installed: pip install distributed"
        ) from None


def each_of(address: str | None, limits: Limits) -> Limits:
    """Give the limits of each worker: of a local cluster one renders one image at a time."""
    return replace(limits, workers=None) if address == LOCAL else limits


def _local(stack: ExitStack, limits: Limits) -> str:
    """Start a worker for each renderer; give the address of their scheduler."""
    from multiprocessing import resource_tracker  # noqa: PLC0415 - not on Windows

    from dask import config  # noqa: PLC0415 - the same
    from distributed import LocalCluster  # noqa: PLC0415 - the same

    with held_back():
        resource_tracker.ensure_running()  # which lets some signals through when it is done
    # Ctrl-C is for this process alone, which lets its workers come to an end.
    with held_back(), config.set(_CALM):
        started = stack.enter_context(
            LocalCluster(
                n_workers=limits.worker_count,
                threads_per_worker=1,
                dashboard_address=None,  # it serves figures all the same, and says if it
                scheduler_kwargs={"dashboard_address": "localhost:0"},  # cannot at its usual port
                silence_logs=logging.ERROR,
                preload=_PRELOADED,
            )
        )
    return str(started.scheduler_address)


def _prepare(client: Client, nice: int) -> None:
    from asyncrgb.cli.local_worker import Preparation  # noqa: PLC0415 - imports Dask

    client.register_plugin(Preparation(nice))


def _about(client: Client, seconds: float) -> str:
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    workers = "1 worker" if count == 1 else f"{count} workers"
    return f"a Dask cluster of {workers}, at hand after {seconds:.2f} s"
