"""Scripts: without an event loop, without a guard, and broken off."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import asyncrgb
from asyncrgb import AsyncRgbError, Converted, FixedStretch, Limits, OptionsError, RenderOptions
from asyncrgb import SerialExecutor as Serial

ONE = Limits(workers=1)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 20, seed=7)
    return folder


# A door for scripts


def test_run_does_what_convert_does(chips: Path, tmp_path: Path) -> None:
    options = RenderOptions(stretch=FixedStretch(0, 3000))
    heard: list[Any] = []
    report = asyncrgb.run(
        chips, tmp_path / "a", options, executor=Serial(), layout="tree", on_outcome=heard.append
    )
    same = asyncio.run(
        asyncrgb.convert(chips, tmp_path / "b", options, executor=Serial(), layout="tree")
    )
    assert len(heard) == len(report.converted) == 20
    for ours, theirs in zip(report.converted, same.converted, strict=True):
        assert ours.source == theirs.source
        assert Path(ours.destination).read_bytes() == Path(theirs.destination).read_bytes()


def test_run_takes_what_convert_takes_and_says_so() -> None:
    assert inspect.signature(asyncrgb.run) == inspect.signature(asyncrgb.convert)
    assert not inspect.iscoroutinefunction(asyncrgb.run)
    assert asyncrgb.run.__name__ == "run"
    assert "Ctrl-C" in str(asyncrgb.run.__doc__)


def test_run_has_an_event_loop_of_uvloop(chips: Path, tmp_path: Path) -> None:
    loops: list[str] = []

    def look(_: object) -> None:
        loops.append(type(asyncio.get_running_loop()).__module__)

    asyncrgb.run(chips, tmp_path, executor=Serial(), on_outcome=look)
    assert set(loops) == {"uvloop"}


@pytest.mark.parametrize(("nice", "steps"), [(None, 1), (5, 5)])
def test_nobody_waits_beside_run(nice: int | None, steps: int, chips: Path, tmp_path: Path) -> None:
    seen: set[int] = set()

    def look(_: object) -> None:
        seen.update(psutil.Process(pid).nice() for pid in workers())

    asyncrgb.run(chips, tmp_path, limits=Limits(workers=1, nice=nice), on_outcome=look)
    assert seen == {os.nice(0) + steps}


def test_run_raises_what_convert_raises(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="tif"):
        asyncrgb.run(tmp_path, tmp_path / "out")


def test_run_refuses_where_a_loop_is_running(chips: Path, tmp_path: Path) -> None:
    async def main() -> None:
        asyncrgb.run(chips, tmp_path / "out")

    with pytest.raises(AsyncRgbError, match=r"await asyncrgb\.convert\(\.\.\.\) instead"):
        asyncio.run(main())
    assert not (tmp_path / "out").exists()


# Without a guard

PRELUDE = {
    "forkserver": "",
    "spawn": "import multiprocessing\nmultiprocessing.get_all_start_methods = lambda: ['spawn']\n",
    # Later releases of Python import the script in the fork server, as all were meant to.
    "preloading": """
from multiprocessing import spawn
plain = spawn.get_preparation_data
def with_main(name):
    data = plain(name)
    return data | {"main_path": data.get("init_main_from_path")} if name == "ignore" else data
spawn.get_preparation_data = with_main
""",
}
UNGUARDED = {
    "run": "asyncrgb.run(SRC, DST)",
    "convert": "asyncio.run(asyncrgb.convert(SRC, DST))",
    "debug": "asyncio.run(asyncrgb.convert(SRC, DST), debug=True)",
    "Converter": """
async def main():
    async with asyncrgb.Converter() as converter:
        await converter.render(pathlib.Path(ONE).read_bytes())
asyncio.run(main())
""",
    "task": """
async def main():
    task = asyncio.create_task(asyncrgb.convert(SRC, DST))
    await asyncio.gather(task, asyncrgb.convert(SRC, DST + "2"))
asyncio.run(main())
""",
    "stubborn": """
try:
    asyncrgb.run(SRC, DST)
except (Exception, SystemExit) as error:
    print(f"{error}", file=sys.stderr)
    raise
""",
}


def script(folder: Path, chips: Path, text: str) -> list[str]:
    one = str(chips / "River" / "River_1.tif")
    path = folder / "script.py"
    names = f"SRC, DST, ONE = {str(chips)!r}, {str(folder / 'out')!r}, {one!r}\n"
    path.write_text(
        f"import asyncio, pathlib, sys\nimport asyncrgb\n{names}{text}\nprint('done')\n"
    )
    return [sys.executable, "-W", "error", str(path)]


@pytest.mark.parametrize("method", PRELUDE)
@pytest.mark.parametrize("kind", UNGUARDED)
def test_a_script_without_a_guard_is_told_what_to_add(
    kind: str, method: str, chips: Path, tmp_path: Path
) -> None:
    command = script(tmp_path, chips, PRELUDE[method] + UNGUARDED[kind])
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = process.stderr.splitlines()
    assert process.returncode == 1
    assert process.stdout == ""
    assert 'if __name__ == "__main__":' in process.stderr
    traces = [line for line in lines if line.startswith("Traceback")]
    assert len(traces) == 1, process.stderr
    assert "another exception" not in process.stderr
    assert "direct cause" not in process.stderr
    assert "leaked" not in process.stderr
    last = lines[lines.index(traces[0]) :]
    at = next(n for n, line in enumerate(last) if not line.startswith((" ", "Traceback")))
    assert last[at].startswith("asyncrgb.errors.AsyncRgbError: this script converts")
    assert [line for line in last[at + 1 :] if line.strip()] == [
        '    if __name__ == "__main__":',
        "        asyncio.run(main())  # or asyncrgb.run(...), or whatever it runs",
    ]
    if kind != "stubborn":
        assert lines[0].startswith("Traceback")


@pytest.mark.parametrize("method", PRELUDE)
def test_with_a_guard_it_runs(method: str, chips: Path, tmp_path: Path) -> None:
    text = "if __name__ == '__main__':\n    print(len(asyncrgb.run(SRC, DST).converted))\n"
    command = script(tmp_path, chips, f"{PRELUDE[method]}converter = asyncrgb.Converter()\n{text}")
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.stderr == ""
    rest = process.stdout.replace("20", "", 1)
    assert rest != process.stdout
    assert {*rest.replace("done", " ").split()} == set(), "workers are done before or after"
    assert "done" in rest


def test_other_peoples_workers_are_not_ended(chips: Path, tmp_path: Path) -> None:
    """Multiprocessing says to them what it says to everybody."""
    text = """
import multiprocessing
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=print)
    child.start()
    child.join()
    sys.exit(child.exitcode)
asyncrgb.run(SRC, DST)
"""
    command = script(tmp_path, chips, text)
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 1, "its own exit code"
    assert "before the" in process.stderr


# Broken off


def test_ctrl_c_ends_a_script_and_leaves_no_worker(chips: Path, tmp_path: Path) -> None:
    text = """
if __name__ == "__main__":
    try:
        while True:
            asyncrgb.run(SRC, DST, force=True, on_outcome=lambda _: print(".", end="", flush=True))
    except KeyboardInterrupt:
        print("interrupted")
        raise
"""
    with subprocess.Popen(
        script(tmp_path, chips, text), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(30)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert out.rstrip("\n").endswith("interrupted")
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode == -signal.SIGINT
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert not list((tmp_path / "out").glob(".asyncrgb-*"))


def test_run_leaves_no_process_behind(chips: Path, tmp_path: Path) -> None:
    before = workers()
    report = asyncrgb.run(chips, tmp_path, limits=ONE)
    assert {type(each) for each in report.outcomes} == {Converted}
    end = time.monotonic() + 10
    while workers() - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not workers() - before


def workers() -> set[int]:
    """Give what descends from here, but for the fork server and the resource tracker."""
    here = {each.pid for each in psutil.Process(os.getpid()).children()}
    return {each.pid for each in psutil.Process().children(recursive=True)} - here
