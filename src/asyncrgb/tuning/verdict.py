"""What trials mean: the bottleneck of one, and whether the best limits are worth the change."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, stdev
from typing import TYPE_CHECKING, Final

from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from asyncrgb.tuning.search import Findings
    from asyncrgb.tuning.trial import Figures

_FULL: Final = 0.8  # of a limit in use: that is what holds the rest up
_WORTHWHILE: Final = 1.05  # times as fast
_ENOUGH: Final = 3  # pairs
_DOUBT: Final = 1.5  # standard errors of a mean
_MOSTLY: Final = 0.75  # of the pairs that have to agree


def bottleneck(limits: Limits, figures: Figures) -> str:
    """Name what held a trial up, in a few words."""
    uses = {
        "storage": (figures.reads, limits.reads, "reads in flight"),
        "rendering": (figures.renders, limits.worker_count, "workers busy"),
        "results": (figures.writes, limits.writes, "writes in flight"),
    }
    uses["processors"] = (figures.processors, Limits().worker_count, "busy")
    name, (used, limit, what) = max(uses.items(), key=lambda use: use[1][0] / use[1][1])
    if used < _FULL * limit:
        return "no limit is reached"
    return f"{name}: {min(used, limit):.1f} of {limit} {what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which limits to use.

    Attributes:
        limits: those.
        gain: how many times as many images a second they give as the usual ones, the median of
            pairs; None: nothing to compare.
        low: the smallest of these.
        high: the largest.
        confirmed: whether the pairs suffice to say so.

    """

    limits: Limits
    gain: float | None = None
    low: float = 1.0
    high: float = 1.0
    confirmed: bool = True


def verdict(findings: Findings) -> Verdict:
    """Recommend the best limits if they are faster by more than noise; else the usual ones."""
    base, best = findings.base, findings.best
    if best == base:
        return Verdict(base)
    ratios = [after / before for before, after in findings.pairs if before > 0]
    if len(ratios) < _ENOUGH:
        gain = findings.rate(best) / findings.rate(base) if findings.rate(base) else None
        worth = gain is None or (gain > _WORTHWHILE and all(ratio > 1 for ratio in ratios))
        return Verdict(best if worth else base, gain, gain or 1.0, gain or 1.0, confirmed=False)
    gain, agreeing = median(ratios), sum(ratio > 1 for ratio in ratios)
    doubt = _DOUBT * stdev(ratios) / len(ratios) ** 0.5
    worth = gain > max(_WORTHWHILE, 1 + doubt) and agreeing >= _MOSTLY * len(ratios)
    return Verdict(best if worth else base, gain, min(ratios), max(ratios))
