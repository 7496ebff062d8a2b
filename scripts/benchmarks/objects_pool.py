"""What most would write: a process pool, and boto3 in each of its workers.

``python -m benchmarks.objects_pool SOURCE DESTINATION WORKERS``: both are bucket/prefix. Chips are
rendered by asyncrgb here too, so that the difference is in how they get there and away.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

import boto3

import asyncrgb

_CHUNK = 64


def main() -> None:
    """Convert all objects below a prefix."""
    (bucket, prefix), destination, workers = _split(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    client = boto3.client("s3")  # not that of the workers, who would share its connections
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    jobs = [(bucket, key, destination) for key in keys]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_convert, jobs, chunksize=_CHUNK))


@cache
def _client() -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.client("s3")


def _convert(job: tuple[str, str, str]) -> None:
    bucket, key, destination = job
    chip = _client().get_object(Bucket=bucket, Key=key)["Body"].read()
    target, prefix = _split(destination)
    name = key.rpartition("/")[2].removesuffix(".tif")
    _client().put_object(Bucket=target, Key=f"{prefix}/{name}.png", Body=asyncrgb.render(chip))


def _split(place: str) -> tuple[str, str]:
    bucket, _, prefix = place.partition("/")
    return bucket, prefix


if __name__ == "__main__":
    main()
