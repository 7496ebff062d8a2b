"""``--dask ADDRESS``: the workers of a Dask cluster, or of one that is started for the run."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Final

from asyncrgb.cli.stopping import held_back
from asyncrgb.cli.terminal import tell
from asyncrgb.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from asyncrgb.options import Limits

LOCAL: Final = "local"
_CONNECT_SECONDS: Final = 10


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
    _check_dask()
    from distributed import Client  # noqa: PLC0415 - a second that nobody else needs

    with ExitStack() as stack:
        try:
            where = address if address != LOCAL else _local(stack, limits, quiet=quiet)
            client = stack.enter_context(Client(where, timeout=_CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            raise OptionsError(
                f"{address}: no Dask scheduler answers there ({error}): give the address that "
                "`dask scheduler` prints, or local"
            ) from None
        yield client


def _check_dask() -> None:
    try:
        import distributed  # noqa: F401, PLC0415 - the same
    except ModuleNotFoundError as error:
        raise OptionsError(
            f"--dask needs {error.name}, which is not installed: pip install 'asyncrgb[dask]'"
        ) from None


def _local(stack: ExitStack, limits: Limits, *, quiet: bool) -> str:
    """Start a worker for each renderer; give the address of their scheduler."""
    from multiprocessing import resource_tracker  # noqa: PLC0415 - not on Windows

    from distributed import LocalCluster  # noqa: PLC0415 - the same

    began = perf_counter()
    with held_back():
        resource_tracker.ensure_running()  # which lets some signals through when it is done
    with held_back():  # Ctrl-C is for this process alone, which lets its workers come to an end
        started = stack.enter_context(
            LocalCluster(
                n_workers=limits.worker_count,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            )
        )
    if not quiet:
        seconds = perf_counter() - began
        text = f"a Dask cluster of {limits.worker_count} workers started in {seconds:.2f} s"
        tell(f"asyncrgb: {text}", err=True)
    return str(started.scheduler_address)
