"""How much of the machine a conversion may use: a frozen value that checks itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from asyncrgb import machine
from asyncrgb.checks import check, is_number, is_whole

if TYPE_CHECKING:
    from _typeshed import StrPath

_MAX_READS: Final = 4096
_NICEST: Final = 19
_BESIDE: Final = 10  # an event loop of somebody else
_FOR_ITSELF: Final = 1  # so that who feeds the workers goes first
_MAX_MEMORY: Final = 2**48
_MIN_MEMORY: Final = 2**20
_SMALL: Final = 2**20  # bytes of an image that is no scene, however many workers there are
_SHORTEST: Final = 0.001  # seconds
_LONGEST: Final = 10**7


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of the machine a conversion may use, and what it refuses.

    Attributes:
        workers: renderers at work at once, processes or threads; None: one for each processor
            that this process may use.
        reads: most reads in flight. Readers follow demand: fast storage never needs this many,
            slow storage is read with all of them.
        writes: most writes in flight; they follow demand too.
        memory: bytes of image data held at any moment: what is read, waits, is rendered or is
            written shares them.
        batch: most images handed to a worker at once.
        max_pixels: largest height times width of an image, or of a strip or tile that is larger;
            0 switches the limit off.
        max_bands: most bands of an image, and most pages of a file; 0 switches the limit off.
        max_expansion: most decoded bytes for each byte of a file, three for each pixel at least,
            where they are more than 64 MiB: deflate cannot reach 1,032, so what declares more
            is a bomb, or empty. 0 switches the limit off.
        timeout: most seconds that a worker may take for an image; None: as many as it takes.
            For worker processes of asyncrgb's own only.
        worker_memory: bytes that each worker process may allocate for its images, besides what
            it starts with; None: its share of the memory that this process may use; 0: any
            number.
        nice: how far worker processes of asyncrgb's own stand back behind others, as ``nice``
            counts it: 0 to 19. With 10, an event loop that answers others while images are
            converted is kept waiting less; but where others keep all processors busy, workers
            take several times as long. None: 10, for the sake of the loop that they work for; 1
            in the command and in ``run``, whose loops do nothing else.
        shards: event loops that share the work, each in a process of its own with its part of
            the workers, reads, writes and memory: for machines where one loop cannot feed all
            workers. Not with an executor.

    Raises:
        OptionsError: a value cannot be used; the message says what can.

    """

    workers: int | None = None
    reads: int = 64
    writes: int = 64
    memory: int = 128 * 2**20
    batch: int = 128
    max_pixels: int = 2**28
    max_bands: int = 4096
    max_expansion: int = 1100
    timeout: float | None = None
    worker_memory: int | None = None
    nice: int | None = None
    shards: int = 1

    def __post_init__(self) -> None:
        for name in ("workers", "reads", "writes", "batch", "shards"):
            value = getattr(self, name)
            check(
                (value is None and name == "workers")
                or (is_whole(value) and 1 <= value <= _MAX_READS),
                f"{name} {value!r}: give a whole number from 1 to {_MAX_READS}",
            )
        check(
            is_whole(self.memory) and _MIN_MEMORY <= self.memory <= _MAX_MEMORY,
            f"memory {self.memory!r}: give {_MIN_MEMORY} bytes (1M) or more, up to {_MAX_MEMORY}",
        )
        self._check_workers()
        for name in ("max_pixels", "max_bands", "max_expansion"):
            value = getattr(self, name)
            check(
                is_whole(value) and value >= 0,
                f"{name} {value!r}: give a whole number, or 0 for no limit",
            )

    def _check_workers(self) -> None:
        check(
            self.timeout is None
            or (is_number(self.timeout) and _SHORTEST <= self.timeout <= _LONGEST),
            f"timeout {self.timeout!r}: give a number of seconds from {_SHORTEST} to {_LONGEST}",
        )
        check(
            self.nice is None or (is_whole(self.nice) and 0 <= self.nice <= _NICEST),
            f"nice {self.nice!r}: give a whole number from 0 to {_NICEST}",
        )
        check(
            self.worker_memory is None
            or (
                is_whole(self.worker_memory)
                and (self.worker_memory >= _MIN_MEMORY or self.worker_memory == 0)
            ),
            f"worker memory {self.worker_memory!r}: give {_MIN_MEMORY} bytes (1M) or more, "
            "or 0 for no limit",
        )

    @classmethod
    def from_file(cls, path: StrPath) -> Limits:
        """Read a settings file, as ``asyncrgb tune --save`` writes it.

        Args:
            path: of a TOML file with one table, ``[limits]``, whose keys are the names above;
                amounts of memory may be text such as "32M". What it does not name is as by
                default.

        Raises:
            OptionsError: it is no such file, names what there is not, or a value cannot be used.
            OSError: it cannot be read.

        """
        from asyncrgb.settings import read_limits  # noqa: PLC0415 - it opens files; this does not

        return read_limits(path)

    @property
    def worker_count(self) -> int:
        """Number of workers: ``workers``, or the processors this process may keep busy."""
        return self.workers or machine.processors()

    @property
    def niceness(self) -> int:
        """How far workers stand back: ``nice``, or as suits an event loop of somebody else."""
        return _BESIDE if self.nice is None else self.nice

    def for_itself(self) -> Limits:
        """Give these limits as suits a process that does nothing but convert."""
        return replace(self, nice=_FOR_ITSELF) if self.nice is None else self

    @property
    def share(self) -> int:
        """Bytes of the largest image that is handled whole, as a file and decoded.

        With twice as many as there are workers under way, and two more, ``memory`` is full.
        """
        fair = self.memory // (2 * (self.worker_count + 1))
        return max(fair, min(self.memory // 4, _SMALL))
