"""Object stores: scenes in them, a server that is not ours, and what URLs say and hide."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asyncrgb
from asyncrgb import Limits, OptionsError, RenderOptions, render
from asyncrgb.cli import main
from asyncrgb.pipeline.storage.objects import ranges
from asyncrgb.pipeline.storage.objects.location import located
from asyncrgb.urls import is_url, redacted, unqueried
from tests.pipeline.buckets import NAMES, SECRET, at, convert, hasty, store, written

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

from buckets.server import Fault, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buckets.server import Store

    from tests.pipeline.conftest import Run

__all__ = ["hasty", "store"]  # fixtures

SMALL = Limits(memory=2**21)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give a scene of which each band has a plane of its own: 4.2 MB, of which 1 MB is shown."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    asyncrgb.write_scene(path, 400, 400, planar=True, compression="none")
    return path.read_bytes()


# Scenes


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_scenes_are_read_in_ranges(run: Run, store: Store, scene: bytes, name: str) -> None:
    store.buckets["data"].put("scene/a.tif", scene)
    moved: list[int] = []

    def watch(request: Request) -> None:
        first, _, last = request.headers.get("range", "").removeprefix("bytes=").partition("-")
        if request.method == "GET" and request.key == "scene/a.tif":
            moved.append(int(last) + 1 - int(first) if first else len(scene))

    store.trouble = watch
    options = RenderOptions(format=name)
    report = run(convert("s3://data/scene", "s3://results", options=options, limits=SMALL))
    assert len(report.converted) == 1, report.failed
    assert sum(moved) < len(scene) / 2
    (key,) = (key for key in store.buckets["results"].objects if "json" not in key)
    made = store.buckets["results"].objects[key].body
    assert np.array_equal(pixels(made), pixels(asyncrgb.render(scene, options)))


def pixels(data: bytes) -> Any:  # noqa: ANN401 - of imageio
    return iio.imread(data)


@pytest.mark.usefixtures("hasty")
def test_large_results_are_uploaded_in_parts_or_not_at_all(
    store: Store, scene: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "_PIECE", 2**16)
    store.buckets["data"].put("scene/a.tif", scene)
    whole = asyncio.run(convert("s3://data/scene", "s3://results/1", limits=SMALL))
    assert len(whole.converted) == 1
    assert store.requests["POST"] == 2
    assert store.requests["PUT"] > 3
    store.trouble = lambda it: Fault(503) if it.query.get("partNumber") == "2" else None
    failed = asyncio.run(convert("s3://data/scene", "s3://results/2", limits=SMALL))
    assert "turned it down" in str(failed.failed[0].error)
    assert list(written(store)) == ["1/a.png"]
    assert store.buckets["results"].uploads == {}


def test_a_scene_that_is_replaced_meanwhile_fails(store: Store, scene: bytes) -> None:
    bucket, reads = store.buckets["data"], []
    bucket.put("scene/a.tif", scene)

    def replace(request: Request) -> None:
        if request.key == "scene/a.tif" and request.method == "GET":
            reads.append(request)
            if len(reads) == 3:
                bucket.put("scene/a.tif", scene[:-1] + b"x")

    store.trouble = replace
    report = asyncio.run(convert("s3://data/scene", "s3://results", limits=SMALL))
    assert "was replaced while it was read" in str(report.failed[0].error)
    assert written(store) == {}


# A server that is not ours


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Run moto's server, as a process: to stop at once it has to be killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not listens(port):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.kill()


def listens(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def test_moto_takes_ours_for_its_own(
    moto: str, chip: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at(monkeypatch, moto)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="there")
    for name in (*NAMES, "odd name/Ünï+%20&#.tif"):
        client.put_object(Bucket="there", Key=f"in/{name}", Body=chip)
    for kind in ("converted", "up_to_date"):
        report = asyncio.run(convert("s3://there/in", "s3://there/in/out", layout="tree"))
        assert len(getattr(report, kind)) == 21, report.failed
    listed = client.list_objects_v2(Bucket="there", Prefix="in/out/")["Contents"]
    keys = {each["Key"] for each in listed} - {"in/out/.asyncrgb.json"}
    assert keys == {f"in/out/{x[:-4]}.png" for x in (*NAMES, "odd name/Ünï+%20&#.tif")}
    right = asyncrgb.render(chip)
    for key in keys:
        assert client.get_object(Bucket="there", Key=key)["Body"].read() == right
    with pytest.raises(OptionsError, match=r"no \.tif"):
        asyncio.run(convert("s3://there/in/out", str(tmp_path)))


# Who asks


def test_a_profile_that_is_named_gives_the_keys(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text(
        f"[archive]\naws_access_key_id = of-profile\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "archive")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert users(store) == {"Credential=of-profile"}
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "obstore.auth.boto3")
    with pytest.raises(asyncrgb.AsyncRgbError, match="needs boto3: pip install boto3"):
        users(store)


def test_anybody_may_ask_where_that_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert users(store) == {"Credential=key"}
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert users(store) == {""}


def users(store: Store) -> set[str]:
    """Tell who asked, when all chips were converted."""
    seen: list[Request] = []

    def watch(request: Request) -> None:
        seen.append(request)

    store.trouble = watch
    assert not asyncio.run(convert("s3://data/in", "s3://results", force=True)).failed
    signed = [each.headers.get("authorization", "") for each in seen]
    return {each.partition("/")[0].rpartition(" ")[2] for each in signed}


# What URLs say and hide

WORDS = st.text("abcäÜ #%&+", min_size=1, max_size=8).map(lambda word: word.strip() or "x")


@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from(["s3", "gs", "az", "S3"]))
def test_a_key_is_taken_as_it_is_written(parts: list[str], scheme: str) -> None:
    key = "/".join(parts)
    found = located(f"{scheme}://bucket/{key}")
    assert found == (scheme.lower(), "bucket", key)
    assert located(found.shown) == found
    assert located(f"{scheme}://bucket/{key}/") == found


@given(WORDS.map(lambda word: word.replace(" ", "")), st.sampled_from(["http", "https"]))
def test_no_password_and_no_signature_is_shown(secret: str, scheme: str) -> None:
    secret = f"hidden{secret.replace('#', '')}"
    url = f"{scheme}://me:{secret}@host/a%20b.tif?X-Signature={secret}"
    assert is_url(url)
    for text in (redacted(url), redacted(f"GET {url}: no"), located(url).shown):
        assert "hidden" not in text
        assert "host/a" in text
    assert unqueried(url).endswith("/a%20b.tif")
    assert located(url).key == "a b.tif"


@given(st.text(max_size=20))
def test_what_is_no_url_stays_as_it_is(text: str) -> None:
    if "://" not in text:
        assert not is_url(text)
        assert redacted(text) == unqueried(text) == text


def test_a_url_without_a_bucket_is_refused() -> None:
    for url in ("s3://", "s3:///key", "https://"):
        with pytest.raises(OptionsError, match="names no bucket"):
            located(url)


def test_the_command_shows_no_secrets(
    store: Store, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    web = f"http://me:{SECRET}@{host}/data/in/{NAMES[0]}?X-Signature={SECRET}"
    report = tmp_path / "report.jsonl"
    common = ["--executor", "serial", "--report", str(report), "--verbose"]
    command(web, str(tmp_path / "out"), *common)
    command(web.replace("Forest_0", "none"), str(tmp_path / "out"), *common)
    store.trouble = lambda it: Fault(403, SECRET[:4]) if "River_1" in it.key else None
    command("s3://data/in", "s3://results", *common)
    told = capfd.readouterr()
    assert "access is denied" in told.err
    assert "s3://data/in/River/River_1.tif" in report.read_text()
    assert SECRET not in told.out + told.err + report.read_text()


def test_commands_for_files_of_this_machine_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["sample", "s3://a/b"], ["tune", "s3://a/b"], ["stats", "x", "-o", "s3://a"]):
        command(*arguments)
        assert "of this machine" in capsys.readouterr().err


def command(*arguments: str) -> None:
    with pytest.raises(SystemExit):
        main(arguments)


@pytest.mark.parametrize("shared", [["--shards", "2"], ["--dask", "local"]])
def test_work_that_is_shared_goes_from_bucket_to_bucket(
    store: Store, chip: bytes, shared: list[str]
) -> None:
    command = [sys.executable, "-m", "asyncrgb", "s3://data/in", "s3://results/out", *shared]
    for said in ("20 converted, 0 up to date", "0 converted, 20 up to date"):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, said in ended.stdout) == (0, True), ended.stderr
    assert set(written(store).values()) == {render(chip)}
    assert len(written(store)) == 20
