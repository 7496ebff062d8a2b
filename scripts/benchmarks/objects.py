"""Object stores: asyncrgb and a pool of processes with boto3, from bucket to bucket.

The store is a process on this machine (``scripts/buckets``): it keeps objects in memory and
answers late by so many milliseconds. Whoever has another S3 server at hand, with the keys of the
environment, names it with ``--store URL``; then nothing is delayed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obstore.store import S3Store

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


def compare(chips: Path, count: int, workers: int, rounds: int, store: str | None) -> int:
    """Let both take turns, without delay and with it; return 1 if pictures differ."""
    right = True
    for delay in (0,) if store else _DELAYS:
        with nullcontext(store) if store else _serving(delay) as address:
            os.environ.update(AWS_ENDPOINT_URL=str(address))
            right &= _compare(chips, count, workers, rounds, delay)
    return 0 if right else 1


def _compare(chips: Path, count: int, workers: int, rounds: int, delay: int) -> bool:
    store = _filled(sorted(chips.glob("*/*.tif"))[:count])
    rates: dict[str, list[float]] = {_OURS: [], _POOL: []}
    for number in range(rounds):
        for name, found in rates.items():
            usage = measure.run(
                _command(name, f"{name}-{number}", workers), sampled=False, timeout=_TIMEOUT
            )
            found.append(count / usage.seconds)
            print(f"{delay} ms: {name}: {found[-1]:,.0f} chips/s", file=sys.stderr, flush=True)
    same = _pictures(store, f"{_OURS}-0") == _pictures(store, f"{_POOL}-0")
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
    places = [f"{_BUCKET}/chips/", f"{_BUCKET}/{prefix}"]
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


def _filled(chips: Sequence[Path]) -> S3Store:
    """Put the chips into the bucket."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - for this mode only
    from obstore.store import S3Store  # noqa: PLC0415 - the same

    plain = os.environ["AWS_ENDPOINT_URL"].startswith("http://")
    store = S3Store(_BUCKET, client_options={"allow_http": plain})
    for number, chip in enumerate(chips):
        try:
            store.put(f"chips/{chip.parent.name}/{chip.name}", chip.read_bytes())
        except (BaseError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise SystemExit(f"chip {number} cannot be stored: {reason}") from None
    return store


def _pictures(store: S3Store, prefix: str) -> dict[str, bytes]:
    """Give all pictures of a run, by name."""
    keys = [each["path"] for page in store.list(prefix) for each in page]
    pictures = [key for key in keys if key.endswith(".png")]
    return {key.rpartition("/")[2]: bytes(store.get(key).bytes()) for key in pictures}
