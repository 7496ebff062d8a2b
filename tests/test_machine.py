"""Processors and memory, on machines and in containers that are only files here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from asyncrgb import machine

MIB = 2**20
NO_LIMIT = "9223372036854771712"  # as version one writes it


class Machine:
    """A root folder with the files of a kernel in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.groups: list[str] = []
        self.mounts: list[str] = []
        self.write("proc/meminfo", "MemFree: 1 kB\nMemTotal:       8388608 kB\nCached: 5 kB\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def mount(self, place: str, options: str, *, top: str = "/", kind: str = "cgroup") -> None:
        escaped = place.replace(" ", "\\040")
        line = f"31 23 0:28 {top} {escaped} rw shared:9 - {kind} {kind} {options}\n"
        self.mounts.append(line)
        self.write("proc/self/mountinfo", "".join(self.mounts))

    def group(self, line: str) -> None:
        self.groups.append(line + "\n")
        self.write("proc/self/cgroup", "".join(self.groups))

    def new(self, group: str, *, top: str = "/", place: str = "/sys/fs/cgroup") -> None:
        self.group(f"0::{group}")
        self.mount(place, "rw,nsdelegate", top=top, kind="cgroup2")

    def old(self, group: str, *, top: str = "/") -> None:
        self.group(f"4:memory:{group}")
        self.group(f"1:cpu,cpuacct:{group}")
        self.mount("/sys/fs/cgroup/cpu,cpuacct", "rw,cpu,cpuacct", top=top)
        self.mount("/sys/fs/cgroup/memory", "rw,memory", top=top)

    @property
    def processors(self) -> int:
        return machine.processors(str(self.root))

    @property
    def memory(self) -> int:
        return machine.memory(str(self.root))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a machine with 16 processors and 8 GiB."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    return Machine(tmp_path)


def test_a_machine_without_groups(fake: Machine) -> None:
    assert fake.processors == 16
    assert fake.memory == 8192 * MIB


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 16),
        ("400000 100000", 4),
        ("150000 100000", 2),
        ("100001 100000", 2),
        ("1000 100000", 1),
        ("3200000 100000", 16),
        ("max", 16),
        ("nonsense", 16),
        ("", 16),
        ("100000 0", 16),
    ],
)
def test_quotas_of_version_two(quota: str, expected: int, fake: Machine) -> None:
    fake.new("/job")
    fake.write("sys/fs/cgroup/job/cpu.max", quota + "\n")
    assert fake.processors == expected


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [("-1", "100000", 16), ("150000", "100000", 2), ("50000", "100000", 1), ("800000", "", 16)],
)
def test_quotas_of_version_one(quota: str, period: str, expected: int, fake: Machine) -> None:
    fake.old("/job")
    fake.write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", quota + "\n")
    fake.write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", period + "\n")
    assert fake.processors == expected


@pytest.mark.parametrize("limited", ["", "a/", "a/b/"])
def test_groups_above_count_and_those_beside_do_not(limited: str, fake: Machine) -> None:
    fake.new("/a/b")
    fake.write(f"sys/fs/cgroup/{limited}cpu.max", "300000 100000\n")
    fake.write(f"sys/fs/cgroup/{limited}memory.max", f"{512 * MIB}\n")
    fake.write("sys/fs/cgroup/other/cpu.max", "100000 100000\n")
    fake.write("sys/fs/cgroup/a/b/below/memory.max", "4096\n")
    assert (fake.processors, fake.memory) == (3, 512 * MIB)


def test_the_least_of_all_counts(fake: Machine) -> None:
    fake.new("/a/b")
    for folder, memory in (("", 900), ("a/", 300), ("a/b/", 700)):
        fake.write(f"sys/fs/cgroup/{folder}memory.max", f"{memory * MIB}\n")
    assert fake.memory == 300 * MIB


@pytest.mark.parametrize(
    ("text", "expected"), [("max", 8192), (str(256 * MIB), 256), (str(99 * 2**40), 8192)]
)
def test_memory_of_version_two(text: str, expected: int, fake: Machine) -> None:
    fake.new("/")
    fake.write("sys/fs/cgroup/memory.max", text + "\n")
    assert fake.memory == expected * MIB


def test_memory_of_version_one(fake: Machine) -> None:
    fake.old("/a/b")
    fake.write("sys/fs/cgroup/memory/memory.limit_in_bytes", NO_LIMIT)
    fake.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", f"{64 * MIB}\n")
    fake.write("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", NO_LIMIT)
    assert fake.memory == 64 * MIB


def test_both_versions_at_once(fake: Machine) -> None:
    fake.old("/old")
    fake.new("/new", place="/sys/fs/cgroup/unified")
    fake.write("sys/fs/cgroup/memory/old/memory.limit_in_bytes", str(64 * MIB))
    fake.write("sys/fs/cgroup/unified/new/cpu.max", "200000 100000")
    assert (fake.processors, fake.memory) == (2, 64 * MIB)


@pytest.mark.parametrize("group", ["/docker/1234", "/", "/docker/another", "/../../1234"])
def test_a_container_whose_group_is_mounted_as_the_top(group: str, fake: Machine) -> None:
    """It may be told the whole path of its group, which is not there where it looks."""
    fake.old(group, top="/docker/1234")
    fake.write("sys/fs/cgroup/memory/memory.limit_in_bytes", str(64 * MIB))
    assert fake.memory == 64 * MIB


def test_a_group_below_the_one_that_is_mounted(fake: Machine) -> None:
    fake.new("/docker/1234/inner", top="/docker/1234")
    fake.write("sys/fs/cgroup/inner/memory.max", str(32 * MIB))
    fake.write("sys/fs/cgroup/docker/1234/inner/memory.max", str(16 * MIB))
    assert fake.memory == 32 * MIB


def test_odd_places(fake: Machine) -> None:
    fake.new("/odd name:with colons", place="/mnt/control groups")
    fake.write("mnt/control groups/odd name:with colons/memory.max", str(32 * MIB))
    assert fake.memory == 32 * MIB


def test_nothing_can_be_read(tmp_path: Path) -> None:
    physical = psutil.virtual_memory().total
    assert machine.memory(str(tmp_path)) == pytest.approx(physical, rel=0.01)
    assert machine.processors(str(tmp_path)) == len(os.sched_getaffinity(0))


def test_where_there_is_no_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.processors(str(tmp_path)) == 1


def test_this_machine() -> None:
    assert 1 <= machine.processors() <= len(os.sched_getaffinity(0))
    assert 0 < machine.memory() <= psutil.virtual_memory().total


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_affinity_of_a_process_counts() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from asyncrgb.limits import Limits; print(Limits().worker_count)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_what_is_granted_is_told_apart(tmp_path: Path) -> None:
    box = Machine(tmp_path)
    affinity = len(os.sched_getaffinity(0))
    assert machine.granted(str(tmp_path)) == (affinity, None, 8 * 2**30)
    box.new("/a")
    box.write("sys/fs/cgroup/a/cpu.max", "150000 100000\n")
    box.write("sys/fs/cgroup/a/memory.max", f"{512 * MIB}\n")
    assert machine.granted(str(tmp_path)) == (affinity, 2, 512 * MIB)


def test_a_quota_that_is_none_is_none(tmp_path: Path) -> None:
    box = Machine(tmp_path)
    box.old("/a")
    box.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n")
    box.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
    assert machine.granted(str(tmp_path)).quota is None
