"""The README's examples, run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import asyncrgb

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHOWN = re.findall(r"^\$ asyncrgb (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
COMMANDS = [command for command in SHOWN if "://" not in command]
STORES = re.search(r"```sh\n(moto_server.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def statistics(tmp_path_factory: pytest.TempPathFactory) -> str:
    chips = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(chips, 10)
    return asyncio.run(asyncrgb.measure(chips)).to_json()


@pytest.fixture
def folder(tmp_path: Path, statistics: str) -> Path:
    asyncrgb.write_samples(tmp_path / "data", 40)
    shutil.copy(tmp_path / "data" / "River" / "River_1.tif", tmp_path / "chip.tif")
    (tmp_path / "stats.json").write_text(statistics)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr.replace("DeprecationWarning", "")
    return done.stdout


def program(number: int, folder: Path) -> str:
    (folder / "example.py").write_text(PROGRAMS[number])
    return run(folder, "example.py")


def test_there_is_something_to_run() -> None:
    assert len(PROGRAMS) == 6
    assert len(COMMANDS) > 6


def test_the_first_example_converts_the_folder_in_order(folder: Path) -> None:
    printed = program(0, folder)
    assert printed.startswith("40 converted in ")
    assert "['./data/results/AnnualCrop_1.png', './data/results/AnnualCrop_2.png'," in printed
    assert len(list((folder / "data" / "results").glob("*.png"))) == 40


def test_the_converter_example_does_all_it_shows(folder: Path) -> None:
    printed = program(1, folder)
    assert printed.count("Converted(source='data/SeaLake/") == 4
    assert "Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)" in printed
    assert (folder / "river.png").read_bytes() == (folder / "out" / "river.png").read_bytes()


def test_one_chip_in_many_looks(folder: Path) -> None:
    assert program(2, folder) == ""
    pictures = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert len(pictures) == len({*pictures.values()}) == 6


def test_statistics_of_one_set_stretch_another(folder: Path) -> None:
    printed = program(3, folder)
    assert printed.splitlines()[-1] == "40 []"
    assert len(list((folder / "stretched").glob("*.png"))) == 40


def test_the_tutorials_ways_all_lead_to_the_same_pictures(folder: Path) -> None:
    printed = program(4, folder)
    assert "40 ['results-own/AnnualCrop_1.png'" in printed
    assert "12 composites" in printed
    expected = {path.name: path.read_bytes() for path in (folder / "results").glob("*.png")}
    assert len(expected) == 40
    for way in ("serial", "threads", "processes", "own"):
        found = (folder / f"results-{way}").glob("*.png")
        assert {path.name: path.read_bytes() for path in found} == expected


def test_the_example_with_a_cluster_converts_the_folder(folder: Path) -> None:
    assert program(5, folder).splitlines()[-1] == "40 converted"
    assert len(list((folder / "data" / "results").glob("*.png"))) == 40


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_work(command: str, folder: Path) -> None:
    arguments = ["data" if word == "SRC" else word for word in shlex.split(command)]
    arguments = ["out" if word == "DST" else word for word in arguments]
    assert run(folder, "-m", "asyncrgb", *arguments)


def test_a_store_on_one_machine(folder: Path) -> None:
    assert STORES is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    script = f"trap 'kill $!' EXIT\n{STORES[1].replace('5555', port)}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", script],  # noqa: S607 - any shell
        cwd=folder,
        env=os.environ | {"PATH": path, "AWS_MAX_ATTEMPTS": "12"},  # on a busy machine
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "40 converted, 0 up to date, 0 failed" in done.stdout, done.stderr
