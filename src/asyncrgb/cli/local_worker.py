"""A Dask worker of the cluster that ``--dask local`` starts, for this run alone."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from distributed import WorkerPlugin

from asyncrgb.garbage import collect_rarely

if TYPE_CHECKING:
    from distributed import Worker


class Preparation(WorkerPlugin):  # type: ignore[misc] # of a library without types
    """Prepares a worker for much work, and one that takes its place.

    Args:
        nice: how far it stands back: who deals the work goes first, or workers wait for it.

    """

    name = "asyncrgb-preparation"

    def __init__(self, nice: int) -> None:
        self._nice = nice

    def setup(self, worker: Worker) -> None:
        """Get ready; called by Dask."""
        del worker
        collect_rarely()
        if hasattr(os, "nice"):
            os.nice(self._nice)
        # What goes wrong comes out as errors of the tasks. What is left is that the scheduler is
        # gone when everything ends: a traceback for whoever has pressed Ctrl-C.
        logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
