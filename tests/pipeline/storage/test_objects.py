"""Object stores: the same pipeline, from and to buckets of a store of our own that misbehaves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import asyncrgb
from asyncrgb import Converted, Converter, Failed, Job, Limits, RenderOptions, SerialExecutor
from asyncrgb.errors import StoreError
from tests.pipeline.buckets import NAMES, SECRET, convert, hasty, store, written

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

from buckets.server import Fault

__all__ = ["hasty", "store"]  # fixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from buckets.server import Request, Store

    from tests.pipeline.conftest import Run


def python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def once(fault: Fault, method: str) -> Callable[[Request], Fault | None]:
    """Let the first request for each key fail."""
    seen: Counter[str] = Counter()

    def trouble(request: Request) -> Fault | None:
        if request.method != method or not request.key.endswith((".tif", ".png")):
            return None
        seen[request.key] += 1
        return fault if seen[request.key] == 1 else None

    return trouble


def always(fault: Fault, method: str, word: str) -> Callable[[Request], Fault | None]:
    """Let all requests fail for keys with a word in them."""

    def trouble(request: Request) -> Fault | None:
        return fault if request.method == method and word in request.key else None

    return trouble


# From and to buckets


def test_from_bucket_to_bucket(run: Run, store: Store, chip: bytes) -> None:
    report = run(convert("s3://data/in", "s3://results/out"))
    assert [type(each) for each in report.outcomes] == [Converted] * 20
    assert [each.source for each in report.outcomes] == sorted(f"s3://data/in/{x}" for x in NAMES)
    assert written(store).keys() == {f"out/{Path(name).stem}.png" for name in NAMES}
    assert set(written(store).values()) == {asyncrgb.render(chip)}


def test_results_below_the_sources_are_never_read(run: Run, store: Store) -> None:
    tiff = RenderOptions(format="tiff")
    for _ in range(2):
        report = run(convert("s3://data/in/", "s3://data/in/out/", layout="tree", options=tiff))
        assert len(report.outcomes) == 20
    assert len(report.up_to_date) == 20
    there = [key for key in store.buckets["data"].objects if key.startswith("in/out/")]
    assert sorted(there) == sorted(["in/out/.asyncrgb.json", *(f"in/out/{x}" for x in NAMES)])


def test_what_is_fresh_is_known_from_two_lists(run: Run, store: Store, chip: bytes) -> None:
    run(convert("s3://data/in", "s3://results"))
    store.requests.clear()
    assert len(run(convert("s3://data/in", "s3://results")).up_to_date) == 20
    assert store.requests["PUT"] == 0
    assert store.requests.total() < 20, "far fewer than there are objects"
    later = store.buckets["data"].put(f"in/{NAMES[3]}", chip)
    store.buckets["data"].objects[f"in/{NAMES[3]}"] = later._replace(moment=later.moment + 5)
    report = run(convert("s3://data/in", "s3://results"))
    assert [each.source for each in report.converted] == [f"s3://data/in/{NAMES[3]}"]


@pytest.mark.usefixtures("store")
def test_other_options_make_all_stale(run: Run) -> None:
    run(convert("s3://data/in", "s3://results"))
    other = RenderOptions(compress_level=9)
    assert len(run(convert("s3://data/in", "s3://results", options=other)).converted) == 20
    assert len(run(convert("s3://data/in", "s3://results", options=other)).up_to_date) == 20
    assert len(run(convert("s3://data/in", "s3://results", options=other, force=True)).converted)


def test_results_that_cannot_be_listed_are_made_again(store: Store) -> None:
    asyncio.run(convert("s3://data/in", "s3://results/out"))
    lists: list[Request] = []

    def trouble(request: Request) -> Fault | None:
        if request.bucket == "results" and not request.key:
            lists.append(request)
        return Fault(403, "AccessDenied") if len(lists) > 1 and not request.key else None

    store.trouble = trouble
    assert len(asyncio.run(convert("s3://data/in", "s3://results/out")).converted) == 20
    assert len(lists) < 5


def test_a_dry_run_writes_nothing(run: Run, store: Store) -> None:
    report = run(convert("s3://data/in", "s3://results", dry_run=True))
    assert len(report.pending) == 20
    assert store.buckets["results"].objects == {}


def test_files_and_objects_mix(run: Run, store: Store, chip: bytes, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert len(run(convert("s3://data/in", str(there), layout="tree")).converted) == 20
    assert len(run(convert("s3://data/in", str(there), layout="tree")).up_to_date) == 20
    (tmp_path / "a.tif").write_bytes(chip)
    assert len(run(convert(str(tmp_path), "s3://results/x")).converted) == 1
    assert len(run(convert(str(tmp_path), "s3://results/x")).up_to_date) == 1
    assert written(store) == {"x/a.png": (there / "Forest" / "Forest_0.png").read_bytes()}


def test_one_stream_has_sources_of_both_kinds(
    run: Run, store: Store, chip: bytes, tmp_path: Path
) -> None:
    jobs = []
    for number, name in enumerate(NAMES):
        (tmp_path / f"{number}.tif").write_bytes(chip)
        jobs.append(Job(str(tmp_path / f"{number}.tif"), f"s3://results/{number}.png"))
        jobs.append(Job(f"s3://data/in/{name}", str(tmp_path / f"{number}.png")))
    jobs.append(Job("s3://data/in/none.tif", "s3://results/none.png"))

    async def outcomes() -> list[Any]:
        async with Converter(executor=SerialExecutor()) as converter:
            found = [each async for each in converter.convert_many(jobs)]
            counters = converter.counters()
            assert counters == type(counters)(0, 0, 0, 0, 0)
            return found

    found = run(outcomes())
    assert Counter(map(type, found)) == {Converted: 40, Failed: 1}
    (failed,) = (each for each in found if isinstance(each, Failed))
    assert isinstance(failed.error, StoreError)
    assert failed.error.filename == "s3://data/in/none.tif"
    right = asyncrgb.render(chip)
    assert set(written(store).values()) == {right}
    assert {path.read_bytes() for path in tmp_path.glob("*.png")} == {right}


def test_statistics_of_a_bucket(run: Run, store: Store, chip: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(chip)

    async def measured(source: str) -> Any:  # noqa: ANN401
        return (await asyncrgb.measure(source, executor=SerialExecutor())).bands[1].count

    assert run(measured("s3://data/in")) == 20 * run(measured(str(tmp_path)))
    assert store.requests["PUT"] == 0


def test_an_image_from_the_web(run: Run, store: Store, tmp_path: Path) -> None:
    seen: list[Request] = []

    def watch(request: Request) -> None:
        seen.append(request)

    store.trouble = watch
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    url = f"http://me:pass@{host}/data/in/{NAMES[0]}?X-Signature=abc"
    report = run(convert(url, str(tmp_path)))
    assert (tmp_path / "Forest_0.png").is_file()
    assert len(report.converted) == 1
    assert {each.query.get("X-Signature") for each in seen} == {"abc"}
    assert all(each.headers["authorization"].startswith("Basic ") for each in seen)
    with pytest.raises(asyncrgb.OptionsError, match="nothing can be written there"):
        run(convert("s3://data/in", f"http://{host}/results"))
    with pytest.raises(StoreError, match="WebDAV") as caught:
        run(convert(f"http://me:pass@{host}/data/in?k=s", str(tmp_path)))
    assert "pass" not in str(caught.value)


# Faults


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(503),
        Fault(429),
        Fault(500, "InternalError"),
        Fault(reset=True),
        Fault(seconds=1),
        Fault(cut=0.5),
        Fault(stall=1),
    ],
    ids=str,
)
def test_what_fails_once_is_asked_again(
    store: Store, chip: bytes, fault: Fault, method: str
) -> None:
    store.trouble = once(fault, method)
    report = asyncio.run(convert("s3://data/in", "s3://results"))
    assert len(report.converted) == 20, report.failed
    assert set(written(store).values()) == {asyncrgb.render(chip)}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(503), "turned it down"),
        (Fault(403, "AccessDenied"), "access is denied: check the credentials"),
        (Fault(404, "NoSuchKey"), "no such object"),
        (Fault(cut=0.5), "ended early"),
        (Fault(reset=True), "broke"),
        (Fault(stall=1), "in time"),
        (Fault(seconds=1), "in time"),
        (Fault(418, "Teapot"), "status code: 418"),
    ],
    ids=str,
)
def test_what_fails_for_good_costs_itself(store: Store, fault: Fault, said: str) -> None:
    store.trouble = always(fault, "GET", "River_3")
    report = asyncio.run(convert("s3://data/in", "s3://results"))
    assert len(report.converted) == 19
    (failed,) = report.failed
    assert isinstance(failed.error, StoreError)
    assert failed.error.filename == failed.source == "s3://data/in/River/River_3.tif"
    assert said in str(failed.error)
    assert "River_3.png" not in written(store)
    assert len(written(store)) == 19


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("fault", [Fault(503), Fault(403, "AccessDenied"), Fault(reset=True)])
def test_what_cannot_be_stored_is_not_there(store: Store, fault: Fault) -> None:
    store.trouble = always(fault, "PUT", "River_3")
    report = asyncio.run(convert("s3://data/in", "s3://results"))
    assert len(report.converted) == 19
    assert [each.error.filename for each in report.failed] == ["s3://results/River_3.png"]
    assert len(written(store)) == 19


@pytest.mark.usefixtures("hasty")
def test_nothing_is_begun_without_a_list(store: Store) -> None:
    def converted(source: str, destination: str) -> StoreError:
        with pytest.raises(OSError, match="s3://") as caught:
            asyncio.run(convert(source, destination))
        assert SECRET not in str(caught.value)
        return caught.value  # type: ignore[return-value]

    assert "no such bucket" in str(converted("s3://none/in", "s3://results"))
    assert "no such bucket" in str(converted("s3://data/in", "s3://none"))
    assert "No such file" in str(converted("s3://data/none", "s3://results"))
    store.trouble = lambda request: None if request.key else Fault(403, "AccessDenied")
    assert "access is denied" in str(converted("s3://data/in", "s3://results"))
    assert store.requests["PUT"] == 0


def test_a_run_can_be_broken_off_and_goes_on(run: Run, store: Store) -> None:
    def stalled(request: Request) -> Fault | None:
        return Fault(seconds=60) if "River" in request.key else None

    async def broken_off() -> int:
        async with Converter(executor=SerialExecutor()) as converter:
            heard: list[Any] = []
            work = asyncio.ensure_future(
                converter.convert("s3://data/in", "s3://results", on_outcome=heard.append)
            )
            while len(heard) < 10:
                await asyncio.sleep(0.01)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            while any(vars_of(converter)):
                await asyncio.sleep(0.01)
            return len(heard)

    store.trouble = stalled
    assert run(asyncio.wait_for(broken_off(), 20)) == 10
    store.trouble = lambda _: None
    report = run(convert("s3://data/in", "s3://results"))
    assert (len(report.up_to_date), len(report.converted)) == (10, 10)


def vars_of(converter: Converter) -> tuple[int, ...]:
    found = converter.counters()
    return found.reading, found.ready, found.rendering, found.writing, found.leased


def test_closing_waits_for_no_store(run: Run, store: Store) -> None:
    store.trouble = lambda request: Fault(seconds=60) if request.key else None

    async def closed() -> None:
        converter = Converter(executor=SerialExecutor())
        job = Job(f"s3://data/in/{NAMES[0]}", "s3://results/a.png")
        work = asyncio.ensure_future(converter.convert_file(job.source, job.destination))
        while not converter.counters().reading:
            await asyncio.sleep(0.01)
        await converter.aclose()
        with pytest.raises(asyncrgb.AsyncRgbError, match="closed"):
            await work

    run(asyncio.wait_for(closed(), 20))


def test_readers_and_writers_are_as_many_as_are_needed_and_allowed(store: Store) -> None:
    store.delay = 0.02
    report = asyncio.run(convert("s3://data/in", "s3://results", limits=Limits(reads=3, writes=2)))
    assert len(report.converted) == 20
    assert store.most_at_once <= 6
    assert 1 < report.insight.most_reads <= 3
    assert 1 <= report.insight.most_writes <= 2


def test_nothing_is_read_without_room_and_all_is_read_in_the_end(
    run: Run, store: Store, make_chip: Callable[..., bytes]
) -> None:
    chips = {side: make_chip(size=side) for side in (32, 64, 80)}
    for number in range(60):
        store.buckets["data"].put(f"many/{number}.tif", chips[(32, 64, 80)[number % 3]])
    store.delay = 0.005
    limits = Limits(memory=2**20, workers=2)
    report = run(convert("s3://data/many", "s3://results", limits=limits))
    assert len(report.converted) == 60, report.failed
    assert report.insight.most_leased <= 2**20
    for number in range(60):
        right = asyncrgb.render(chips[(32, 64, 80)[number % 3]])
        assert written(store)[f"{number}.png"] == right


# What is not loaded


PLAIN = """
import sys, asyncrgb
report = asyncrgb.run(*sys.argv[1:], executor=asyncrgb.SerialExecutor())
assert len(report.converted) == 1, report
print([name for name in sys.modules if "obstore" in name or "boto" in name or "objects" in name])
"""


def test_without_urls_obstore_is_not_loaded(chip: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(chip)
    assert python(PLAIN, tmp_path, tmp_path / "out") == "[]\n"


def test_without_obstore_a_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(asyncrgb.AsyncRgbError, match="pip install obstore"):
        asyncio.run(convert("s3://data/in", "s3://results"))
