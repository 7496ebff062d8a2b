"""Whether pictures came out nearly black or white, and what would help: the commonest complaint.

Nobody looks at every picture of a large run, so each worker looks closely at one now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asyncrgb.options import DEFAULT_BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def advice(exposures: Sequence[Exposure]) -> list[str]:
    """Say what looks wrong with a run, given some of its images, and which option would help."""
    seen = [each for each in exposures if each.low is not None and each.high is not None]
    return [
        *_empty(exposures),
        *_extreme("black", [each.black for each in seen], seen),
        *_extreme("white", [each.white for each in seen], seen),
        *_guesses(exposures),
    ]


def _empty(exposures: Sequence[Exposure]) -> list[str]:
    if not exposures or _mean([each.blank for each in exposures]) < _NEARLY_ALL:
        return []
    found = "nearly all pixels are without data: "
    return [found + "if they should not be, say --nodata none, or give the right --nodata"]


def _extreme(colour: str, shares: Sequence[float], seen: Sequence[Exposure]) -> list[str]:
    if not seen or _mean(shares) < _NEARLY_ALL:
        return []
    low = min(each.low for each in seen if each.low is not None)
    high = max(each.high for each in seen if each.high is not None)
    if low == high:
        return [f"the pictures are all {colour}: every value of the bands shown is {low:g}"]
    found = f"the pictures are nearly all {colour}: the values seen go from {low:g} to {high:g}: "
    return [found + "try --percentile 2 98, or a --scale MIN MAX between these"]


def _guesses(exposures: Sequence[Exposure]) -> list[str]:
    counts = sorted({each.guessed for each in exposures if each.guessed})
    if not counts:
        return []
    shown, those = ",".join(map(str, DEFAULT_BANDS)), " or ".join(map(str, counts))
    found = f"bands {shown} were taken for red, green and blue, which nothing says of images with "
    return [found + f"{those} bands: name the --sensor or the --bands"]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
