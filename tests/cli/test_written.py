"""Files that a command writes as a whole, and what is none."""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from asyncrgb.cli.written import write_text

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(str(path), "one")
    write_text(str(path), "two")
    write_text(str(path), None)
    assert path.read_text() == "two"
    assert os.listdir(tmp_path) == ["f"]


def test_of_a_link_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "f").write_text("before")
    (tmp_path / "link").symlink_to("far/f")
    (tmp_path / "dangling").symlink_to("far/g")
    write_text(str(tmp_path / "link"), "one")
    write_text(str(tmp_path / "dangling"), "two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "f").read_text() == "one"
    assert (tmp_path / "far" / "g").read_text() == "two"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    write_text(str(pipe), None)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(str(pipe), "text")
    reader.join(30)
    assert got == ["text"]
    assert pipe.is_fifo()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_full_device_is_an_error_that_names_it_and_stays(tmp_path: Path) -> None:
    full = tmp_path / "full"
    os.mknod(full, stat.S_IFCHR | 0o600, os.makedev(1, 7))  # as /dev/full
    write_text(str(full), None)
    with pytest.raises(OSError, match="full") as caught:
        write_text(str(full), "text")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(full))
    assert full.is_char_device()
    assert os.listdir(tmp_path) == ["full"]


@pytest.mark.parametrize("text", [None, "text"])
def test_what_cannot_be_written_is_named(text: str | None, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "f"):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - of any kind, but with a name
            write_text(str(path), text)
        assert caught.value.filename == str(path)
