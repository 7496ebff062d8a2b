"""Statistics as JSON, read back: nothing is taken on trust."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from asyncrgb.errors import OptionsError
from asyncrgb.imaging.statistics.tally import BINS_BITS, Tally, bin_bits, float_keys, spread

if TYPE_CHECKING:
    from collections.abc import Sequence


def check(ok: bool, message: str) -> None:  # noqa: FBT001 - a predicate reads best in first place
    """Raise an ``OptionsError`` unless all is well."""
    if not ok:
        raise OptionsError(message)


def shown(value: object) -> str:
    """Write a value so that it is known by it, however long it is."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."  # noqa: PLR2004 - enough to know it by


def is_whole(value: object, least: int = 0, most: int = 2**63 - 1) -> bool:
    """Tell whether ``value`` is a whole number between two others."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def parsed(text: str) -> object:
    """Parse JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"statistics: not JSON: {error}") from error


def fields_of(found: object, what: str, names: Sequence[str]) -> list[Any]:
    """Take fields out of an object that should have them."""
    if not isinstance(found, dict):
        raise OptionsError(f"{what}: {shown(found)} is no object")
    missing = [name for name in names if name not in found]
    check(not missing, f"{what}: no {', '.join(missing)}")
    return [found[name] for name in names]


def band_number(name: str) -> int:
    """Read the number of a band, counted from 1."""
    plain = name.isascii() and name.isdigit() and not name.startswith("0") and len(name) < 10  # noqa: PLR2004
    check(plain, f"statistics: band {shown(name)} is no number counted from 1")
    return int(name)


def checked(fields: object) -> Tally | None:
    """Make a tally of what a histogram wrote of itself; None if it was empty."""
    kind, *ends, total, count, bins, counts = fields_of(
        fields, "histogram", ("kind", "minimum", "maximum", "sum", "count", "bins", "counts")
    )
    check(kind in ("integers", "floats"), f"kind {shown(kind)} is not integers or floats")
    bins, counts = _whole_numbers("bins", bins, -(2**63)), _whole_numbers("counts", counts, 1)
    _check_bins(bins, counts)
    check(is_whole(count), f"count {shown(count)} is no number of values")
    check(sum(counts) == count, f"count {count} is not the sum of counts, {sum(counts)}")
    if not count:
        check(ends == [None, None], "minimum and maximum are not null, but there are no counts")
        return None
    minimum, maximum = _checked_ends(kind, ends)
    tally = Tally(
        floats=kind == "floats",
        bits=bin_bits(int(minimum), int(maximum)) if kind == "integers" else 0,
        minimum=minimum,
        maximum=maximum,
        total=_checked_total(total),
        size=count,
        first=bins[0],
        counts=spread(np.array([at - bins[0] for at in bins], np.intp), np.array(counts)),
    )
    _check_agreement(tally)
    return tally


def _check_bins(bins: list[int], counts: list[int]) -> None:
    """Check what is about to be allocated."""
    check(len(bins) == len(counts), f"{len(bins)} bins, but {len(counts)} counts")
    check(all(map(int.__lt__, bins, bins[1:])), "bins do not ascend")
    if bins:
        check(bins[-1] - bins[0] < 2**BINS_BITS, f"bins span more than {2**BINS_BITS}")


def _whole_numbers(name: str, found: object, least: int) -> list[int]:
    if not isinstance(found, list):
        raise OptionsError(f"{name} {shown(found)} is no array")
    for number in found:
        good = is_whole(number, least, 2**64 - 1)
        check(good, f"{name}: {shown(number)} is no whole number from {least}")
    return found


def _checked_ends(kind: str, ends: list[Any]) -> tuple[float, float]:
    for name, end in zip(("minimum", "maximum"), ends, strict=True):
        good = is_whole(end, -(2**63), 2**64 - 1) if kind == "integers" else _is_number(end)
        check(good, f"{name} {shown(end)} is none of the {kind} that pixels have")
    minimum, maximum = ends if kind == "integers" else map(float, ends)
    check(minimum <= maximum, f"minimum {minimum} is above maximum {maximum}")
    return minimum, maximum


def _checked_total(total: object) -> Fraction:
    if not isinstance(total, list) or len(total) != 2:  # noqa: PLR2004 - a ratio
        raise OptionsError(f"sum {shown(total)} is no array of numerator and denominator")
    numerator, denominator = total
    good = is_whole(numerator, -(2**4096), 2**4096) and is_whole(denominator, 1, 2**4096)
    check(good, f"sum {shown(total)} is no ratio of whole numbers")
    return Fraction(numerator, denominator)


def _check_agreement(tally: Tally) -> None:
    """Check that the bins are those of the values between minimum and maximum."""
    if tally.floats:
        ends = float_keys(np.array([tally.minimum, tally.maximum])).tolist()
    else:
        ends = [int(end) >> tally.bits for end in (tally.minimum, tally.maximum)]
        low, high = tally.size * int(tally.minimum), tally.size * int(tally.maximum)
        whole = tally.total.denominator == 1 and low <= tally.total <= high
        check(whole, f"sum {tally.total} is not the sum of {tally.size} such integers")
    bins = [tally.first, tally.first + len(tally.counts) - 1]
    check(bins == ends, f"bins {bins} do not reach from minimum to maximum, {ends}")
