from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncrgb.pipeline.memory.arena import Arena
from asyncrgb.pipeline.storage.files import bare, write_atomically
from asyncrgb.pipeline.storage.storage import LocalFiles


@pytest.mark.parametrize("size", [0, 1, 4096, 107_244])
def test_a_file_is_read_whole(size: int, tmp_path: Path) -> None:
    data = os.urandom(size)
    (tmp_path / "a.tif").write_bytes(data)
    arena = Arena(2**20)
    place = LocalFiles().read_into(arena, str(tmp_path / "a.tif"))
    assert place is not None
    extent, length = place
    assert bytes(arena.view(extent, length)) == data
    arena.close()


def test_no_room_is_no_error_and_leaves_nothing_leased(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(bytes(600_000))
    arena = Arena(2**20)
    assert LocalFiles().read_into(arena, str(tmp_path / "a.tif")) is not None
    leased = arena.leased
    assert LocalFiles().read_into(arena, str(tmp_path / "a.tif")) is None
    assert arena.leased == leased
    arena.close()


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_what_is_no_file_is_an_error_that_names_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    if kind == "folder":
        path.mkdir()
    if kind == "fifo":
        os.mkfifo(path)  # opening it must not wait for somebody to write into it
    arena = Arena(2**20)
    with pytest.raises(OSError, match=r"Is a directory|No such file|not a regular") as caught:
        LocalFiles().read_into(arena, str(path))
    assert caught.value.filename == str(path)
    assert arena.leased == 0
    arena.close()


def test_writing_makes_the_folder_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.png"
    write_atomically(str(path), b"first")
    write_atomically(str(path), memoryview(b"second"))
    assert path.read_bytes() == b"second"
    assert [each.name for each in path.parent.iterdir()] == ["a.png"]


def test_a_bare_name_is_written_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically("a.png", b"here")
    assert (tmp_path / "a.png").read_bytes() == b"here"


def test_names_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".png")
    write_atomically(str(path), b"long")
    assert path.read_bytes() == b"long"


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    code = (
        "import resource, signal, sys;"
        "from asyncrgb.pipeline.storage.files import write_atomically;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "write_atomically(sys.argv[1], bytes(6000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert f"File too large: '{path}'" in done.stderr
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_a_process_that_was_forked_leaves_files_under_a_name_of_its_own() -> None:
    code = (
        "import os; from asyncrgb.pipeline.storage.files import Owner; ours = Owner.name;"
        "child = os.fork();"
        "os._exit(Owner.name == ours) if not child else print(os.waitpid(child, 0)[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_a_kept_error_holds_on_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        write_atomically(str(tmp_path / "file" / "a.png"), b"data")
    error = bare(caught.value)
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)
