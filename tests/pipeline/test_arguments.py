"""What callers hand in: another kind of thing is refused, with a word on what it should be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import asyncrgb
from asyncrgb import (
    AsyncRgbError,
    Converted,
    Converter,
    Failed,
    Job,
    OptionsError,
    RenderOptions,
    SerialExecutor,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from asyncrgb import Outcome
    from tests.pipeline.conftest import Run


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arguments")
    asyncrgb.write_samples(folder, 1)
    (path,) = folder.rglob("*.tif")
    return path


async def converted(jobs: Any) -> list[Outcome]:  # noqa: ANN401 - also what is wrong
    async with Converter(executor=SerialExecutor()) as converter:
        return [each async for each in converter.convert_many(jobs)]


async def one_by_one(jobs: Iterable[Any]) -> AsyncIterator[Any]:
    for job in jobs:
        yield job


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"options": "x"}, "options 'x': give RenderOptions"),
        ({"options": {"bands": (4, 3, 2)}}, "give RenderOptions"),
        ({"limits": 4}, "limits 4: give Limits"),
        ({"executor": "thread"}, "executor 'thread': give a concurrent.futures.Executor"),
    ],
    ids=str,
)
def test_other_kinds_of_things_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionsError, match=words):
        Converter(**given)
    with pytest.raises(OptionsError, match=words):
        asyncrgb.run("in", "out", **given)
    with pytest.raises(OptionsError, match=words):
        asyncio.run(asyncrgb.convert("in", "out", **given))


def test_options_of_one_image_are_options(chip: Path, run: Run) -> None:
    async def render() -> None:
        async with Converter(executor=SerialExecutor()) as converter:
            with pytest.raises(OptionsError, match="give RenderOptions"):
                await converter.render(b"", "x")  # type: ignore[arg-type]
            with pytest.raises(OptionsError, match="give RenderOptions"):
                await converter.convert_file(chip, "x.png", "x")  # type: ignore[arg-type]

    run(render())


def test_the_name_of_a_file_is_not_its_bytes(run: Run) -> None:
    async def render() -> None:
        async with Converter(executor=SerialExecutor()) as converter:
            await converter.render("a.tif")  # type: ignore[arg-type]

    for call in (
        lambda: asyncrgb.render("a.tif"),  # type: ignore[arg-type]
        lambda: asyncrgb.describe("a.tif"),  # type: ignore[arg-type]
        lambda: run(render()),
    ):
        with pytest.raises(TypeError, match=r"give the bytes of a TIFF, such as Path\("):
            call()


@pytest.mark.parametrize("wrong", [("a.tif", "a.png"), "a.tif", None, Job("a", 5)])  # type: ignore[arg-type]
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_is_no_job_ends_the_conversion(wrong: object, asynchronous: bool, run: Run) -> None:
    with pytest.raises(OptionsError, match=r"is no Job|give paths"):
        run(converted(one_by_one([wrong]) if asynchronous else [wrong]))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_whatever_the_jobs_raise_comes_out(chip: Path, asynchronous: bool, run: Run) -> None:
    class Unusual(BaseException):
        """As pytest.skip raises."""

    def jobs() -> Iterator[Job]:
        yield Job(str(chip), str(chip.parent / "unusual.png"))
        raise Unusual

    async def convert() -> None:
        with pytest.raises(Unusual):
            async with asyncio.timeout(30):
                await converted(one_by_one(jobs()) if asynchronous else jobs())

    run(convert())


@pytest.mark.parametrize("names", [("\0.tif", "a.png"), ("a.tif", "\0.png")])
def test_names_that_no_file_can_have_are_failures(names: tuple[str, str], run: Run) -> None:
    (outcome,) = run(converted([Job(*names)]))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, OptionsError)
    assert "NUL in it: check the path" in str(outcome.error)


def test_jobs_take_paths(chip: Path, tmp_path: Path, run: Run) -> None:
    job = Job(chip, tmp_path / "out" / "é.png")  # type: ignore[arg-type]
    (outcome,) = run(converted([job]))
    assert isinstance(outcome, Converted)
    assert (outcome.source, outcome.destination) == (str(chip), str(tmp_path / "out" / "é.png"))
    assert (tmp_path / "out" / "é.png").is_file()


@pytest.mark.parametrize(
    ("name", "format_", "fine"),
    [
        ("a.png", "png", True),
        ("a.PNG", "png", True),
        ("a.jpeg", "jpeg", True),
        ("a.picture", "png", True),
        ("a", "webp", True),
        ("a.jpg", "png", False),
        ("a.png", "jpeg", False),
        ("a.gif", "png", False),
        ("a.tif", "png", False),
    ],
)
def test_the_name_of_another_format_costs_one_job(
    name: str, format_: str, fine: bool, chip: Path, tmp_path: Path
) -> None:
    options = RenderOptions(format=format_)
    jobs = [Job(str(chip), str(tmp_path / name), options), Job(str(chip), str(tmp_path / "b.png"))]
    found = asyncio.run(converted(jobs))
    assert {type(each) for each in found} == ({Converted} if fine else {Converted, Failed})
    assert (tmp_path / "b.png").is_file()
    if fine:
        with Image.open(tmp_path / name) as picture:
            assert picture.format == format_.upper()
    else:
        assert not (tmp_path / name).exists()
        (failed,) = [each for each in found if isinstance(each, Failed)]
        assert name in str(failed.error)
        assert "choose another format" in str(failed.error)


@pytest.mark.parametrize("way", ["{0}", "{1}/../{2}/{3}"])
def test_a_source_is_not_replaced_by_its_result(way: str, chip: Path, tmp_path: Path) -> None:
    path = tmp_path / "chip.picture"  # no name of a format, which would be refused for that
    path.write_bytes(chip.read_bytes())
    same = way.format(path, tmp_path, tmp_path.name, path.name)

    async def convert() -> Outcome:
        async with Converter(executor=SerialExecutor()) as converter:
            return await converter.convert_file(path, same)

    outcome = asyncio.run(convert())
    assert isinstance(outcome, Failed)
    assert "take the place of its source" in str(outcome.error)
    assert path.read_bytes() == chip.read_bytes()


@pytest.mark.parametrize("waiting", [False, True])
def test_a_file_that_is_not_begun_says_so(
    chip: Path, tmp_path: Path, waiting: bool, run: Run
) -> None:
    async def convert() -> None:
        async with Converter(executor=SerialExecutor()) as converter:
            calls = [converter.convert_file(chip, tmp_path / f"{n}.png") for n in range(20)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
            if waiting:
                await converter.aclose(wait=True)
            else:
                converter.drain()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in ends} <= {Converted, AsyncRgbError}
        errors = [each for each in ends if isinstance(each, AsyncRgbError)]
        assert errors
        assert all("not begun" in str(each) for each in errors)

    run(convert())


def test_a_script_on_standard_input_is_told_that_workers_cannot_import_it(
    chip: Path, tmp_path: Path
) -> None:
    script = f"""
import asyncrgb
if __name__ == "__main__":
    asyncrgb.run({os.fspath(chip)!r}, {os.fspath(tmp_path)!r})
"""
    done = subprocess.run(
        [sys.executable, "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1, "that of the script itself"
    assert "<stdin> is no file: save the script as one" in done.stderr.splitlines()[-1]
