"""What storage gives to plain threads that do no work: a bound for whoever reads and writes it.

``python -m benchmarks.plain_threads SRC DST SIZE THREADS`` (from ``scripts``) reads every TIFF
below SRC; unless SIZE is 0 it writes as many files of SIZE bytes to DST, each under a temporary
name that is changed at the end.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial


def copy(path: str, destination: str, output: bytes) -> None:
    """Read a file, and write ``output`` under its name, if it is not empty."""
    fd = os.open(path, os.O_RDONLY)
    try:
        while os.read(fd, 2**20):
            pass
    finally:
        os.close(fd)
    if output:
        name = os.path.join(destination, os.path.basename(path))
        with open(f"{name}.part", "xb", buffering=0) as file:
            file.write(output)
        os.replace(f"{name}.part", name)


def main() -> None:
    """List, and let the threads do the rest."""
    source, destination, size, threads = sys.argv[1:]
    work = partial(copy, destination=destination, output=bytes(int(size)))
    os.makedirs(destination, exist_ok=True)
    paths = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(source)
        for name in names
        if name.endswith(".tif")
    ]
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(work, paths))


if __name__ == "__main__":
    main()
