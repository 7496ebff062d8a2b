"""Object stores: asyncrgb and a pool of processes with boto3, from bucket to bucket.

The store is a process on this machine (``scripts/buckets``): it keeps objects in memory and
answers late by so many milliseconds. Whoever has another S3 server at hand, with the keys of the
environment and a bucket ``asyncrgb-benchmark``, names it with ``--store URL``; then nothing is
delayed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, TypeVar

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from obstore.store import S3Store

_A = TypeVar("_A")
_T = TypeVar("_T")

_THREADS: Final = 32
_DELAYS: Final = (0, 20)  # milliseconds
_BUCKET: Final = "asyncrgb-benchmark"
_TIMEOUT: Final = 3600
_SCRIPTS: Final = Path(__file__).parents[1]
_OURS: Final = "asyncrgb"
_POOL: Final = "boto3-processes"
_ACCESS: Final = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Course:
    """Where the runs go on.

    Attributes:
        chips: folder with class folders.
        count: chips for asyncrgb.
        few: chips for the pool.
        workers: processes of each.
        rounds: runs of each.

    """

    chips: Path
    count: int
    few: int
    workers: int
    rounds: int


def compare(course: Course, store: str | None) -> int:
    """Let both take turns, without delay and with it; return 1 if pictures differ."""
    right = True
    for delay in (0,) if store else _DELAYS:
        with nullcontext(store) if store else _serving(delay) as address:
            os.environ.update(AWS_ENDPOINT_URL=str(address))
            right &= _compare(course, delay)
    return 0 if right else 1


def _compare(course: Course, delay: int) -> bool:
    count, workers = course.count, course.workers
    store = _filled(course)
    rates: dict[str, list[float]] = {_OURS: [], _POOL: []}
    for number in range(course.rounds):
        for name, found in rates.items():
            usage = measure.run(
                _command(name, f"{name}-{number}", workers), sampled=False, timeout=_TIMEOUT
            )
            found.append((count if name == _OURS else course.few) / usage.seconds)
            print(f"{delay} ms: {name}: {found[-1]:,.0f} chips/s", file=sys.stderr, flush=True)
    made, expected = _pictures(store, f"{_OURS}-0"), _pictures(store, f"{_POOL}-0")
    same = len(made) == count and len(expected) == course.few and expected.items() <= made.items()
    ours, pool = (median(rates[name]) for name in (_OURS, _POOL))
    print(
        f"{count:,} chips, {delay} ms added to each request: asyncrgb {ours:,.0f} chips/s, "
        f"{workers} processes with boto3 {pool:,.0f} chips/s: {ours / pool:.1f} times; "
        f"pictures {'identical' if same else 'DIFFER'}",
        flush=True,
    )
    return same


def _command(name: str, prefix: str, workers: int) -> Sequence[str]:
    if name == _OURS:
        places = [f"s3://{_BUCKET}/chips", f"s3://{_BUCKET}/{prefix}"]
        return [sys.executable, "-m", "asyncrgb", *places, f"--workers={workers}", "--quiet"]
    places = [f"{_BUCKET}/few/", f"{_BUCKET}/{prefix}"]
    return [sys.executable, "-m", "benchmarks.objects_pool", *places, str(workers)]


@contextmanager
def _serving(delay: int) -> Iterator[str]:
    """Run the store as a process, which ends when nobody wants it any more."""
    os.environ.update(_ACCESS)
    command = [sys.executable, "-m", "buckets", str(delay / 1000), _BUCKET]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=_SCRIPTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101 - the same
        yield process.stdout.readline().strip()
        process.stdin.close()


def _filled(course: Course) -> S3Store:
    """Put the chips into the bucket, and some of them once more, for the pool."""
    from obstore.store import S3Store  # noqa: PLC0415 - for this mode only

    plain = os.environ["AWS_ENDPOINT_URL"].startswith("http://")
    store = S3Store(_BUCKET, client_options={"allow_http": plain})
    chips = sorted(course.chips.glob("*/*.tif"))[: course.count]

    def put(prefix: str, chip: Path) -> None:
        store.put(f"{prefix}/{chip.parent.name}/{chip.name}", chip.read_bytes())

    _at_once(partial(put, "chips"), chips)
    _at_once(partial(put, "few"), chips[: course.few])
    return store


def _pictures(store: S3Store, prefix: str) -> dict[str, bytes]:
    """Give all pictures of a run, by name."""
    keys = [each["path"] for page in store.list(prefix) for each in page]
    pictures = [key for key in keys if key.endswith(".png")]
    found = _at_once(lambda key: bytes(store.get(key).bytes()), pictures)
    return {key.rpartition("/")[2]: data for key, data in zip(pictures, found, strict=True)}


def _at_once(work: Callable[[_A], _T], things: Sequence[_A]) -> list[_T]:
    """Do the same with many things, on threads."""
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(work, things))
