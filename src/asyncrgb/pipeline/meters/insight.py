"""Where the time of a run went, and what held it up."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUSY: Final = 0.8
_HELD_UP: Final = 0.5
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """Where the time of a run went, and what held it up.

    Seconds of readers, workers and writers are those of all of them together. What was in flight
    is that of the whole Converter; its highest values are those since it was started.

    Attributes:
        seconds: wall time of the run.
        working_seconds: of it, since the workers were at work.
        images: number that workers have rendered or counted.
        workers: number of them.
        reads: most reads in flight that are allowed.
        writes: most writes in flight that are allowed.
        memory: bytes of the arena.
        read_seconds: that readers spent on reading.
        read_wait_seconds: that workers had nothing to do, since nothing had been read.
        decode_seconds: that workers spent on decoding, by the parts that it takes of some images,
            one in 50 ms at first, later one in a second.
        stretch_seconds: that they spent on stretching; the same.
        encode_seconds: that they spent on encoding; the same.
        render_seconds: that they spent on all of that.
        write_wait_seconds: that pictures waited for a writer, all together.
        write_seconds: that writers spent on writing.
        loop_seconds: processor time of the thread of the event loop.
        reads_in_flight: on average.
        writes_in_flight: on average.
        most_reads: in flight at once.
        most_writes: in flight at once.
        most_workers: busy at once.
        most_leased: bytes of the arena in use at once.
        worker_share: share of the time in which workers had something to do, 0 to 1.
        reads_share: share of the time in which nine tenths of the reads were in flight.
        writes_share: share of the time in which nine tenths of the writes were.
        memory_share: share of the time in which nine tenths of the arena were in use.
        loop_share: share of the time in which the event loop was busy.

    """

    seconds: float
    working_seconds: float
    images: int
    workers: int
    reads: int
    writes: int
    memory: int
    read_seconds: float
    read_wait_seconds: float
    decode_seconds: float
    stretch_seconds: float
    encode_seconds: float
    render_seconds: float
    write_wait_seconds: float
    write_seconds: float
    loop_seconds: float
    reads_in_flight: float
    writes_in_flight: float
    most_reads: int
    most_writes: int
    most_workers: int
    most_leased: int
    worker_share: float
    reads_share: float
    writes_share: float
    memory_share: float
    loop_share: float

    @property
    def bottleneck(self) -> str:
        """What held the run up, and what would help, in one sentence."""
        if not self.images:
            return "none: no image was rendered"
        if self.worker_share >= _BUSY:
            return (
                f"CPU: the workers, {self.workers} of them, were busy "
                f"{self.worker_share:.0%} of the time"
            )
        if self.loop_share >= _BUSY:
            return (
                f"the event loop: it was busy {self.loop_share:.0%} of the time; raise --shards, "
                "which have one each"
            )
        return self._held_up() or (
            f"none in particular: the workers were busy {self.worker_share:.0%} of the time, "
            f"the event loop {self.loop_share:.0%}"
        )

    def _held_up(self) -> str | None:
        for share, text in (
            (self.writes_share, self._at_limit("writing", "writes", self.writes_in_flight)),
            (self.reads_share, self._at_limit("storage", "reads", self.reads_in_flight)),
            (
                self.memory_share,
                f"memory: no room was left {self.memory_share:.0%} of the time; raise --memory",
            ),
        ):
            if share >= _HELD_UP:
                return text
        alone = (self.read_seconds + self.write_seconds) / max(self.working_seconds, 1e-9)
        if self.most_reads == self.most_writes == 1 and alone >= _BUSY:
            return f"the main process: reading and writing took {alone:.0%} of one thread"
        return None

    def _at_limit(self, what: str, name: str, in_flight: float) -> str:
        limit, share = getattr(self, name), getattr(self, f"{name}_share")
        if limit == 1:
            return (
                f"{what}: the only one of the {name} took {share:.0%} of the time; raise --{name}"
            )
        return (
            f"{what}: nearly all of {limit} {name} were in flight {share:.0%} of the time, "
            f"{min(in_flight, limit):.1f} on average; raise --{name}"
        )

    def to_dict(self) -> Mapping[str, object]:
        """Give all figures by name, and ``bottleneck``, as JSON takes them."""
        return {**asdict(self), "bottleneck": self.bottleneck}

    def lines(self) -> list[str]:
        """Give what a person wants to know, in a few aligned lines."""
        rows = (
            ("read", self.read_seconds, f"{self.reads_in_flight:.1f} of {self.reads} in flight"),
            ("read wait", self.read_wait_seconds, "of workers with nothing to do"),
            ("decode", self.decode_seconds, self._each(self.decode_seconds)),
            ("stretch", self.stretch_seconds, self._each(self.stretch_seconds)),
            ("encode", self.encode_seconds, self._each(self.encode_seconds)),
            ("render", self.render_seconds, self._busy()),
            ("write wait", self.write_wait_seconds, "of pictures in line"),
            (
                "write",
                self.write_seconds,
                f"{self.writes_in_flight:.1f} of {self.writes} in flight",
            ),
            ("loop", self.loop_seconds, f"busy {self.loop_share:.0%}"),
        )
        leased = f"{self.most_leased / _MIB:9.2f} MiB at most, of {self.memory / _MIB:.0f}"
        return [
            *(f"{name:<10} {seconds:9.2f} s  {more}" for name, seconds, more in rows),
            f"{'memory':<10} {leased}",
            f"bottleneck: {self.bottleneck}",
        ]

    def _busy(self) -> str:
        return f"{self.workers} workers, busy {self.worker_share:.0%}"

    def _each(self, seconds: float) -> str:
        return f"{1e6 * seconds / self.images:.0f} µs an image" if self.images else ""
