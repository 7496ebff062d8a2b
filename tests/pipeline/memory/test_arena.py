from __future__ import annotations

import gc
import logging
import mmap
import os
import subprocess
import sys
from threading import Thread

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asyncrgb import LimitError
from asyncrgb.pipeline.memory import arena as module
from asyncrgb.pipeline.memory.arena import Arena, Extent
from asyncrgb.pipeline.memory.shared import Memory, attach

PAGE = mmap.PAGESIZE


class ArenaMachine(RuleBasedStateMachine):
    """Any order of leasing and giving back, held against a list of pages."""

    def __init__(self) -> None:
        super().__init__()
        self.arena = Arena(16 * PAGE)
        self.live: list[Extent] = []

    def taken(self) -> list[int]:
        return [page for start, size in self.live for page in range(start, start + size, PAGE)]

    @rule(size=st.integers(0, 16 * PAGE))
    def lease(self, size: int) -> None:
        extent = self.arena.lease(size)
        pages = max(1, -(-size // PAGE))
        if extent is None:
            free = "".join(" " if page * PAGE in self.taken() else "." for page in range(16))
            assert max(map(len, free.split())) < pages if free.strip() else True
            return
        assert extent.size == pages * PAGE
        self.live.append(extent)

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if self.live:
            index = data.draw(st.integers(0, len(self.live) - 1))
            self.arena.give_back(self.live.pop(index))

    @invariant()
    def no_overlap_and_all_inside(self) -> None:
        taken = self.taken()
        assert len(set(taken)) == len(taken)
        assert all(0 <= page < 16 * PAGE for page in taken)

    @invariant()
    def leased_is_what_is_live(self) -> None:
        assert self.arena.leased == sum(extent.size for extent in self.live)

    def teardown(self) -> None:
        for extent in self.live:
            self.arena.give_back(extent)
        assert self.arena.lease(16 * PAGE) == Extent(0, 16 * PAGE)
        self.arena.close()


TestArena = ArenaMachine.TestCase


def test_what_is_taken_for_long_is_taken_at_the_end() -> None:
    arena = Arena(8 * PAGE)
    low = arena.lease(PAGE)
    last = arena.lease_last(3 * PAGE)

    assert last == (5 * PAGE, 3 * PAGE)
    assert arena.lease_last(PAGE) is None, "the end is taken"
    assert arena.lease(4 * PAGE) == (PAGE, 4 * PAGE)
    assert low is not None
    arena.give_back(last)
    assert arena.lease_last(4 * PAGE) is None, "there is less"
    assert arena.lease_last(2 * PAGE) == (6 * PAGE, 2 * PAGE)
    with pytest.raises(LimitError):
        arena.lease_last(9 * PAGE)
    arena.close()


def test_room_that_is_set_aside_for_its_like_is_room_for_all() -> None:
    arena = Arena(8 * PAGE)
    for extent in [arena.lease(PAGE) for _ in range(8)]:
        assert extent is not None
        assert not arena.full or arena.leased == 8 * PAGE
        arena.give_back(extent)
    whole = Extent(0, 8 * PAGE)
    assert (arena.full, arena.lease(8 * PAGE), arena.full) == (False, whole, True)
    arena.close()


def test_no_more_extents_than_allowed() -> None:
    arena = Arena(16 * PAGE, most=2)
    assert not arena.full
    assert [arena.lease(1) for _ in range(3)] == [Extent(0, PAGE), Extent(PAGE, PAGE), None]
    arena.give_back(Extent(0, PAGE))
    assert arena.lease(1) == Extent(0, PAGE)
    assert (arena.full, arena.lease(1)) == (True, None)
    arena.close()


def test_threads_never_share_an_extent() -> None:
    arena = Arena(64 * PAGE)
    clashes = []

    def lease_and_check(mark: int) -> None:
        for _ in range(300):
            extent = arena.lease(3 * PAGE)
            if extent is None:
                continue
            view = arena.view(extent)
            view[:] = bytes([mark]) * len(view)
            if set(view) != {mark}:
                clashes.append(mark)
            arena.give_back(extent)

    threads = [Thread(target=lease_and_check, args=[mark]) for mark in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not clashes
    assert arena.leased == 0
    arena.close()


def test_what_can_never_fit_is_an_error_that_names_both_sizes() -> None:
    arena = Arena(4 * PAGE)
    with pytest.raises(LimitError, match=rf"{5 * PAGE}.*{4 * PAGE}.*Limits.memory"):
        arena.lease(4 * PAGE + 1)
    arena.close()


@pytest.mark.parametrize("named", [False, True])
def test_another_process_sees_the_same_bytes(named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if named:  # what systems without memfd_create get
        monkeypatch.setattr(sys, "platform", "elsewhere")
    arena = Arena(4 * PAGE)
    arena.lease(PAGE)
    extent = arena.lease(PAGE)
    assert extent is not None
    arena.view(extent, 5)[:] = b"hello"
    code = (
        "import sys; from asyncrgb.pipeline.memory.shared import attach;"
        "view = attach(sys.argv[1]);"
        "at = int(sys.argv[2]); assert bytes(view[at:at+5]) == b'hello'; view[at:at+5] = b'world'"
    )
    subprocess.run([sys.executable, "-c", code, arena.name, str(extent.start)], check=True)
    assert bytes(arena.view(extent, 5)) == b"world"
    arena.close()


def test_names_differ_even_where_the_descriptor_is_the_same() -> None:
    first = Arena(PAGE)
    name = first.name
    first.close()
    second = Arena(PAGE)
    assert second.name != name
    view = attach(second.name)
    assert len(view) == PAGE
    second.close()


class ScarceMemory(Memory):
    """Has fewer bytes than it was asked for, and says so when they are reserved."""

    def __init__(self, capacity: int, there: int) -> None:
        self.name = "scarce"
        self.view = memoryview(bytearray(capacity))
        self._there = there

    def reserve(self, start: int, size: int) -> None:
        if start + size > self._there:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


def test_an_arena_goes_on_with_the_memory_there_is_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step = 4 * 2**20
    monkeypatch.setattr(module, "create_memory", lambda size: ScarceMemory(size, 2 * step))
    arena = Arena(4 * step)
    with caplog.at_level(logging.WARNING, "asyncrgb"):
        extents = [arena.lease(step) for _ in range(4)]
    assert extents == [Extent(0, step), Extent(step, step), None, None]
    assert arena.capacity == 2 * step
    assert f"only {2 * step} of {4 * step} bytes" in caplog.text
    arena.give_back(Extent(0, step))
    assert arena.lease(step) == Extent(0, step)
    with pytest.raises(LimitError):
        arena.lease(3 * step)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at through /proc")
def test_an_arena_that_nobody_closes_gives_its_memory_back() -> None:
    arena = Arena(4 * PAGE)
    link = arena.name.partition("#")[0]
    assert "asyncrgb" in os.readlink(link)
    del arena
    gc.collect()
    assert not os.path.lexists(link) or "asyncrgb" not in os.readlink(link)


def test_who_presses_needs_only_the_bytes() -> None:
    arena = Arena(3 * PAGE, most=1)
    first = arena.lease(PAGE)
    assert arena.lease(PAGE) is None
    second = arena.lease(PAGE, pressing=True)
    assert first is not None
    assert second is not None
    arena.give_back(first)
    assert arena.full, "there is one too many no more, but as many as there may be"
    assert arena.lease(3 * PAGE, pressing=True) is None
    arena.give_back(second)
    arena.close()


FORKING = """
import os, sys
from asyncrgb.pipeline.memory.arena import Arena
arena = Arena(2**20)
extent = arena.lease(5)
arena.view(extent, 5)[:] = b"whole"
if not os.fork():
    sys.exit()
os.wait()
print(bytes(arena.view(extent, 5)).decode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_that_ends_leaves_the_memory_to_its_owner() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    )
    assert done.stdout == "whole\n"
