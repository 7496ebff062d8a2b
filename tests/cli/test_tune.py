"""``asyncrgb tune``, in a process of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import asyncrgb
from asyncrgb import Limits
from asyncrgb.cli import command
from tests.cli.commands import COMMAND, running, wait_for

LONGEST = 20  # seconds


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips") / "data"
    asyncrgb.write_samples(folder, 200, seed=7)
    return folder


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Give a folder for what is temporary, which is to be empty in the end.

    Its path is short: the sockets of processes lie there, whose names have an end.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def tune(
    temporary: Path, *arguments: str | Path, seconds: float = 1.5
) -> subprocess.CompletedProcess[str]:
    """Run the command, for longer where the machine has too much else to do."""
    done = subprocess.run(
        [*COMMAND, "tune", *map(str, arguments), "--seconds", str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    if "no time to measure" in done.stdout and seconds < LONGEST:
        return tune(temporary, *arguments, seconds=4 * seconds)
    return done


def rows(stdout: str) -> list[list[str]]:
    """Give the cells of the table, without the bottleneck."""
    lines = stdout.splitlines()
    (head,) = [
        number for number, line in enumerate(lines) if "readers" in line and "workers" in line
    ]
    table = lines[head + 1 : lines.index("", head)]
    return [line.split()[:5] for line in table]


def test_it_measures_recommends_and_leaves_nothing(
    data: Path, tmp_path: Path, temporary: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = tune(temporary, data, seconds=3)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no bar where stderr is no terminal"
    lines = done.stdout.splitlines()
    assert lines[0] == "files: 200"
    assert lines[1].startswith("storage: 64 plain threads read ")
    assert lines[2].startswith("cache: ")
    assert lines[-1].startswith("recommended: ")
    cells = rows(done.stdout)
    assert cells
    assert {row[0] for row in cells} <= {"1", "4", "16", "64", "256"}
    assert all(float(row[3].replace(",", "")) > 0 for row in cells)
    assert "rough" not in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_results_go_to_the_destination_and_away_again(
    data: Path, tmp_path: Path, temporary: Path
) -> None:
    out = tmp_path / "deep" / "out"
    seen: set[str] = set()
    with running("tune", data, out, "--seconds", "2") as run:

        def look() -> bool:
            seen.update(path.name for path in out.rglob("*.out"))
            return len(seen) > 10

        wait_for(look)
        assert all(path.name.startswith(".asyncrgb-tune-") for path in out.iterdir())
        assert run.finish(60) == 0, run.stderr
    assert not (tmp_path / "deep").exists()
    assert not list(temporary.iterdir())


def test_what_is_in_the_destination_already_stays(
    data: Path, tmp_path: Path, temporary: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept.png").write_bytes(b"kept")
    assert tune(temporary, data, out).returncode == 0
    assert [path.name for path in out.iterdir()] == ["kept.png"]


def test_what_is_saved_is_what_is_recommended_and_can_be_used(
    data: Path, tmp_path: Path, temporary: Path
) -> None:
    saved = tmp_path / "tuned.toml"
    done = tune(temporary, data, "--save", saved)
    assert done.returncode == 0, done.stderr
    advice = done.stdout.splitlines()[-1]
    text = saved.read_text()
    assert f"# {advice}\n" in text
    flags = dict(re.findall(r"--(\w+) (\d+)", advice.partition(": ")[2].partition(":")[0]))
    assert tomllib.loads(text) == {"limits": {name: int(value) for name, value in flags.items()}}
    usual = Limits()
    limits = Limits.from_file(saved)
    assert (limits.memory, limits.batch) == (usual.memory, usual.batch)
    used = subprocess.run(
        [*COMMAND, str(data), str(tmp_path / "out"), "--config", str(saved), "-v"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert used.returncode == 0
    assert repr(limits) in used.stderr


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_plot(suffix: str, data: Path, tmp_path: Path, temporary: Path) -> None:
    pytest.importorskip("matplotlib")
    plot = tmp_path / f"tune.{suffix}"
    done = tune(temporary, data, "--plot", plot)
    assert done.returncode == 0, done.stderr
    if suffix == "svg":
        text = plot.read_text()
        for words in ("plain threads that only read", "workers", "images a second"):
            assert words in text
        return
    with Image.open(plot) as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(10**6) or []) > 50


def test_without_matplotlib_there_is_an_error_before_anything_is_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncrgb.tuning.plot.find_spec", lambda _: None)
    plot = str(tmp_path / "tune.png")
    found = CliRunner().invoke(command, ["tune", str(data), "--plot", plot])
    assert isinstance(found.exception, asyncrgb.OptionsError)
    assert "pip install matplotlib, or leave --plot out" in str(found.exception)
    assert not list(tmp_path.glob("tune*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "tune.tif"], "tune.tif: a plot is one of .png, .svg, .pdf"),
        (["--save", "tune.tif"], "that is the name of an image"),
        (["--save", "tune.json"], "name a file that ends in .toml"),
        (["--save", "no/where.toml"], "no/where.toml: No such file or directory"),
        (["--seconds", "0.5"], "--seconds"),
        (["--reads", "0"], "reads 0: give a whole number"),
        (["--executor", "thread"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_before_anything_is_measured(
    options: list[str], message: str, data: Path, tmp_path: Path, temporary: Path
) -> None:
    done = subprocess.run(
        [*COMMAND, "tune", str(data), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout
    assert not list(temporary.iterdir())


def test_a_file_that_is_no_settings_file_is_not_replaced(
    data: Path, tmp_path: Path, temporary: Path
) -> None:
    precious = tmp_path / "pyproject.toml"
    precious.write_text("[project]\n")
    done = tune(temporary, data, "--save", precious)
    assert done.returncode == 2
    assert "pyproject.toml: that is no settings file: name another" in done.stderr
    assert precious.read_text() == "[project]\n"


def test_a_folder_without_images_is_wrong_usage(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = tune(temporary, tmp_path / "empty", tmp_path / "out")
    assert done.returncode == 2
    assert "no .tif or .tiff file in this folder" in done.stderr
    assert not (tmp_path / "out").exists()
    assert not list(temporary.iterdir())


def test_a_few_files_give_rough_figures(data: Path, tmp_path: Path, temporary: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(data.glob("River/*.tif"))[:5]:
        (few / path.name).symlink_to(path)
    done = tune(temporary, few)
    assert done.returncode == 0, done.stderr
    assert "note: fewer than 50 files: the figures are rough" in done.stdout


def test_files_that_fail_are_told_of(data: Path, tmp_path: Path, temporary: Path) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in sorted(data.glob("River/*.tif"))[:5]:
        (mixed / path.name).symlink_to(path)
    (mixed / "bad.tif").write_bytes(b"nothing")
    done = tune(temporary, mixed)
    assert done.returncode == 0, done.stderr
    assert re.search(r"note: [\d,]+ conversions failed and are not counted", done.stdout)


def test_if_all_fail_the_first_error_is_told(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "bad").mkdir()
    for number in range(60):
        (tmp_path / "bad" / f"{number}.tif").write_bytes(b"nothing")
    done = tune(temporary, tmp_path / "bad")
    assert done.returncode == 1
    assert "TIFF" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("group", [False, True], ids=["alone", "all"])
@pytest.mark.parametrize("wait", [0.0, 0.5, 2.5])
def test_ctrl_c_tells_what_there_is_and_leaves_nothing(
    wait: float, group: bool, data: Path, tmp_path: Path, temporary: Path
) -> None:
    out = tmp_path / "out"
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with running("tune", data, out, "--seconds", "30", env=environment) as run:
        wait_for(lambda: list(out.glob(".asyncrgb-tune-*")) if wait == 0 else results(out))
        if wait:
            until = len(results(out)) + int(200 * wait)
            wait_for(lambda: len(results(out)) >= until)
        run.send(signal.SIGINT, group=group)
        code = run.finish()
    assert code == 130, run.stderr
    assert "Traceback" not in run.stderr
    assert not run.orphans()
    assert not out.exists()
    assert not list(temporary.iterdir())
    if wait:
        assert run.stderr.splitlines() == [
            "stopping: what is under way is finished; again, and it is dropped",
            "interrupted: these are the figures so far",
        ]
        assert "recommended" not in run.stdout
        assert run.seconds < 6
    if wait > 1:
        assert rows(run.stdout)


def results(out: Path) -> list[Path]:
    return list(out.rglob("*.out"))


def test_quiet_says_only_what_to_do(data: Path, temporary: Path) -> None:
    done = tune(temporary, data, "-q")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("recommended: ")


def test_options_of_the_picture_are_measured_with(data: Path, temporary: Path) -> None:
    """A format that costs a lot makes rendering slower, and percentiles of a dataset are fine."""
    options = ["--percentile", "2", "98", "--scope", "dataset", "--format", "webp"]
    done = tune(temporary, data, *options)
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)


def test_a_terminal_gets_a_bar(data: Path, temporary: Path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "asyncrgb", "tune", str(data), "--seconds", "1.5"],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 4096):
            shown += chunk
    except OSError:  # that is how a terminal ends
        pass
    process.communicate(timeout=30)
    os.close(leader)
    assert process.returncode == 0
    text = shown.decode()
    assert "/2 s" in text
    assert "readers" in text
