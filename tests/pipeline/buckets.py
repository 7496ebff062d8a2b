"""What tests of object stores share: buckets of a store of our own, and who asks for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import asyncrgb
from asyncrgb import SerialExecutor
from asyncrgb.pipeline.storage.objects import stores

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from buckets.server import Store, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [f"{kind}/{kind}_{number}.tif" for kind in ("Forest", "River") for number in range(10)]
SECRET = "a-secret-that-is-never-shown"  # noqa: S105 - of a store that asks for none
_SERIAL = SerialExecutor()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, chip: bytes) -> Iterator[Store]:
    """Give a store with 20 chips in the bucket ``data``, and an empty bucket ``results``."""
    store = Store("data", "results")
    for name in NAMES:
        store.buckets["data"].put(f"in/{name}", chip)
    with serving(store) as address:
        at(monkeypatch, address)
        yield store


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have requests give up soon."""
    monkeypatch.setattr(stores, "_RETRIES", 2)
    monkeypatch.setattr(stores, "_SILENCE", "300ms")


def at(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let the environment name a store, and somebody who may use it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def convert(source: str, destination: str, **given: Any) -> Any:  # noqa: ANN401 - passed on
    """Convert in this process."""
    return asyncrgb.convert(source, destination, executor=_SERIAL, **given)


def written(store: Store, bucket: str = "results") -> dict[str, bytes]:
    """Give the pictures in a bucket."""
    found = store.buckets[bucket].objects
    return {key: each.body for key, each in found.items() if key.endswith(".png")}
