"""Disks that are full, readers that are gone, files that fail: messages and exit codes."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import asyncrgb
from asyncrgb import Limits, cli
from asyncrgb.cli import command
from asyncrgb.cli.convert import convert
from asyncrgb.cli.running import Setting
from tests.cli.commands import asyncrgb_command, pictures
from tests.cli.forked import Done

CHIPS = 40
FULL = "/dev/full"
GO_ON = "free some space and run the same command again, it goes on from here"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    asyncrgb.write_samples(folder, CHIPS, seed=3)
    return folder


def shell(line: str, cwd: Path, *prefix: str) -> Done:
    """Run a line of shell, in which ``asyncrgb`` is the command."""
    text = f'asyncrgb() {{ "{sys.executable}" -m asyncrgb "$@"; }}\n{line}'
    return subprocess.run(
        [*prefix, "/bin/bash", "-c", text],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=60,
    )


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give what makes the folder "small" a disk of 128 KiB, for the commands that follow."""
    folder = tmp_path_factory.mktemp("disk")
    (folder / "small").mkdir()
    mount = "mount -t tmpfs -o size=128k tmpfs small"
    unshare = ["unshare", "-Urm", "sh", "-c", mount]
    if not shutil.which("unshare") or subprocess.run(unshare, cwd=folder, check=False).returncode:
        pytest.skip("no disk can be made here")
    return f"mkdir small; {mount}; "


def on_small_disk(line: str, small_disk: str, cwd: Path) -> Done:
    return shell(small_disk + line, cwd, "/usr/bin/env", "unshare", "-Urm")


def test_a_full_disk_ends_the_run_which_goes_on_when_there_is_room(
    small_disk: str, data: Path
) -> None:
    code = "asyncrgb data small/out; echo code $?; ls -A small/out; cp -r small/out kept"
    done = on_small_disk(code, small_disk, data.parent)
    listed = done.stdout.splitlines()
    there = sum(line.endswith(".png") for line in listed)
    assert 0 < there < CHIPS
    assert listed[0].startswith(f"{there} converted, 0 up to date, 0 failed in ")
    assert listed[1] == "code 1"
    assert [line for line in listed[2:] if not line.endswith(".png")] == [".asyncrgb.json"]
    assert done.stderr.startswith("asyncrgb: small/out/")
    assert done.stderr.endswith(f": No space left on device: {GO_ON}\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_a_report_that_fills_the_disk_ends_the_run(
    executor: str, small_disk: str, data: Path
) -> None:
    line = (
        "head -c 124000 /dev/zero > small/ballast; "
        f"asyncrgb data out --report small/r.jsonl --executor {executor}; echo code $?; "
        "cat small/r.jsonl"
    )
    done = on_small_disk(line, small_disk, data.parent)
    summary, code, *lines = done.stdout.splitlines()
    assert code == "code 1"
    assert done.stderr == f"asyncrgb: small/r.jsonl: No space left on device: {GO_ON}\n"
    assert summary.startswith(f"{pictures(data.parent / 'out')} converted, ")
    assert 0 < len(lines) < CHIPS
    assert [json.loads(each)["outcome"] for each in lines] == ["converted"] * len(lines)


def test_statistics_that_do_not_fit(small_disk: str, data: Path) -> None:
    line = "head -c 124000 /dev/zero > small/ballast; asyncrgb stats data -o small/s; echo code $?; ls -A small"  # noqa: E501 - one line of shell
    done = on_small_disk(line, small_disk, data.parent)
    assert done.stdout.splitlines()[1:] == ["code 1", "ballast"]
    assert f"asyncrgb: small/s: No space left on device: {GO_ON}\n" in done.stderr


@pytest.mark.parametrize("report", ["nowhere/r.jsonl", "data"])
def test_a_report_that_cannot_be_written_is_known_before_anything_begins(
    report: str, data: Path
) -> None:
    done = asyncrgb_command("data", "out", "--report", report, cwd=data.parent)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"asyncrgb: {report}: ")
    assert done.stderr.count("\n") == 1
    assert not (data.parent / "out").exists()


def test_statistics_that_cannot_be_written_are_not_counted_first(data: Path) -> None:
    for output in ("nowhere/s.json", "data"):
        done = asyncrgb_command("stats", "data", "-o", output, cwd=data.parent)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"asyncrgb: {output}: ")


def test_the_report_has_a_line_for_each_source(data: Path, tmp_path: Path) -> None:
    with open(os.fsencode(data) + b'/bad\xff"\n.tif', "wb"):
        pass
    report = tmp_path / "r.jsonl"
    options = ["--report", str(report), "--percentile", "2", "98", "--scope", "dataset"]
    assert asyncrgb_command(data, tmp_path / "out", *options).returncode == 1
    records = {each["source"]: each for each in map(json.loads, lines_of(report))}
    assert len(records) == CHIPS + 1
    assert report.read_bytes().isascii()
    bad = records.pop(f'{data}/bad\\xff"\n.tif')
    assert (bad["outcome"], bad["error"], bad["destination"]) == ("failed", "DecodeError", None)
    assert bad["message"].startswith("the file is empty")
    one = records[str(data / "River" / "River_1.tif")]
    assert one["outcome"] == "converted"
    assert one["destination"] == str(tmp_path / "out" / "River_1.png")
    assert one["read_bytes"] == (data / "River" / "River_1.tif").stat().st_size
    assert one["written_bytes"] == (tmp_path / "out" / "River_1.png").stat().st_size
    assert one["error"] is one["message"] is None
    assert one["render_ms"] > 0
    assert {"read_ms", "wait_ms", "write_ms"} <= one.keys()
    asyncrgb_command(data, tmp_path / "out", *options)
    outcomes = [json.loads(each)["outcome"] for each in lines_of(report)]
    assert sorted(outcomes) == ["failed", *["up_to_date"] * CHIPS]


def test_statistics_of_nothing_are_not_written(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name in "ab":
        (tmp_path / "bad" / f"{name}.tif").write_text("hello")
    (tmp_path / "s.json").write_text("those of before")
    for output in ("s.json", "new.json", "-"):
        done = asyncrgb_command("stats", "bad", "-o", output, cwd=tmp_path)
        assert done.returncode == 1
        assert (
            "asyncrgb: no image could be measured: no statistics have been written" in done.stderr
        )
        assert "{" not in done.stdout
    assert (tmp_path / "s.json").read_text() == "those of before"
    assert sorted(os.listdir(tmp_path)) == ["bad", "s.json"]


def test_a_report_on_stdout_is_nothing_but_json(data: Path) -> None:
    (data / "bad.tif").touch()
    done = asyncrgb_command("data", "out", "--report", "-", cwd=data.parent)
    assert done.returncode == 1
    outcomes = [json.loads(line)["outcome"] for line in done.stdout.splitlines()]
    assert sorted(outcomes) == ["converted"] * CHIPS + ["failed"]
    failure, summary = done.stderr.splitlines()
    assert failure.startswith("data/bad.tif: the file is empty")
    assert summary.startswith(f"{CHIPS} converted, 0 up to date, 1 failed in ")
    assert not (data.parent / "-").exists()
    quiet = asyncrgb_command("data", "out", "--report", "-", "-q", cwd=data.parent)
    assert len(quiet.stdout.splitlines()) == CHIPS + 1
    assert quiet.stderr == f"{failure}\n"


def test_a_dry_run_with_its_report_on_stdout(data: Path) -> None:
    shutil.copytree(data / "Forest", data / "Forest2")
    done = asyncrgb_command("data", "out", "--dry-run", "--report", "-", cwd=data.parent)
    assert done.returncode == 1
    outcomes = [json.loads(line)["outcome"] for line in done.stdout.splitlines()]
    assert sorted(outcomes) == ["failed"] * 4 + ["pending"] * CHIPS
    *failures, summary = done.stderr.splitlines()
    assert len(failures) == 4
    assert all("--layout tree" in each for each in failures)
    assert summary == f"{CHIPS} to convert, 0 up to date, 4 would fail"


@pytest.mark.parametrize(
    ("end", "problem"), [("| head -n 0", "Broken pipe"), (f"> {FULL}", "No space left on device")]
)
def test_a_report_that_stdout_does_not_take_ends_the_run(
    end: str, problem: str, data: Path
) -> None:
    done = shell(f"asyncrgb data out --report - {end}; exit ${{PIPESTATUS[0]}}", data.parent)
    assert done.returncode == 1
    assert done.stderr.count(f"asyncrgb: stdout: {problem}") == 1
    assert "Traceback" not in done.stderr


def test_a_report_on_a_stdout_that_is_closed_goes_nowhere(data: Path) -> None:
    before = sorted(os.listdir(data.parent))
    done = shell("asyncrgb data out --report - >&-", data.parent)
    assert done.returncode == 0
    assert pictures(data.parent / "out") == CHIPS
    assert sorted(os.listdir(data.parent)) == sorted([*before, "out"])


def test_a_report_on_stdout_spares_what_lies_there(data: Path) -> None:
    (data.parent / "log").write_text("before\n")
    shell("asyncrgb data out --report - >> log", data.parent)
    first, *lines = lines_of(data.parent / "log")
    assert first == "before"
    assert len(lines) == CHIPS


@pytest.mark.usefixtures("data")
def test_the_report_can_be_followed(tmp_path: Path) -> None:
    """Each line is there when its source is done, not when a buffer is full."""
    os.mkfifo(tmp_path / "pipe")
    line = "asyncrgb data out --report pipe >/dev/null & head -n 1 pipe; wait $!; echo code $?"
    done = shell(line, tmp_path)
    first, code = done.stdout.splitlines()
    assert json.loads(first)["outcome"] == "converted"
    assert code == "code 1", "nobody reads the others"
    assert done.stderr == "asyncrgb: pipe: Broken pipe\n"


def test_a_dry_run_lists_and_touches_nothing(data: Path) -> None:
    assert asyncrgb_command("data", "out", cwd=data.parent).returncode == 0
    os.utime(data / "River" / "River_1.tif")
    (data / "new\n.tif").touch()
    shutil.copytree(data / "Forest", data / "Forest2")
    before = {path: path.stat().st_mtime_ns for path in data.parent.rglob("*")}
    done = asyncrgb_command("data", "out", "--dry-run", cwd=data.parent)
    assert {path: path.stat().st_mtime_ns for path in data.parent.rglob("*")} == before
    assert (done.returncode, done.stderr) == (1, "")
    *lines, summary = done.stdout.splitlines()
    assert summary == f"2 to convert, {CHIPS - 1} up to date, 4 would fail"
    assert "convert  data/River/River_1.tif -> out/River_1.png" in lines
    assert "convert  data/new\\n.tif -> out/new\\n.png" in lines
    assert "keep     data/River/River_2.tif -> out/River_2.png" in lines
    (fail,) = (line for line in lines if line.startswith("fail     data/Forest2/Forest_1.tif: "))
    assert "--layout tree" in fail
    assert len(lines) == CHIPS + 5
    quiet = asyncrgb_command("data", "out", "--dry-run", "-q", cwd=data.parent)
    assert quiet.stdout.splitlines() == [line for line in lines if line.startswith("fail ")]


def test_a_dry_run_of_what_was_never_converted(data: Path) -> None:
    done = asyncrgb_command("data", "out", "--dry-run", "--report", "r.jsonl", cwd=data.parent)
    assert done.returncode == 0
    assert done.stdout.endswith(f"\n{CHIPS} to convert, 0 up to date, 0 would fail\n")
    assert not (data.parent / "out").exists()
    lines = lines_of(data.parent / "r.jsonl")
    assert {json.loads(each)["outcome"] for each in lines} == {"pending"}


@pytest.mark.parametrize("options", [["--on-error", "stop"], ["--max-errors", "2"]])
def test_errors_can_end_a_run(options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    asyncrgb.write_samples(folder, 1000)
    for number in range(3):
        (folder / f"bad{number}.tif").touch()
    limits = ["--workers", "1", "--memory", "1M"]
    done = asyncrgb_command(folder, tmp_path / "out", *options, *limits)
    assert done.returncode == 1
    assert "asyncrgb: stopped by errors: the same command goes on from here\n" in done.stderr
    there = pictures(tmp_path / "out")
    assert there < 1000
    assert done.stdout.startswith(f"{there} converted, ")


COMMANDS = ["data out", "data out --dry-run", "info data/River/River_1.tif", "stats data"]


@pytest.mark.parametrize("line", [*COMMANDS, "sample more --count 1"])
@pytest.mark.parametrize("end", ["| true", "| head -n 0", ">&-", "<&- >&- 2>&-"])
def test_a_reader_that_has_gone_is_no_error(line: str, end: str, data: Path) -> None:
    done = shell(f"asyncrgb {line} {end}; exit ${{PIPESTATUS[0]}}", data.parent)
    assert done.returncode == 0
    assert "rror" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize("line", COMMANDS)
def test_what_is_printed_to_a_full_disk_is_missing(line: str, data: Path) -> None:
    done = shell(f"asyncrgb {line} > {FULL}", data.parent)
    assert done.returncode == 1
    assert done.stderr.count(f"asyncrgb: stdout: No space left on device: {GO_ON}\n") == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert line != "data out" or pictures(data.parent / "out") == CHIPS


@pytest.mark.parametrize("line", ["--help", "nowhere out", "data"])
def test_nobody_reads_help_or_usage(line: str, data: Path) -> None:
    for end in ("| true", f">{FULL}", f"2>{FULL}", ">&- 2>&-"):
        done = shell(f"asyncrgb {line} {end}", data.parent)
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


def test_names_are_printed_whatever_the_terminal_knows(data: Path) -> None:
    (data / "Ä漢.tif").touch()
    done = shell("PYTHONIOENCODING=ascii asyncrgb data out --dry-run", data.parent)
    assert done.returncode == 0
    assert "convert  data/\\xc4\\u6f22.tif -> out/" in done.stdout


def test_an_error_of_our_own_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(command, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 1
    assert signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr().err == (
        "asyncrgb: ZeroDivisionError: oh: please report it; --verbose tells more\n"
    )


def test_the_command_has_the_defaults_of_the_library() -> None:
    """The library is not loaded for the help, so that some stand in both."""
    given = convert.make_context("asyncrgb", ["SRC", "DST"]).params
    theirs = inspect.signature(asyncrgb.Converter.convert).parameters
    for name in ("layout", "force", "dry_run", "on_error", "max_errors"):
        assert given[name] == theirs[name].default, name
    assert given["fsync"] is inspect.signature(asyncrgb.Converter).parameters["fsync"].default
    for name in ("timeout", "worker_memory", "workers"):
        assert given[name] == getattr(Limits(), name)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--timeout", "soon"], "'soon': give a number of seconds"),
        (["--timeout", "-1"], "timeout -1"),
        (["--timeout", "nan"], "timeout nan"),
        (["--worker-memory", "1K"], "worker memory 1024: give 1048576 bytes"),
        (["--max-errors", "0"], "0 is not in the range"),
        (["--on-error", "cry"], "'cry' is not one of"),
        (["--on-error", "stop", "--max-errors", "5"], "--on-error stop and --max-errors: give"),
        (["--executor", "thread", "--worker-memory", "9M"], "--worker-memory: only processes"),
        (["--limit-pixels", "-1"], "Invalid value for '--limit-pixels': -1 is not in the range"),
        (["--report", ""], "Invalid value for '--report': it is empty"),
        (["--stats", ""], "Invalid value for '--stats': it is empty"),
    ],
)
def test_values_that_cannot_be_used(option: list[str], message: str, data: Path) -> None:
    done = asyncrgb_command("data", "out", *option, cwd=data.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (data.parent / "out").exists()


def test_zero_switches_limits_off(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    seen = []

    def carry_out(setting: Setting, *_: object) -> tuple[None, int]:
        seen.append(setting)
        return None, 0

    module = sys.modules["asyncrgb.cli.convert"]  # whose name in the package is the command's
    monkeypatch.setattr(module, "carry_out", carry_out)
    names = ["timeout", "worker-memory", "limit-pixels", "limit-bands", "limit-expansion"]
    options = [word for name in names for word in (f"--{name}", "0")]
    done = CliRunner().invoke(command, [str(data), str(tmp_path), *options, "--fsync"])
    assert done.exit_code == 0, done.output
    (setting,) = seen
    assert setting.limits.timeout is None
    assert setting.limits.worker_memory == 0
    most = setting.limits
    assert (most.max_pixels, most.max_bands, most.max_expansion) == (0, 0, 0)
    assert setting.fsync is True
