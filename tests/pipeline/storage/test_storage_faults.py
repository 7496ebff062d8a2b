"""Faults of storage, caused for real where that can be done: what must hold whatever breaks."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import asyncrgb
from asyncrgb import Converted, Failed, Limits, Outcome, RenderOptions, Report, SerialExecutor
from asyncrgb.pipeline.flow import Flow
from asyncrgb.pipeline.folders import plan
from asyncrgb.pipeline.folders.folder import Terms, convert_folder
from asyncrgb.pipeline.memory.arena import Arena, Extent
from asyncrgb.pipeline.run import Brake
from asyncrgb.pipeline.storage import files
from asyncrgb.pipeline.storage.storage import LocalFiles
from tests.pipeline.conftest import Run as RunIt

ONE = Limits(workers=1, batch=4, reads=1, writes=1)
DST_LEFT = (".asyncrgb.json",)


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    asyncrgb.write_samples(folder, 60, seed=7)
    return folder


@pytest.fixture
def few(chips: Path, tmp_path: Path) -> Path:
    """Give a folder of six chips."""
    return Path(shutil.copytree(chips / "River", tmp_path / "in"))


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Give the function that mounts a small file system, with these options."""
    mounted: list[Path] = []

    def mounted_with(options: str) -> Path:
        point = tmp_path / f"mounted{len(mounted)}"
        point.mkdir()
        command = ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount, and not everywhere")
        mounted.append(point)
        return point

    yield mounted_with
    for point in mounted:
        subprocess.run(["/bin/umount", "-l", str(point)], check=True)


class FaultyFiles(LocalFiles):
    """Files of which some raise an error of the system when they are read or written."""

    def __init__(self, code: int, when: Callable[[str, str], bool]) -> None:
        super().__init__()
        self.code = code
        self.when = when
        self.reads = 0

    def read_into(self, arena: Arena, path: str) -> tuple[Extent, int] | None:
        self.reads += 1
        if self.when("read", path):
            raise OSError(self.code, os.strerror(self.code), path)
        return super().read_into(arena, path)

    def write(self, path: str, data: bytes | memoryview) -> None:
        if self.when("write", path):
            raise OSError(self.code, os.strerror(self.code), path)
        super().write(path, data)


def terms(**given: Any) -> Terms:  # noqa: ANN401 - passed on
    usual: dict[str, Any] = {
        "layout": "flat",
        "force": False,
        "dry_run": False,
        "on_error": "continue",
        "max_errors": None,
        "trace": False,
        "on_outcome": None,
    }
    return Terms(**(usual | given))


async def through(
    storage: LocalFiles,
    source: Path,
    out: Path,
    **given: Any,  # noqa: ANN401 - passed on
) -> Report:
    flow = Flow(RenderOptions(), ONE, SerialExecutor(), storage)
    try:
        return await convert_folder(flow, str(source), str(out), terms(**given), Brake())
    finally:
        counters = flow.counters()
        await flow.aclose()
        assert counters.leased == 0


def serial(source: Path, out: Path, **given: Any) -> Any:  # noqa: ANN401 - passed on
    return asyncrgb.convert(source, out, limits=ONE, executor=SerialExecutor(), **given)


def all_whole(out: Path) -> int:
    """Check that every file under a final name is a whole picture, and nothing else is there."""
    left = sorted(path.name for path in out.iterdir() if path.suffix != ".png")
    assert left in ([], list(DST_LEFT)), left
    pictures = list(out.glob("*.png"))
    for path in pictures:
        with Image.open(path) as image:
            image.load()
    return len(pictures)


# A full disk


def test_a_full_disk_ends_the_run_with_its_error_and_leaves_only_whole_pictures(
    chips: Path, mount: Callable[[str], Path], run: RunIt
) -> None:
    disk = mount("size=200k")
    with pytest.raises(OSError, match="No space left") as caught:
        run(serial(chips, disk / "out"))
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename).endswith(".png")
    assert 0 < all_whole(disk / "out") < 60
    subprocess.run(["/bin/mount", "-o", "remount,size=8m", str(disk)], check=True)
    done = len(list((disk / "out").glob("*.png")))
    report = run(serial(chips, disk / "out"))
    assert (len(report.up_to_date), len(report.converted)) == (done, 60 - done)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_begins_no_new_work(code: int, chips: Path, tmp_path: Path, run: RunIt) -> None:
    storage = FaultyFiles(code, lambda what, path: what == "write" and "AnnualCrop" in path)
    heard: list[Outcome] = []
    with pytest.raises(OSError, match=r"AnnualCrop_\d.png") as caught:
        run(through(storage, chips, tmp_path / "out", on_outcome=heard.append))
    assert caught.value.errno == code
    assert storage.reads < 40, "some may have been read ahead"
    assert not [each for each in heard if isinstance(each, Failed)], "one error tells of all"
    all_whole(tmp_path / "out")


# Faults of single files


@pytest.mark.parametrize("what", ["read", "write"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE])
def test_other_errors_cost_their_file_only(
    code: int, what: str, few: Path, tmp_path: Path, run: RunIt
) -> None:
    storage = FaultyFiles(code, lambda does, path: does == what and "River_3" in path)
    report = run(through(storage, few, tmp_path / "out"))
    (failed,) = report.failed
    assert os.path.basename(failed.source) == "River_3.tif"
    assert isinstance(failed.error, OSError)
    assert failed.error.errno == code
    assert failed.error.__traceback__ is None
    assert not report.stopped
    assert all_whole(tmp_path / "out") == len(report.converted) == 5


def test_too_few_file_descriptors_cost_files_and_not_the_run(few: Path, tmp_path: Path) -> None:
    code = (
        "import asyncio, errno, os, resource, sys, asyncrgb\n"
        "from asyncrgb.pipeline.storage.storage import LocalFiles\n"
        "read, held = LocalFiles.read_into, []\n"
        "def greedy(self, arena, path):\n"
        "    if 'River_2' not in path: return read(self, arena, path)\n"
        "    held.append(os.dup(0))\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1], 999))\n"
        "    try: return read(self, arena, path)\n"
        "    finally: resource.setrlimit(resource.RLIMIT_NOFILE, (999, 999))\n"
        "LocalFiles.read_into = greedy\n"
        "report = asyncio.run(asyncrgb.convert(sys.argv[1], sys.argv[2],\n"
        "    executor=asyncrgb.SerialExecutor()))\n"
        "print(len(report.converted), [each.error.errno for each in report.failed])\n"
    )
    assert python(code, few, tmp_path / "out") == f"5 [{errno.EMFILE}]\n"


def test_a_limit_of_file_size_costs_the_picture(few: Path, tmp_path: Path) -> None:
    code = (
        "import asyncio, resource, sys, asyncrgb\n"
        "from asyncrgb.pipeline.storage.storage import LocalFiles\n"
        "write = LocalFiles.write\n"
        "def limited(self, path, data):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, -1))\n"
        "    try: write(self, path, data)\n"
        "    finally: resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))\n"
        "LocalFiles.write = limited\n"
        "report = asyncio.run(asyncrgb.convert(sys.argv[1], sys.argv[2],\n"
        "    executor=asyncrgb.SerialExecutor()))\n"
        "print({each.error.errno for each in report.failed}, len(report.failed))\n"
    )
    assert python(code, few, tmp_path / "out") == f"{{{errno.EFBIG}}} 6\n"
    assert all_whole(tmp_path / "out") == 0


def python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_source_that_vanishes_before_it_is_read(few: Path, tmp_path: Path, run: RunIt) -> None:
    def vanish(what: str, path: str) -> bool:
        if what == "read" and "River_4" in path:
            os.unlink(path)
        return False

    report = run(through(FaultyFiles(0, vanish), few, tmp_path / "out"))
    assert [type(each.error) for each in report.failed] == [FileNotFoundError]
    assert len(report.converted) == 5


@pytest.mark.parametrize("size", [None, 26 * 4096, 2**20 + 1])
@pytest.mark.parametrize("change", [b"more", None])
def test_a_source_that_is_changed_while_it_is_read_is_a_failure(  # noqa: PLR0913, PLR0917 - fixtures
    change: bytes | None,
    size: int | None,
    few: Path,
    tmp_path: Path,
    run: RunIt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = few / "River_5.tif"
    os.truncate(path, size or path.stat().st_size)
    fill = files.fill  # the moment at which it has to happen

    def change_and_fill(fd: int, view: memoryview, status: os.stat_result) -> None:
        if os.path.samestat(os.fstat(fd), path.stat()):
            if change is None:
                os.truncate(path, 1000)
            else:
                with path.open("ab") as file:
                    file.write(change)
        fill(fd, view, status)

    monkeypatch.setattr(files, "fill", change_and_fill)
    report = run(serial(few, tmp_path / "out"))
    (failed,) = report.failed
    assert failed.source == str(path)
    assert "changed while it was read" in str(failed.error)
    assert str(path) in str(failed.error)


def test_a_destination_that_is_removed_during_the_run_ends_nothing(
    chips: Path, tmp_path: Path, run: RunIt
) -> None:
    out = tmp_path / "out"

    def remove(outcome: Outcome) -> None:
        if "Forest_1." in outcome.source:
            shutil.rmtree(out)

    report = run(serial(chips, out, on_outcome=remove))
    assert len(report.outcomes) == 60
    all_whole(out)
    report = run(serial(chips, out))
    assert len(report.converted) == 60 == all_whole(out)


def test_a_read_only_destination_is_an_error_before_anything_begins(
    few: Path, mount: Callable[[str], Path], run: RunIt
) -> None:
    disk = mount("ro,size=1m")
    heard: list[Outcome] = []
    for out in (disk, disk / "new"):
        with pytest.raises(OSError, match="Read-only") as caught:
            run(serial(few, out, on_outcome=heard.append))
        assert str(caught.value.filename).startswith(str(disk))
    assert not heard


# Odd names and odd files


def test_odd_names_are_names(chips: Path, tmp_path: Path, run: RunIt) -> None:
    chip = (chips / "River" / "River_1.tif").read_bytes()
    source = os.fsencode(tmp_path / "in")
    os.mkdir(source)
    stems = [b"caf\xe9\xff", b"two\nlines", b" ", b"-rf", b"x" * 251, "\u202e".encode()]
    for stem in stems:
        with open(source + b"/" + stem + b".tif", "wb") as file:
            file.write(chip)
    report = run(asyncrgb.convert(source, tmp_path / "out", limits=ONE, executor=SerialExecutor()))  # type: ignore[arg-type] # bytes do as well
    assert not report.failed
    made = {name for name in os.listdir(os.fsencode(tmp_path / "out")) if name.endswith(b".png")}
    assert made == {stem + b".png" for stem in stems}
    assert len(run(serial(tmp_path / "in", tmp_path / "out")).up_to_date) == len(stems)


def test_a_result_whose_name_would_be_too_long_costs_itself(
    few: Path, tmp_path: Path, run: RunIt
) -> None:
    shutil.copy(few / "River_1.tif", few / ("n" * 251 + ".tif"))
    report = run(serial(few, tmp_path / "out", options=RenderOptions(format="webp")))
    (failed,) = report.failed
    assert isinstance(failed.error, OSError)
    assert failed.error.errno == errno.ENAMETOOLONG


def test_what_is_no_file_is_a_failure_at_once(few: Path, tmp_path: Path, run: RunIt) -> None:
    os.mkfifo(few / "fifo.tif")
    (few / "loop.tif").symlink_to("loop.tif")
    (few / "zero.tif").symlink_to("/dev/zero")
    if os.geteuid() == 0:
        os.mknod(few / "device.tif", stat.S_IFCHR | 0o600, os.makedev(1, 7))  # as /dev/full
    report = run(asyncio.wait_for(serial(few, tmp_path / "out"), 60))
    assert len(report.converted) == 6
    reasons = {os.path.basename(each.source): str(each.error) for each in report.failed}
    assert reasons.keys() >= {"fifo.tif", "loop.tif", "zero.tif"}
    assert "Too many levels" in reasons.pop("loop.tif")
    assert all("not a regular file" in reason for reason in reasons.values()), reasons


def test_a_fifo_in_the_place_of_a_result_is_replaced(few: Path, tmp_path: Path, run: RunIt) -> None:
    (tmp_path / "out" / "River_2.png").mkdir(parents=True)
    os.mkfifo(tmp_path / "out" / "River_1.png")
    report = run(serial(few, tmp_path / "out"))
    assert [type(each.error) for each in report.failed] == [IsADirectoryError]
    assert (tmp_path / "out" / "River_1.png").is_file()


# Many files


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give one folder with 200,000 names, in no order; of few files, which takes a minute less."""
    folder = tmp_path_factory.mktemp("crowd")
    at = os.open(folder, os.O_RDONLY)
    for number in range(200_000):
        name = f"{number * 7919 % 1_000_003}.tif"
        if number % 30_000 == 0:  # a file may have so many names
            (folder / (one := name)).touch()
        else:
            os.link(one, name, src_dir_fd=at, dst_dir_fd=at)
    os.close(at)
    yield folder
    shutil.rmtree(folder)


PAUSES = """
import asyncio, gc, sys, time, asyncrgb

async def longest_pause():
    pauses = []

    async def watch():
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            pauses.append(time.perf_counter() - before)

    watcher = asyncio.ensure_future(watch())
    report = await asyncrgb.convert(*sys.argv[1:], dry_run=True)
    watcher.cancel()
    sources = [each.source for each in report.outcomes]
    assert len(sources) == 200_000
    assert sources == sorted(sources)
    return max(pauses)

asyncrgb.convert  # imports what it needs
gc.disable()
print(min(asyncio.run(longest_pause()) for _ in range(3)))
"""


@pytest.mark.alone
def test_a_folder_of_very_many_files_keeps_the_event_loop_running(
    crowd: Path, tmp_path: Path
) -> None:
    """How long the collector takes over 200,000 outcomes (40 ms were seen) is up to the host."""
    assert float(python(PAUSES, crowd, tmp_path / "out")) < 0.05
    assert not (tmp_path / "out").exists()


@pytest.mark.alone
def test_a_large_folder_is_listed_in_short_steps(crowd: Path, tmp_path: Path) -> None:
    steps, longest, began = 0, 0.0, time.thread_time()
    for _ in plan.plan(str(crowd), str(tmp_path), "flat"):
        now = time.thread_time()
        longest, began, steps = max(longest, now - began), now, steps + 1
    assert steps > 200_000, "it has taken breath"
    assert longest < 0.05


def test_nothing_grows_with_the_number_of_images(few: Path, tmp_path: Path) -> None:
    """Memory, descriptors and threads after 10,000 images are those after 2,000."""
    good = str(few / "River_1.tif")
    Image.new("RGB", (8, 8)).save(good, "TIFF")
    options, limits = RenderOptions(bands=(1, 2, 3)), Limits(workers=1, reads=2, writes=2)
    seen: list[tuple[int, int]] = []

    def jobs(count: int) -> Iterator[asyncrgb.Job]:
        for number in range(count):
            source = good if number % 4 else str(few / "gone" / "there.tif")
            yield asyncrgb.Job(source, str(tmp_path / "out" / f"{number % 50}.png"))

    async def convert() -> None:
        executor = SerialExecutor()
        async with asyncrgb.Converter(options, limits=limits, executor=executor) as converter:
            for count in (2000, 8000):
                kinds = {Converted: 0, Failed: 0}
                async for outcome in converter.convert_many(jobs(count)):
                    kinds[type(outcome)] += 1
                assert kinds == {Converted: count * 3 // 4, Failed: count // 4}
                assert len(threads()) <= before + 1 + 6
                seen.append((len(os.listdir("/proc/self/fd")), memory()))

    before = len(threads())
    asyncio.run(convert())
    (fds, used), (fds_after, used_after) = seen
    assert fds == fds_after
    assert used_after - used < 4 * 2**20
    while len(threads()) > before:  # they end as soon as they have nothing to do
        time.sleep(0.01)


def threads() -> list[str]:
    return os.listdir("/proc/self/task")


def memory() -> int:
    """Bytes of this process in memory, those left aside that malloc could give back."""
    ctypes.CDLL(None).malloc_trim(0)
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


# What survives a power cut


def test_fsync_brings_bytes_to_the_disk_before_the_name_and_the_name_after(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(fd: int) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        done.append("folder" if os.path.isdir(path) else "bytes")
        fsync(fd)

    def noted_replace(source: str, target: str) -> None:
        done.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    asyncio.run(serial(few, tmp_path / "without"))
    assert set(done) == {"name"}
    done.clear()
    asyncio.run(serial(few, tmp_path / "new" / "out", fsync=True))
    assert done[:2] == ["folder", "folder"], "the folders that were made, in those above them"
    assert done[2:] == ["bytes", "name", "folder"] * 7, "the record first"


def test_a_disk_that_does_not_take_the_bytes_is_a_failure(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def faulty(fd: int) -> None:
        if os.fstat(fd).st_size > 1000 and stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", faulty)
    report = asyncio.run(serial(few, tmp_path / "out", fsync=True))
    assert len(report.failed) == 6
    assert {each.error.filename for each in report.failed} == {
        str(tmp_path / "out" / f"River_{number}.png") for number in range(1, 7)
    }
    assert all_whole(tmp_path / "out") == 0


# Slow storage


def test_what_is_up_to_date_on_slow_storage_is_looked_at_by_many(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(2000):
        os.link(few / "River_1.tif", source / f"{number}.tif")
    now = most = 0
    with ThreadPoolExecutor(2) as executor:
        convert = asyncrgb.convert
        assert len(asyncio.run(convert(source, tmp_path / "out", executor=executor)).converted)
        look = os.stat

        def slow(path: Any, **given: Any) -> os.stat_result:  # noqa: ANN401 - passed on
            nonlocal now, most
            if str(path).endswith(".png"):
                now += 1
                most = max(most, now)
                time.sleep(0.002)
                now -= 1
            return look(path, **given)

        monkeypatch.setattr(os, "stat", slow)
        report = asyncio.run(convert(source, tmp_path / "out", executor=executor))
    assert len(report.up_to_date) == 2000
    assert most > 3, "not one after the other"
