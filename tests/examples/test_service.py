"""The service, over real HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image
from service import create_app, explain
from starlette.requests import Request

import asyncrgb
from asyncrgb import Converter, FixedStretch, Limits, RenderOptions
from tests.examples.serving import Client, HeldExecutor, answer_on, eventually, serving

REST = {"reading": 0, "ready": 0, "rendering": 0, "writing": 0, "leased": 0}


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unnoticed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    records = caplog.get_records("setup") + caplog.get_records("call")
    assert [each.getMessage() for each in records if each.levelno > logging.INFO] == []


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    app = create_app(Converter(limits=Limits(workers=1, max_pixels=1000 * 1000)), max_bytes=2**20)
    with serving(app) as client:
        yield client
        assert client.counters() == REST


@pytest.fixture
def held() -> Iterator[HeldExecutor]:
    with HeldExecutor() as executor:
        yield executor
        executor.released.set()


def test_a_picture_is_that_of_the_formula(client: Client, chip: bytes) -> None:
    answer = client.render(chip)
    bands = tifffile.imread(io.BytesIO(chip))[..., (3, 2, 1)]
    expected = (255 * (bands / 4000).clip(0, 1)).astype(np.uint8)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.body))), expected)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", RenderOptions()),
        ("bands=8,4,3", RenderOptions(bands=(8, 4, 3))),
        ("bands=8", RenderOptions(bands=(8,))),
        ("high=2750", RenderOptions(stretch=FixedStretch(0, 2750))),
        ("low=100", RenderOptions(stretch=FixedStretch(100, 4000))),
        (
            "bands=12,8,4&low=1&high=2.5e3",
            RenderOptions(bands=(12, 8, 4), stretch=FixedStretch(1, 2500)),
        ),
    ],
)
def test_a_picture_is_that_of_the_library(
    query: str, options: RenderOptions, client: Client, chip: bytes
) -> None:
    answer = client.render(chip, query)
    assert (answer.status, answer.body) == (200, asyncrgb.render(chip, options))


def test_many_at_once_get_each_its_own(client: Client, make_chip: Callable[..., bytes]) -> None:
    chips = [make_chip(seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(client.render, chips))
    assert [answer.body for answer in answers] == list(map(asyncrgb.render, chips))


def test_the_documentation_says_what_can_be_asked(client: Client) -> None:
    paths = json.loads(client.ask("GET", "/openapi.json").body)["paths"]
    asked = {each["name"] for each in paths["/render"]["post"]["parameters"]}
    assert asked == {"bands", "low", "high"}


@pytest.mark.parametrize("body", [b"", b"II", b"GIF89a", b"--form\r\nII*\0"])
def test_what_is_no_tiff_is_415(body: bytes, client: Client) -> None:
    answer = client.render(body)
    assert (answer.status, answer.detail) == (
        415,
        "the body is no TIFF: send the file itself, not a form",
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("bands=14,2,3", "band 14"),
        ("bands=0,2,3", "counted from 1"),
        ("bands=1,2", "three bands"),
        ("bands=", "should match"),
        ("bands=" + "9" * 5000, "should match"),
        ("bands=red", "should match"),
        ("low=4000&high=0", "the smaller one first"),
        ("low=nan", "finite"),
        ("high=many", "valid number"),
    ],
)
def test_what_cannot_be_had_is_422(query: str, words: str, client: Client, chip: bytes) -> None:
    answer = client.render(chip, query)
    assert answer.status == 422
    assert words in answer.detail


def test_a_damaged_tiff_is_422(client: Client, chip: bytes) -> None:
    answer = client.render(chip[:-1])
    assert answer.status == 422
    with pytest.raises(asyncrgb.DecodeError) as error:
        asyncrgb.render(chip[:-1])
    assert answer.detail == str(error.value)


def test_a_tiff_that_declares_too_much_is_413(
    client: Client, handmade_tiff: Callable[..., bytes]
) -> None:
    size = {256: ("I", [60_000]), 257: ("I", [60_000])}
    answer = client.render(handmade_tiff(np.zeros((4, 4, 3), np.uint8), tags=size))
    assert answer.status == 413
    assert "limit" in answer.detail


def test_a_tiff_that_takes_too_long_is_422(
    make_chip: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    large = make_chip(size=1000, bands=3)
    with serving(create_app(Converter(limits=Limits(workers=1, timeout=0.001)))) as client:
        answer = client.render(large)
    assert answer.status == 422
    assert answer.detail.startswith("the image took longer than 0.001 s")
    (told,) = [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]
    assert "a worker process died (exit codes" in told
    caplog.clear()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncrgb.LimitError, 413),
        (asyncrgb.OptionsError, 422),
        (asyncrgb.DecodeError, 422),
        (asyncrgb.BandError, 422),
        (asyncrgb.EncodeError, 422),
        (asyncrgb.WorkerCrashError, 422),
        (asyncrgb.RenderTimeoutError, 422),
    ],
)
def test_each_error_has_its_status(error: type[Exception], status: int) -> None:
    answer = asyncio.run(explain(Request({"type": "http"}), error("so it is")))
    assert answer.status_code == status
    assert json.loads(bytes(answer.body)) == {"detail": "so it is"}


def test_what_is_not_about_the_image_is_500_and_logged(
    chip: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    with serving(create_app(Converter(executor=ended))) as client:
        assert client.render(chip).status == 500
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "after shutdown" in str(record.exc_info[1])
    caplog.clear()


def test_a_body_that_says_it_is_too_large_is_413_at_once(client: Client) -> None:
    with client.request("Content-Length: 1000000000000", body=b"II*\0") as connection:
        answer = answer_on(connection)
    assert (answer.status, answer.detail) == (413, "more than 1048576 bytes")


def test_a_body_of_just_the_limit_is_rendered(client: Client, chip: bytes) -> None:
    padded = chip.ljust(2**20, b"\0")
    assert client.render(padded).body == asyncrgb.render(chip)
    assert client.render(padded + b"\0").status == 413


def test_an_endless_body_is_413_before_its_end(client: Client) -> None:
    chunk = b"10000\r\nII*\0" + bytes(2**16 - 4) + b"\r\n"
    with client.request("Transfer-Encoding: chunked") as connection:
        sent = 0
        while not select.select([connection], [], [], 0)[0]:
            assert sent < 2**28
            connection.sendall(chunk)
            sent += len(chunk)
        answer = answer_on(connection)
        assert (answer.status, answer.detail) == (413, "more than 1048576 bytes")


def test_a_body_that_does_not_come_is_408(chip: bytes) -> None:
    with serving(create_app(upload_seconds=0.05)) as client:
        with client.request("Content-Length: 100", body=chip[:50]) as connection:
            assert answer_on(connection).status == 408
        assert client.counters() == REST


def test_what_is_too_much_at_once_is_503(chip: bytes, held: HeldExecutor) -> None:
    with (
        serving(create_app(Converter(executor=held), max_renders=2)) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        accepted = [threads.submit(client.render, chip) for _ in range(2)]
        eventually(lambda: client.counters()["leased"] >= 2 * len(chip))
        refused = [client.render(chip) for _ in range(3)]
        held.released.set()
        assert [each.result().status for each in accepted] == [200, 200]
        assert [(each.status, each.headers["Retry-After"]) for each in refused] == 3 * [(503, "1")]
        assert client.render(chip).status == 200
        assert client.counters() == REST


def test_a_client_that_leaves_cancels_its_rendering(chip: bytes, held: HeldExecutor) -> None:
    converter = Converter(limits=Limits(workers=1), executor=held)
    with (
        serving(create_app(converter, max_renders=2)) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        staying = threads.submit(client.render, chip)
        eventually(lambda: client.counters()["rendering"] == 1)
        with client.request(f"Content-Length: {len(chip)}", body=chip):
            eventually(lambda: client.counters()["ready"] == 1)
            assert client.render(b"no TIFF").status == 503
        eventually(lambda: client.render(b"no TIFF").status == 415)  # while it is still held
        held.released.set()
        assert staying.result().status == 200
        eventually(lambda: client.counters() == REST)
    assert held.images == 1


def test_a_client_that_leaves_in_the_middle_gives_its_place_up(chip: bytes) -> None:
    with serving(create_app(max_renders=1)) as client:
        with client.request(f"Content-Length: {len(chip)}", body=chip[:5000]):
            eventually(lambda: client.render(b"no TIFF").status == 503)
        eventually(lambda: client.render(chip).status == 200)
        assert client.counters() == REST
