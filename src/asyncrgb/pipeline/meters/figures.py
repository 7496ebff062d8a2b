"""What a meter shows, and what follows from it: for one flow, and for several at work together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asyncrgb.pipeline.meters.insight import Insight

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHARES: Final = ("worker_share", "reads_share", "writes_share", "memory_share")
_SUMS: Final = (
    "images",
    "workers",
    "reads",
    "writes",
    "memory",
    "read_seconds",
    "read_wait_seconds",
    "decode_seconds",
    "stretch_seconds",
    "encode_seconds",
    "render_seconds",
    "write_wait_seconds",
    "write_seconds",
    "reads_in_flight",
    "writes_in_flight",
    "most_reads",
    "most_writes",
    "most_workers",
    "most_leased",
)


class Figures(NamedTuple):
    """What the meter of a flow shows at one moment: sums since the beginning, and limits."""

    moment: float
    began: float | None  # the moment when workers got their first batch
    loop: float
    read: float
    write: float
    busy: float  # workers, as the event loop sees it
    rendered: float  # seconds, as they see it
    images: int
    decode: float
    stretch: float
    encode: float
    waiting: float
    reads: float
    reads_at_limit: float
    writes: float
    writes_at_limit: float
    full: float
    workers: int
    most_reads: int
    most_writes: int
    most_workers: int
    most_leased: int
    reads_allowed: int
    writes_allowed: int
    memory: int


def insight_between(before: Figures, now: Figures) -> Insight:
    """Sum up what has been between two moments of one flow."""
    began = max(before.moment, now.began or now.moment)
    working = max(now.moment - began, 1e-9)
    rendered = now.rendered - before.rendered or now.busy - before.busy
    sampled = now.decode + now.stretch + now.encode or 1.0
    return Insight(
        seconds=now.moment - before.moment,
        working_seconds=working,
        images=now.images - before.images,
        workers=now.workers,
        reads=now.reads_allowed,
        writes=now.writes_allowed,
        memory=now.memory,
        read_seconds=now.read - before.read,
        read_wait_seconds=max(0.0, now.workers * working - (now.busy - before.busy)),
        decode_seconds=rendered * now.decode / sampled,
        stretch_seconds=rendered * now.stretch / sampled,
        encode_seconds=rendered * now.encode / sampled,
        render_seconds=rendered,
        write_wait_seconds=now.waiting - before.waiting,
        write_seconds=now.write - before.write,
        loop_seconds=now.loop - before.loop,
        reads_in_flight=(now.reads - before.reads) / working,
        writes_in_flight=(now.writes - before.writes) / working,
        most_reads=now.most_reads,
        most_writes=now.most_writes,
        most_workers=now.most_workers,
        most_leased=now.most_leased,
        worker_share=min(1.0, (now.busy - before.busy) / (now.workers * working)),
        reads_share=min(1.0, (now.reads_at_limit - before.reads_at_limit) / working),
        writes_share=min(1.0, (now.writes_at_limit - before.writes_at_limit) / working),
        memory_share=min(1.0, (now.full - before.full) / working),
        loop_share=min(1.0, (now.loop - before.loop) / working),
    )


def together(insights: Sequence[Insight], seconds: float, loop_seconds: float) -> Insight:
    """Sum up flows that were at work at the same time, each in an event loop of its own.

    Args:
        insights: one for each flow.
        seconds: wall time of it all.
        loop_seconds: processor time of the event loop that gave them their work.

    """
    sums: dict[str, Any] = {name: sum(getattr(each, name) for each in insights) for name in _SUMS}
    working = max((each.working_seconds for each in insights), default=1e-9)
    shares: dict[str, Any] = {name: _mean(insights, name) for name in _SHARES}
    return Insight(
        **sums,
        **shares,
        seconds=seconds,
        working_seconds=working,
        loop_seconds=loop_seconds + sum(each.loop_seconds for each in insights),
        loop_share=max(min(1.0, loop_seconds / working), _mean(insights, "loop_share")),
    )


def _mean(insights: Sequence[Insight], name: str) -> float:
    total: float = sum(getattr(each, name) for each in insights)
    return total / max(1, len(insights))
