"""What the answers were, in some lines."""

from __future__ import annotations

from collections import Counter
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loading.clients import Answer


def lines(answers: Sequence[Answer], wall: float, cpu: float) -> Iterator[str]:
    """Say how many answers there were of each kind, and how long they took.

    Args:
        answers: one at least.
        wall: seconds that all of them took.
        cpu: seconds of processor time that the clients spent on them.

    """
    for status, count in sorted(Counter(answer.status for answer in answers).items()):
        yield f"{count:>16,}  status {status}"
    yield f"{sum(answer.wrong for answer in answers):>16,}  not the right picture"
    yield f"{len(answers) / wall:>16,.0f}  requests/s"
    yield f"{cpu / wall:>16.2f}  of a processor for the clients"
    yield ""
    for name, value in _latencies([answer.seconds for answer in answers]):
        yield f"{name:>16}  {1000 * value:7.1f} ms"


def _latencies(seconds: Sequence[float]) -> Iterator[tuple[str, float]]:
    hundredths = quantiles(seconds, n=100, method="inclusive") if seconds[1:] else 99 * [*seconds]
    yield "min", min(seconds)
    yield "median", median(seconds)
    yield "p90", hundredths[89]
    yield "p99", hundredths[98]
    yield "max", max(seconds)
