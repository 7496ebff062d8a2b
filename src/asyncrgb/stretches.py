"""Which pixel values become black and full intensity: frozen values that check themselves."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from asyncrgb.checks import check, is_number, shown

Range: TypeAlias = tuple[float, float]
Scope: TypeAlias = Literal["image", "dataset"]


@dataclass(frozen=True, slots=True)
class FixedStretch:
    """Map the range ``low`` .. ``high`` of pixel values linearly to black .. full intensity.

    ``(255 * ((v - low) / (high - low)).clip(0, 1)).astype(uint8)``, truncated, not rounded: bit
    for bit what the usual EuroSAT recipe does with low 0 and high 4000. It is computed as numpy
    does, float32 in float32, and all integers in float64.

    Attributes:
        low: pixel value that becomes black, in the units of the file; or one for each band
            that is shown.
        high: pixel value that becomes full intensity; larger than ``low``; or one for each.

    Raises:
        OptionsError: a value is no int or float, or not finite, or ``low`` is not below
            ``high``, or their difference is not finite, or there are not as many of each.

    """

    low: float | tuple[float, ...] = 0
    high: float | tuple[float, ...] = 4000

    def __post_init__(self) -> None:
        counts = [len(each) if isinstance(each, tuple) else -1 for each in (self.low, self.high)]
        check(
            counts[0] == counts[1] and counts[0] != 0,
            f"scale {self.low} {self.high}: give a low value and a high one, "
            "or as many of both as bands are shown",
        )
        for low, high in self.ranges:
            check(
                is_number(low) and is_number(high) and 0 < high - low <= sys.float_info.max,
                f"scale {shown(low)} {shown(high)}: give two finite numbers, "
                "the smaller one first, with a finite difference",
            )

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The pairs of low and high: one, or one for each band that is shown."""
        if isinstance(self.low, tuple) and isinstance(self.high, tuple):
            return tuple(zip(self.low, self.high, strict=True))
        return ((self.low, self.high),)  # type: ignore[return-value] # checked to be alike


@dataclass(frozen=True, slots=True)
class PercentileStretch:
    """Map a range between two percentiles of the pixel values to black .. full intensity.

    Percentiles are numpy's, by linear interpolation, over all values that are neither without
    data nor NaN nor infinite. 0 and 100 are the smallest and the largest value.

    Attributes:
        low: percentile, 0 to 100, that becomes black.
        high: percentile that becomes full intensity; larger than ``low``.
        scope: "image": those of each image; "dataset": those of all images of a conversion
            together, which are all read once for that before the first is rendered.
        joint: one range for all bands that are shown, which keeps their balance, instead of
            one for each.

    Raises:
        OptionsError: a value cannot be used; the message says what can.

    """

    low: float = 2
    high: float = 98
    scope: Scope = "image"
    joint: bool = False

    def __post_init__(self) -> None:
        check(
            is_number(self.low) and is_number(self.high) and 0 <= self.low < self.high <= 100,  # noqa: PLR2004 - per cent
            f"percentile {shown(self.low)} {shown(self.high)}: give two numbers from 0 to 100, "
            "the smaller one first, such as 2 98",
        )
        check(self.scope in get_args(Scope), f"scope {self.scope!r}: choose image or dataset")
        check(isinstance(self.joint, bool), f"joint {self.joint!r}: give True or False")


Stretch: TypeAlias = FixedStretch | PercentileStretch
