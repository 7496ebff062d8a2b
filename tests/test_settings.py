"""The settings file: what it may say, and what it says about mistakes."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb import Limits, OptionsError
from asyncrgb.settings import settings_text

ALL = """
[limits]
workers = 3
reads = 5
writes = 7
memory = "32M"
batch = 11
max_pixels = 1000
max_bands = 0
max_expansion = 99
timeout = 2.5
worker_memory = 67108864
nice = 13
shards = 2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_limit_can_be_given(tmp_path: Path) -> None:
    expected = Limits(
        workers=3,
        reads=5,
        writes=7,
        memory=32 * 2**20,
        batch=11,
        max_pixels=1000,
        max_bands=0,
        max_expansion=99,
        timeout=2.5,
        worker_memory=2**26,
        nice=13,
        shards=2,
    )
    assert Limits.from_file(written(tmp_path, ALL)) == expected
    assert set(tomllib.loads(ALL)["limits"]) == {each.name for each in fields(Limits)}


@pytest.mark.parametrize("text", ["", "# nothing\n", "[limits]\n"])
def test_what_is_not_named_is_as_by_default(text: str, tmp_path: Path) -> None:
    assert Limits.from_file(str(written(tmp_path, text))) == Limits()


def test_zero_seconds_are_any_time_as_on_the_command_line(tmp_path: Path) -> None:
    assert Limits.from_file(written(tmp_path, "[limits]\ntimeout = 0\n")).timeout is None


@given(
    st.builds(
        Limits,
        workers=st.none() | st.integers(1, 64),
        reads=st.integers(1, 4096),
        memory=st.integers(2**20, 2**40),
        timeout=st.none() | st.floats(0.001, 1e7),
        worker_memory=st.none() | st.just(0) | st.integers(2**20, 2**40),
        nice=st.integers(0, 19),
    )
)
def test_what_is_written_is_read_again(limits: Limits) -> None:
    text = settings_text(limits, ["a note", "another"])
    assert text.startswith("# a note\n# another\n[limits]\n")
    path = Path(f"/tmp/asyncrgb-settings-{os.getpid()}.toml")  # noqa: S108 - gone in a moment
    try:
        path.write_text(text, encoding="utf-8")
        assert Limits.from_file(path) == limits
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[limits]\nreaders = 4\n", ["[limits] readers: no such limit", "reads", "worker_memory"]),
        ("reads = 4\n", ["reads: there is only one table, [limits]", "below a line [limits]"]),
        ("[render]\ngamma = 2\n", ["render: there is only one table, [limits]", "leave it out"]),
        ("limits = 4\n", ["limits: it is a table", "[limits]"]),
        ("[limits]\nreads = 0\n", ["[limits] reads 0: give a whole number from 1 to 4096"]),
        ("[limits]\nreads = 4.5\n", ["[limits] reads 4.5: give a whole number"]),
        ("[limits]\nreads = true\n", ["[limits] reads True: give a whole number"]),
        ('[limits]\nreads = "4"\n', ["[limits] reads '4': give a whole number"]),
        ("[limits]\nmemory = 5\n", ["[limits] memory 5: give 1048576 bytes (1M) or more"]),
        ('[limits]\nmemory = "32X"\n', ["[limits] memory '32X': give a size such as 500K, 32M"]),
        ("[limits]\nmemory = 1e9\n", ["[limits] memory 1000000000.0: give 1048576 bytes"]),
        ('[limits]\ntimeout = "2"\n', ["[limits] timeout '2': give a number of seconds"]),
        ("[limits]\ntimeout = false\n", ["[limits] timeout False: give a number of seconds"]),
        ("[limits]\nworkers = [1]\n", ["[limits] workers [1]: give a whole number"]),
        ("[limits]\nreads = 4\nreads = 5\n", ["that is no TOML"]),
        ("[limits", ["that is no TOML"]),
    ],
)
def test_mistakes_name_file_key_and_remedy(text: str, parts: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(OptionsError) as caught:
        Limits.from_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


def test_what_is_no_text_is_no_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "chip.tif"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(OptionsError, match=re.escape(f"{path}: that is no text")):
        Limits.from_file(path)


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Limits.from_file(tmp_path / "none.toml")
