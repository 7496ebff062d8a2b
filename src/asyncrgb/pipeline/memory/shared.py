"""Shared memory that workers attach by its name, or find that they cannot.

A worker of an executor that was given may be anywhere. On another machine, or in another
container, the name of the memory may be that of something else: whatever is found under it is
looked at, unopened, before it is mapped.
"""

from __future__ import annotations

import mmap
import os
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from secrets import token_hex
from threading import Lock
from typing import Final

# A SharedMemory object unmaps its memory when it is collected, whoever still looks at it.
_OWN: Final[dict[str, memoryview]] = {}  # mapped already: no second mapping to outlive its arena
_KEPT: Final[dict[str, SharedMemory]] = {}
_tracking = Lock()


class OutOfReachError(Exception):
    """The memory of another process cannot be attached from here."""


class Memory(ABC):
    """Shared memory that other processes on this machine attach by ``name``."""

    name: str
    view: memoryview

    @abstractmethod
    def reserve(self, start: int, size: int) -> None:
        """Make sure that these bytes exist; raises OSError where they cannot be had."""

    @abstractmethod
    def close(self) -> None:
        """Give the memory back to the system."""


class _AnonymousMemory(Memory):
    """A memfd: no name in /dev/shm, no size limit of it, gone with its last user, even killed."""

    def __init__(self, capacity: int) -> None:
        # By the token workers tell it from anything else that has the same descriptor: a later
        # arena, or what is there on their machine.
        token = token_hex(8)
        self._fd = os.memfd_create(_label(token))
        os.truncate(self._fd, capacity)
        self.name = f"/proc/{os.getpid()}/fd/{self._fd}#{token}"
        self._mmap = mmap.mmap(self._fd, capacity)
        self.view = memoryview(self._mmap)

    def reserve(self, start: int, size: int) -> None:
        os.posix_fallocate(self._fd, start, size)

    def close(self) -> None:
        with suppress(BufferError):  # who still holds a view keeps the memory until it lets go
            self.view.release()
            self._mmap.close()
            self._empty()
        os.close(self._fd)

    def _empty(self) -> None:
        """Free the memory even if the workers of somebody else go on and keep it mapped."""
        size = os.fstat(self._fd).st_size
        with suppress(OSError), mmap.mmap(self._fd, size) as whole:
            whole.madvise(mmap.MADV_REMOVE)


class _NamedMemory(Memory):
    """POSIX or Windows shared memory; the resource tracker unlinks it if this process is killed."""

    def __init__(self, capacity: int) -> None:
        self._shared = SharedMemory(_label(token_hex(8)), create=True, size=capacity)
        self.name = self._shared.name
        self.view = _buffer(self._shared)

    def reserve(self, start: int, size: int) -> None:
        """Nothing to do: these systems commit shared memory when it is made."""

    def close(self) -> None:
        with suppress(BufferError):  # the same
            self._shared.close()
        self._shared.unlink()


def create_memory(capacity: int) -> Memory:
    """Make shared memory of ``capacity`` bytes, the best kind that the system has."""
    return _AnonymousMemory(capacity) if sys.platform == "linux" else _NamedMemory(capacity)


def announce(memory: Memory) -> None:
    """Let ``attach`` find in this process what was made in it, for workers that are threads."""
    _OWN[memory.name] = memory.view


def withdraw(memory: Memory) -> None:
    """Let ``attach`` no longer find it."""
    del _OWN[memory.name]


def attach(name: str) -> memoryview:
    """Map the memory of that name, made by any process of this machine, into this one.

    Raises:
        OutOfReachError: there is no such memory here, or this process may not see it.

    """
    if name in _OWN:
        return _OWN[name]
    try:
        return _attach_anonymous(name) if name.startswith("/proc/") else _attach_named(name)
    except OSError as error:
        raise OutOfReachError(f"{type(error).__name__}: {error}") from error


def _attach_anonymous(name: str) -> memoryview:
    path, _, token = name.partition("#")
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)  # does nothing to it, but holds on to it
    try:
        itself = f"/proc/self/fd/{found}"
        if os.readlink(itself) != f"/memfd:{_label(token)} (deleted)":
            raise OutOfReachError(f"{path} is something else here")
        fd = os.open(itself, os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.close(found)
    try:
        return memoryview(mmap.mmap(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)


def _attach_named(name: str) -> memoryview:
    shared = _KEPT[name] = _untracked(name)
    return _buffer(shared)


def _untracked(name: str) -> SharedMemory:
    """Attach shared memory which this process is not to unlink when it ends."""
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    else:  # noqa: RET505 - so that types can be checked with any version
        with _tracking:  # there is no other way to be no owner
            register, resource_tracker.register = resource_tracker.register, lambda *_: None
            try:
                return SharedMemory(name)
            finally:
                resource_tracker.register = register


def _label(token: str) -> str:
    return f"asyncrgb-{token}"


def _buffer(shared: SharedMemory) -> memoryview:
    if shared.buf is None:
        raise OSError(f"shared memory {shared.name} is closed")
    return shared.buf
