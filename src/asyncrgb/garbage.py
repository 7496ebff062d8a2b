"""Python's collector of garbage, in the processes that are all ours."""

import gc

_OBJECTS = 50_000  # made from one collection to the next; usually 700


def collect_rarely() -> None:
    """Let it not go through all that there is after every few images again.

    That is the outcomes of all images in the command, all of Dask in a worker of a cluster.
    Cycles are as good as none: what an image takes is given back as its last reference goes.
    """
    gc.set_threshold(_OBJECTS)
