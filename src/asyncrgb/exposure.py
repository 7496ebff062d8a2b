"""Whether pictures came out nearly black or white, and what would help: the commonest complaint.

Nobody looks at every picture of a large run, so each worker looks closely at one now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from asyncrgb.options import DEFAULT_BANDS, RenderOptions
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Sequence

_Colour: TypeAlias = Literal["black", "white"]

_NEARLY_ALL: Final = 0.9
EDGE: Final = 1 / 16  # of the range of intensities: what is nearer to its end is black, or white


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one image came out.

    Attributes:
        low, high: smallest and largest value of the bands shown, as the stretch saw them; None
            where nothing has data.
        black, white: share (0 to 1) of the values with data that are within ``EDGE`` of black,
            and of full intensity.
        blank: share of the values without data.
        guessed: number of bands of an image of which 4, 3, 2 were shown as red, green and blue
            though nobody said that they are; else 0.

    """

    low: float | None
    high: float | None
    black: float
    white: float
    blank: float
    guessed: int = 0


def advice(
    exposures: Sequence[Exposure], options: RenderOptions | None = None, *, borrowed: bool = False
) -> list[str]:
    """Say what looks wrong with a run, given some of its images, and what would help.

    Args:
        exposures: how some of its images came out.
        options: what all of them were rendered with, which is not advised again; None: unknown.
        borrowed: whether their stretch is that of the statistics of another dataset.

    """
    given = options or RenderOptions()
    seen = [each for each in exposures if each.low is not None and each.high is not None]
    return [
        *_empty(exposures, given),
        *_extreme("black", seen, given, borrowed=borrowed),
        *_extreme("white", seen, given, borrowed=borrowed),
        *_guesses(exposures),
    ]


def _empty(exposures: Sequence[Exposure], given: RenderOptions) -> list[str]:
    """Say why nothing has data; that NaN is to count as data is not advised, as it cannot."""
    if not exposures or _mean([each.blank for each in exposures]) < _NEARLY_ALL:
        return []
    why, remedies = _absence(given)
    if not given.alpha and given.format != "jpeg":  # which has no transparency
        remedies = ["--alpha makes them transparent", *remedies]
    found = f"nearly all pixels are without data ({why})"
    return [f"{found}: {'; '.join(remedies)}" if remedies else found]


def _absence(given: RenderOptions) -> tuple[str, list[str]]:
    """Say what was taken for no data, and what to do if it is data."""
    if given.nodata == "auto":
        remedy = "if the files declare a wrong one, give the right --nodata VALUE"
        return "NaN, or the value that the files declare", [remedy]
    if given.nodata == "none" or not isfinite(given.nodata):
        return "NaN or infinite", []
    value = f"{given.nodata:g}"
    return f"NaN, or {value}", [f"if {value} is data, give another --nodata"]


def _extreme(
    colour: _Colour, seen: Sequence[Exposure], given: RenderOptions, *, borrowed: bool
) -> list[str]:
    if not seen or _mean([getattr(each, colour) for each in seen]) < _NEARLY_ALL:
        return []
    low = min(each.low for each in seen if each.low is not None)
    high = max(each.high for each in seen if each.high is not None)
    if low == high:
        return [f"the pictures are all {colour}: every value of the bands shown is {low:g}"]
    found = f"the pictures are nearly all {colour}: the values seen go from {low:g} to {high:g}: "
    if borrowed:
        return [found + "the statistics do not suit them: leave --stats out, or count these"]
    *others, last = _ways(colour, low if colour == "black" else high, given)
    return [f"{found}try " + (", ".join(others) + ", or " if others else "") + last]


def _ways(colour: _Colour, end: float, given: RenderOptions) -> list[str]:
    """Name what could help and was not given; ``end`` is the value that most may have."""
    stretch, usual = given.stretch, PercentileStretch()
    ways = _gamma_undone(colour, given.gamma)
    if not isinstance(stretch, PercentileStretch):
        return [*ways, _percentiles(usual), "a --scale MIN MAX between these"]
    if stretch.low < usual.low or stretch.high > usual.high:
        return [*ways, _percentiles(usual)]
    if stretch.scope == "dataset":
        ways.append("--scope image")
    if given.gamma == 1:
        ways.append("--gamma 2" if colour == "black" else "--gamma 0.5")
    ways.append("other --bands")
    if given.nodata in ("auto", "none") and not given.unscale and not given.offset:
        ways.append(f"--nodata {end:g} if that stands for no data")
    return ways


def _gamma_undone(colour: _Colour, gamma: float) -> list[str]:
    if colour == "black":
        return ["a larger --gamma"] if gamma < 1 else []
    return ["a smaller --gamma"] if gamma > 1 else []


def _percentiles(stretch: PercentileStretch) -> str:
    return f"--percentile {stretch.low:g} {stretch.high:g}"


def _guesses(exposures: Sequence[Exposure]) -> list[str]:
    counts = sorted({each.guessed for each in exposures if each.guessed})
    if not counts:
        return []
    shown, those = ",".join(map(str, DEFAULT_BANDS)), " or ".join(map(str, counts))
    found = f"bands {shown} were taken for red, green and blue, which nothing says of images with "
    return [found + f"{those} bands: name the --sensor or the --bands"]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
