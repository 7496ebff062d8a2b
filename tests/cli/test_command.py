"""The command as its users meet it: in a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

import asyncrgb
from asyncrgb import Limits, RenderOptions
from tests.cli.commands import asyncrgb_command, fresh_command


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "data"
    asyncrgb.write_samples(folder, 30, seed=3)
    return folder


@pytest.fixture
def data(samples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(samples, tmp_path / "data"))


def test_the_reference_job(data: Path) -> None:
    done = fresh_command("./data", "./data/results", cwd=data.parent)
    assert done.returncode == 0
    assert done.stderr == "", "no bar where stderr is no terminal"
    assert done.stdout.startswith("30 converted, 0 up to date, 0 failed in ")
    assert done.stdout.count("\n") == 1
    assert "images/s" in done.stdout
    for path in data.glob("*/*.tif"):
        ms = tifffile.imread(path)
        expected = (255 * (ms[..., (3, 2, 1)] / 4000).clip(0, 1)).astype(np.uint8)
        with Image.open(data / "results" / f"{path.stem}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_again_force_and_other_options(data: Path, tmp_path: Path) -> None:
    def summary(*options: str) -> str:
        return asyncrgb_command(data, tmp_path / "out", *options).stdout.partition(" failed")[0]

    assert summary() == "30 converted, 0 up to date, 0"
    assert summary() == "0 converted, 30 up to date, 0"
    assert summary("--force") == "30 converted, 0 up to date, 0"
    assert summary("--scale", "0", "2750") == "30 converted, 0 up to date, 0"
    assert summary("--scale", "0", "2750", "--workers", "1") == "0 converted, 30 up to date, 0"


def test_options_reach_the_picture(data: Path, tmp_path: Path) -> None:
    source = data / "River" / "River_1.tif"
    options = ["-b", "8,4,3", "--scale", "100", "2500", "--compress-level", "9"]
    done = asyncrgb_command(source, tmp_path / "one.png", *options)
    assert done.returncode == 0
    expected = asyncrgb.render(
        source.read_bytes(),
        RenderOptions(bands=(8, 4, 3), stretch=asyncrgb.FixedStretch(100, 2500), compress_level=9),
    )
    assert (tmp_path / "one.png").read_bytes() == expected


@pytest.mark.parametrize(
    "ways",
    [
        ["-b", "8", "-b", "4", "-b", "3"],
        ["--sensor", "eurosat", "-b", "nir,red,green"],
        ["--sensor", "eurosat", "-b", "B08", "-b", "b04,3"],
        ["--sensor", "eurosat", "--composite", "false-color"],
    ],
)
def test_bands_may_be_named_in_many_ways(ways: list[str], data: Path, tmp_path: Path) -> None:
    source = data / "Forest" / "Forest_1.tif"
    done = asyncrgb_command(source, tmp_path / "one.png", *ways)
    assert done.returncode == 0, done.stderr
    expected = asyncrgb.render(source.read_bytes(), RenderOptions(bands=(8, 4, 3)))
    assert (tmp_path / "one.png").read_bytes() == expected


@pytest.mark.parametrize("executor", ["process", "thread", "serial"])
def test_every_executor_gives_the_same_tree(executor: str, data: Path, tmp_path: Path) -> None:
    done = asyncrgb_command(
        data, tmp_path / "out", "--layout", "tree", "--executor", executor, "--memory", "2M"
    )
    assert done.returncode == 0
    pictures = sorted((tmp_path / "out").glob("*/*.png"))
    assert len(pictures) == 30
    source = data / "Forest" / "Forest_1.tif"
    assert pictures[3].read_bytes() == asyncrgb.render(source.read_bytes())


def test_some_failures_give_exit_code_1_and_a_line_each(data: Path, tmp_path: Path) -> None:
    (data / "notes.tif").write_text("hello")
    (data / "weird\nname.tif").touch()
    done = asyncrgb_command(data, tmp_path / "out")
    assert done.returncode == 1
    assert "30 converted, 0 up to date, 2 failed" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert any("notes.tif: not a TIFF file" in line for line in lines)
    assert any("weird\\nname.tif: the file is empty" in line for line in lines)


def test_two_sources_of_one_output(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "River", data / "River2")
    done = asyncrgb_command(data, tmp_path / "out")
    assert done.returncode == 1
    assert "30 converted, 0 up to date, 3 failed" in done.stdout
    first, *_ = done.stderr.splitlines()
    for name in ("River/River_1.tif", "River2/River_1.tif", "--layout tree"):
        assert name in first


USAGE_ERRORS: dict[str, tuple[list[str], str]] = {
    "no arguments": ([], "Missing argument 'SRC'"),
    "no destination": (["data"], "Missing argument 'DST'"),
    "no source": (["nowhere", "out"], "nowhere: No such file or directory: check the path"),
    "no tiffs": (["empty", "out"], "empty: no .tif or .tiff file"),
    "a file as destination": (["data", "taken"], "taken: the destination is a file: name a folder"),
    "another format": (["data/River/River_1.tif", "one.gif"], "one.gif: results are .png files"),
    "two formats": (
        ["data/River/River_1.tif", "one.jpg", "--format", "webp"],
        "one.jpg: results are .webp files",
    ),
    "a result in place of its source": (
        ["data/River/River_1.tif", "data/River/River_1.tif"],
        "data/River/River_1.tif: the result would take the place of its source",
    ),
    "TIFFs among TIFFs": (
        ["data/River", "data", "--format", "tiff", "--layout", "tree"],
        "data: results that are TIFFs could take the places of sources",
    ),
    "a file above the destination": (["data", "taken/out"], "taken/out"),
    "two bands": (["data", "out", "-b", "1,2"], "bands 1,2: give three"),
    "band zero": (["data", "out", "--bands", "0,1,2"], "bands are names, or whole"),
    "a report in place of a source": (
        ["data", "out", "--report", "data/River/River_1.tif"],
        "River_1.tif: that is the name of an image",
    ),
    "statistics in place of a source": (
        ["stats", "data", "-o", "data/River/River_1.TIFF"],
        "that is the name of an image",
    ),
    "a report in place of statistics": (
        ["data", "out", "--stats", "s.json", "--report", "s.json"],
        "it would take the place of the file of --stats",
    ),
    "a recipe for 8 bits": (
        ["data", "out", "--preset", "eurosat-rgb", "--bit-depth", "16"],
        "--preset: it is a recipe for 8 bits",
    ),
    "too much memory": (["data", "out", "--memory", "99999999999G"], "1048576 bytes (1M) or more"),
    "two ranges": (
        ["data", "out", "--scale", "0", "1", "--minmax"],
        "--scale and --minmax: give only one of them",
    ),
    "a scope of what": (["data", "out", "--scope", "dataset"], "give --percentile or --minmax"),
    "statistics and a range": (
        ["data", "out", "--stats", "s.json", "--scale", "0", "1"],
        "--stats: it goes with --percentile",
    ),
    "no statistics": (["data", "out", "--stats", "s.json"], "s.json: No such file"),
    "other statistics": (["data", "out", "--stats", "taken"], "statistics"),
    "two roundings": (
        ["data", "out", "--preset", "eurosat-rgb", "--rounding", "down"],
        "--preset: it has its own",
    ),
    "two ranges for three bands": (
        ["data", "out", "--scale", "0", "1", "--scale", "0", "2"],
        "2 ranges for 3 bands",
    ),
    "transparent JPEG": (["data", "out", "--format", "jpeg", "--alpha"], "transparency"),
    "deep WebP": (["data", "out", "--format", "webp", "--bit-depth", "16"], "bit depth 16"),
    "odd nodata": (["data", "out", "--nodata", "black"], "'black': give auto, none, nan"),
    "percentiles upside down": (["data", "out", "--percentile", "98", "2"], "percentile 98 2"),
    "an unknown sensor": (["data", "out", "--sensor", "eurosta"], "'eurosta' is not one of"),
    "a sensor like another": (
        ["data", "out", "--sensor", "eurosta"],
        "'planet-8'. Did you mean 'eurosat'?",
    ),
    "a British composite": (
        ["data", "out", "--sensor", "eurosat", "--composite", "true-colour"],
        "Did you mean 'true-color'?",
    ),
    "a suffix": (["data", "out", "--format", "JPG"], "Did you mean 'jpeg'?"),
    "half a preset": (["data", "out", "--preset", "eurosat"], "Did you mean 'eurosat-rgb'?"),
    "a mistyped command": (["statz", "data"], "'statz': did you mean stats?"),
    "a mistyped main command": (["convrt", "data", "out"], "'convrt': did you mean convert?"),
    "an unset variable": (["data", ""], "Invalid value for 'DST': it is empty"),
    "another unset variable": (["", "out"], "Invalid value for 'SRC': it is empty"),
    "no file to look into": (["info", ""], "Invalid value for 'FILE': it is empty"),
    "statistics of nothing": (["stats", ""], "Invalid value for 'SRC': it is empty"),
    "statistics to nowhere": (["stats", "data", "-o", ""], "Invalid value for '-o'"),
    "samples nowhere": (["sample", ""], "Invalid value for 'DST': it is empty"),
    "bands without commas": (["data", "out", "-b", "8 4 3"], "by commas, as in 8,4,3"),
    "samples over others": (["sample", "data"], "something else is there: name another"),
    "a scene over another": (
        ["sample", "data/AnnualCrop/AnnualCrop_1.tif", "--scene", "9x9"],
        "something else is there",
    ),
    "samples in a file": (["sample", "taken"], "taken: File exists: name another"),
    "an unknown name": (
        ["data", "out", "--sensor", "eurosat", "-b", "read,green,blue"],
        "'read' is no band of eurosat: there are B01, coastal",
    ),
    "no near infrared": (
        ["data", "out", "--sensor", "naip", "--composite", "swir"],
        "'swir22' is no band of naip: there are red, green, blue, nir.",
    ),
    "a composite of what": (["data", "out", "--composite", "swir"], "give a --sensor with it"),
    "composite and bands": (
        ["data", "out", "--sensor", "naip", "--composite", "true-color", "-b", "1,2,3"],
        "no --bands",
    ),
    "empty scale": (["data", "out", "--scale", "5", "5"], "scale 5 5: give two finite numbers"),
    "no such level": (["data", "out", "--compress-level", "10"], "compress level 10"),
    "no workers": (["data", "out", "--workers", "0"], "workers 0: give a whole number from 1"),
    "nicer than can be": (["data", "out", "--nice", "20"], "nice 20: give a whole number from 0"),
    "odd size": (["data", "out", "--memory", "lots"], "'lots': give a size such as 500K"),
    "little memory": (["data", "out", "--memory", "1K"], "memory 1024: give 1048576 bytes"),
    "unknown layout": (["data", "out", "--layout", "round"], "'round' is not one of"),
    "unknown option": (["data", "out", "--fast"], "No such option"),
    "no samples": (["sample", "out", "--count", "0"], "count"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_usage_errors_name_thing_and_remedy_before_anything_is_written(
    case: str, data: Path
) -> None:
    (data.parent / "empty").mkdir()
    (data.parent / "taken").touch()
    before = sorted(data.parent.rglob("*"))
    arguments, message = USAGE_ERRORS[case]
    done = asyncrgb_command(*arguments, cwd=data.parent)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(data.parent.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_destination_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    done = asyncrgb_command(data, tmp_path / "mine")
    assert done.returncode == 2
    assert "Permission denied: check its permissions" in done.stderr


def test_a_destination_on_a_file_system_that_refuses(data: Path) -> None:
    done = asyncrgb_command(data, "/proc/asyncrgb")
    assert done.returncode == 2
    assert done.stderr.startswith("asyncrgb: /proc/asyncrgb")
    assert done.stderr.count("\n") == 1


def test_quiet_and_verbose(data: Path, tmp_path: Path) -> None:
    quiet = asyncrgb_command(data, tmp_path / "out", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    verbose = asyncrgb_command(data, tmp_path / "out", "--verbose")
    assert "memory=134217728" in verbose.stderr
    assert re.search(
        r"^asyncrgb: workers +\d+  one for each processor: \d", verbose.stderr, re.MULTILINE
    )
    assert "asyncrgb: bottleneck: none: no image was rendered" in verbose.stderr
    assert "30 up to date" in verbose.stdout


def test_insight_is_written_as_json(data: Path, tmp_path: Path) -> None:
    done = asyncrgb_command(
        data, tmp_path / "out", "--insight", tmp_path / "run.json", "-v", "--workers", "1"
    )
    found = json.loads((tmp_path / "run.json").read_text())
    assert (found["images"], found["workers"], found["writes"]) == (30, 1, 64)
    assert f"bottleneck: {found['bottleneck']}" in done.stderr
    refused = asyncrgb_command(data, tmp_path / "out2", "--insight", tmp_path / "no" / "run.json")
    assert refused.returncode == 2
    assert not (tmp_path / "out2").exists()
    refused = asyncrgb_command(data, tmp_path / "out2", "--insight", "-")
    assert (refused.returncode, "--insight -: stdout" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["--report", "r", "--insight", "./r"], "--insight ./r: --report goes there already"),
        (["--report", "out"], "--report out: DST is there already"),
        (["--insight", "out"], "--insight out: DST is there already"),
    ],
)
def test_files_that_would_take_the_place_of_another_are_refused(
    files: list[str], words: str, data: Path, tmp_path: Path
) -> None:
    done = asyncrgb_command(data, "out", *files, cwd=tmp_path)
    assert (done.returncode, words in done.stderr) == (2, True)
    assert os.listdir(tmp_path) == ["data"]


def test_insight_that_cannot_be_written_is_an_error_that_names_it(
    data: Path, tmp_path: Path
) -> None:
    done = asyncrgb_command(data, tmp_path / "out", "--insight", "/dev/full")
    assert done.returncode == 1
    assert "asyncrgb: /dev/full: No space left on device" in done.stderr
    assert done.stdout.startswith("30 converted")


def test_names_may_be_in_any_case(data: Path, tmp_path: Path) -> None:
    done = asyncrgb_command(data, tmp_path / "out", "--sensor", "EuroSAT", "--format", "JPEG", "-q")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 30


def test_verbose_statistics_say_their_settings(data: Path) -> None:
    done = asyncrgb_command("stats", data, "--verbose", "--offset", "7")
    assert "offset=7" in done.stderr


def test_a_source_like_a_command_is_a_source_where_there_is_one(data: Path, tmp_path: Path) -> None:
    data.rename(tmp_path / "stat")
    done = asyncrgb_command("stat", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_version_is_that_of_the_package() -> None:
    assert fresh_command("--version").stdout == f"asyncrgb {version('asyncrgb')}\n"


def test_help_names_every_option_with_its_default() -> None:
    text = asyncrgb_command("--help").stdout
    groups = (
        "Bands",
        "Stretch",
        "Values",
        "Picture",
        "Files",
        "Limits",
        "Faults",
        "Terminal",
        "Commands",
    )
    for group in (f"{each}:" for each in groups):
        assert group in text
    shown = " ".join(text.split())
    limits = (f"{Limits().reads}]", f"{Limits().writes}]", "128M]")
    for default in ("4,3,2;", "0 4000;", "auto]", "png,", *limits):
        assert f"[default: {default}" in shown
    by_name = " ".join(asyncrgb_command("convert", "--help").stdout.split())
    assert shown.partition("Commands:")[0].strip() == by_name.replace(" convert ", " ", 1)


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys; from asyncrgb.cli import command; import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    command.main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'asyncio', 'multiprocessing', 'tifffile', 'imagecodecs', 'tqdm'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def read_terminal(arguments: list[str | Path]) -> str:
    """Run the command with a terminal for stderr, and give what it shows there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 120, 0, 0))
    command = [sys.executable, "-m", "asyncrgb", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not piece:
                break
            shown += piece
        process.communicate()
    os.close(ours)
    return shown.decode()


def test_a_terminal_shows_a_bar_with_rate_total_and_failures(data: Path, tmp_path: Path) -> None:
    (data / "notes.tif").write_text("hello")
    shown = read_terminal([data, tmp_path / "out"])
    assert "31/31" in shown
    assert "images/s" in shown
    assert "failed=1" in shown
    assert "notes.tif: not a TIFF file" in shown
    assert "31/31" not in read_terminal([data, tmp_path / "out2", "--no-progress"])


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


def test_ctrl_c_ends_the_run_leaves_nothing_and_can_be_taken_up(tmp_path: Path) -> None:
    source, out = tmp_path / "data", tmp_path / "out"
    asyncrgb.write_samples(source, 600)
    slowly = ("--compress-level", "6")  # or all is done before the signal
    command = [sys.executable, "-m", "asyncrgb", str(source), str(out), *slowly]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(lambda: out.is_dir() and len(list(out.glob("*.png"))) > 3)
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process gets it
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    assert " converted, " in stdout
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert not list(out.glob(".asyncrgb-*"))
    done = len(list(out.glob("*.png")))
    again = asyncrgb_command(source, out, *slowly)
    assert again.returncode == 0
    assert f"{600 - done} converted, {done} up to date" in again.stdout


@pytest.mark.parametrize(("first", "gap"), [(None, 0.05), (None, 0.3), (0.3, 0.1)])
def test_impatient_and_early_ctrl_c_end_it_without_a_traceback(
    first: float | None, gap: float, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asyncrgb.write_samples(tmp_path / "data", 600)
    command = [sys.executable, "-m", "asyncrgb", str(tmp_path / "data"), str(out)]
    with subprocess.Popen(
        [*command, "--compress-level", "9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        if first is None:
            wait_for(lambda: out.is_dir() and len(list(out.glob("*.png"))) > 3)
        time.sleep(first or 0)
        for _ in range(4):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            time.sleep(gap)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in stderr


def test_kill_9_leaves_no_worker_and_no_damaged_picture(tmp_path: Path) -> None:
    source, out = tmp_path / "data", tmp_path / "out"
    asyncrgb.write_samples(source, 600)
    command = [sys.executable, "-m", "asyncrgb", str(source), str(out)]
    with subprocess.Popen(command) as process:
        wait_for(lambda: out.is_dir() and len(list(out.glob("*.png"))) > 3)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    for path in out.glob("*.png"):
        with Image.open(path) as image:
            image.load()
    again = asyncrgb_command(source, out)
    assert again.returncode == 0
    assert len(list(out.glob("*.png"))) == 600


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_closed_streams_stop_no_conversion(closed: str, data: Path, tmp_path: Path) -> None:
    (data / "bad.tif").touch()
    command = f'"{sys.executable}" -m asyncrgb data out {closed}'
    done = subprocess.run(command, shell=True, cwd=data.parent, check=False, timeout=60)  # noqa: S602 - the shell closes them
    assert done.returncode == 1
    assert len(list((tmp_path / "out").glob("*.png"))) == 30


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "data")
    os.mkdir(folder)
    asyncrgb.write_samples(tmp_path / "chips", 1)
    chip = os.fsencode(tmp_path / "chips" / "AnnualCrop" / "AnnualCrop_1.tif")
    shutil.copy(chip, folder + b"/\xff\xfe.tif")
    with open(folder + b"/bad\xff.tif", "wb"):
        pass
    done = asyncrgb_command(tmp_path / "data", tmp_path / "out")
    assert done.returncode == 1
    assert os.path.exists(os.fsencode(tmp_path / "out") + b"/\xff\xfe.png")
    assert "bad\\xff.tif: the file is empty" in done.stderr
