"""What ``asyncrgb tune`` has found, in words and figures."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb.tuning.tuner import Tuning
    from asyncrgb.tuning.verdict import Verdict

_FEW: Final = 50
_HEADS: Final = ("readers", "workers", "writers", "images/s", "trials", "memory", "bottleneck")
_SEARCHED: Final = ("reads", "workers", "writes")


def recommended(tuning: Tuning) -> Limits:
    """Give the limits to be saved."""
    return _verdict(tuning).limits


def notes_for_file(tuning: Tuning) -> list[str]:
    """Say in a settings file where it comes from."""
    today = datetime.now(UTC).date().isoformat()
    return [f"asyncrgb tune, {today}", *_conclusion(tuning)]


def told(tuning: Tuning, *, interrupted: bool, quiet: bool) -> list[str]:
    """Give the lines to be printed: files, storage, a table, what to do."""
    ahead = [] if quiet else [*_circumstances(tuning), *_table(tuning)]
    return ahead if interrupted else [*ahead, *_conclusion(tuning)]


def _circumstances(tuning: Tuning) -> Iterator[str]:
    """Say what was measured, and on which storage."""
    sample, rates = tuning.sample, tuning.rates
    if sample is None:
        return
    some = f"{len(sample):,} of the first " if len(sample) < sample.total else ""
    yield f"files: {some}{sample.total:,}"
    if len(sample) < _FEW:
        yield f"note: fewer than {_FEW} files: the figures are rough"
    failed = sum(each.failed for trials in tuning.findings.trials.values() for each in trials)
    if failed:
        yield f"note: {failed:,} conversions failed and are not counted: convert them to see why"
    if rates is not None:
        yield (
            f"storage: {rates.threads} plain threads read {rates.first:,.0f} files/s, "
            f"{rates.again:,.0f} right after that, {rates.dropped:,.0f} when dropped from the cache"
        )
        yield f"cache: {sample.cache.value}"


def _table(tuning: Tuning) -> list[str]:
    """Line up all trials, those with the same limits in one row."""
    findings = tuning.findings
    if not findings.trials:
        return []
    order = sorted(findings.trials, key=lambda each: (each.worker_count, each.reads, each.writes))
    rows = [_HEADS, *(_row(tuning, each) for each in order)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["", *("  ".join(_cells(row, widths)).rstrip() for row in rows), ""]


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    *numbers, text = row
    yield from (cell.rjust(width) for cell, width in zip(numbers, widths, strict=False))
    yield text


def _row(tuning: Tuning, limits: Limits) -> tuple[str, ...]:
    from asyncrgb.tuning.verdict import bottleneck  # noqa: PLC0415 - what --help does not need

    findings = tuning.findings
    trials = findings.trials[limits]
    typical = min(trials, key=lambda each: abs(each.rate - findings.rate(limits)))
    memory = max((each.memory for each in trials if each.memory is not None), default=None)
    return (
        str(limits.reads),
        str(limits.worker_count),
        str(limits.writes),
        f"{findings.rate(limits):,.0f}",
        str(len(trials)),
        "?" if memory is None else f"{memory / 1e6:,.0f} MB",
        bottleneck(limits, typical),
    )


def _conclusion(tuning: Tuning) -> list[str]:
    """Recommend something, and say what it is worth."""
    findings, result = tuning.findings, _verdict(tuning)
    if not findings.trials:
        return ["recommended: nothing: there was no time to measure: give more --seconds"]
    usual = "the defaults" if findings.base == Limits() else "the limits given"
    if result.limits == findings.base:
        return [f"recommended: {usual}, which are right{_rest(tuning, result)}"]
    doubt = "" if result.confirmed else ", unconfirmed: give more --seconds"
    flags = _flags(result.limits, findings.base)
    return [f"recommended: {flags}: {_worth(result)} as with {usual}{doubt}"]


def _worth(result: Verdict) -> str:
    if result.gain is None:
        return "more images/s"
    spread = f" ({result.low:.2f} to {result.high:.2f})" if result.confirmed else ""
    return f"{result.gain:.2f} times as many images/s{spread}"


def _rest(tuning: Tuning, result: Verdict) -> str:
    """Say what came closest, where something did."""
    if result.gain is None:
        return ": nothing was faster by more than 3 %"
    flags = _flags(tuning.findings.best, tuning.findings.base)
    return f": {flags} gave {_worth(result)}, which is {'noise' if result.gain > 1 else 'no gain'}"


def _flags(limits: Limits, base: Limits) -> str:
    """Write limits as options, as far as they are others than those they replace."""
    changed = [
        each.name
        for each in fields(Limits)
        if each.name in _SEARCHED and getattr(limits, each.name) != getattr(base, each.name)
    ]
    return " ".join(f"--{name} {getattr(limits, name)}" for name in changed)


def _verdict(tuning: Tuning) -> Verdict:
    from asyncrgb.tuning.verdict import verdict  # noqa: PLC0415 - the same

    return verdict(tuning.findings)
