"""The picture of what was measured: throughput against readers and workers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

    from asyncrgb.limits import Limits
    from asyncrgb.tuning.search import Findings

SUFFIXES: Final = (".png", ".svg", ".pdf")
_OURS, _CEILING, _INK = "#0b6e99", "#b8bec4", "#30363c"


def check_plot(path: str) -> None:
    """Find out before anything is measured whether it can be drawn.

    Raises:
        OptionsError: matplotlib is not installed, or ``path`` names no picture.

    """
    if not path.lower().endswith(SUFFIXES):
        raise OptionsError(f"{path}: a plot is one of {', '.join(SUFFIXES)}: name one that ends so")
    if find_spec("matplotlib") is None:
        raise OptionsError(
            "--plot draws with matplotlib, which is not installed: pip install matplotlib, "
            "or leave --plot out"
        )


def draw(path: str, findings: Findings, ceiling: Mapping[int, float]) -> None:
    """Draw images a second against readers and against workers.

    Args:
        path: of the picture.
        findings: what was measured.
        ceiling: files a second that plain threads read which do nothing else, by how many.

    Raises:
        OSError: it cannot be written.

    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - installed where it is asked for only

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _curve(left, findings, lambda limits: limits.reads)
    _curve(right, findings, lambda limits: limits.worker_count)
    _ceiling(left, right, ceiling)
    _label(left, "reads in flight, at most", "images a second")
    _label(right, "workers", "")
    left.legend(frameon=False)
    figure.savefig(path, dpi=150)


def _curve(axes: Axes, findings: Findings, number: Callable[[Limits], int]) -> None:
    """Draw all trials as dots, and the best median for each number as a line."""
    for limits, trials in findings.trials.items():
        axes.plot([number(limits)] * len(trials), [each.rate for each in trials], ".", color=_OURS)
    best: dict[int, float] = {}
    for limits in findings.trials:
        at = number(limits)
        best[at] = max(best.get(at, 0.0), findings.rate(limits))
    numbers = sorted(best)
    axes.plot(numbers, [best[at] for at in numbers], color=_OURS, label="asyncrgb")
    chosen = findings.best
    axes.plot(number(chosen), findings.rate(chosen), "o", color=_OURS, fillstyle="none", ms=10)


def _ceiling(left: Axes, right: Axes, ceiling: Mapping[int, float]) -> None:
    if not ceiling:
        return
    numbers = sorted(ceiling)
    rates = [ceiling[at] for at in numbers]
    left.plot(numbers, rates, "--", color=_CEILING, label="plain threads that only read")
    right.axhline(max(rates), ls="--", color=_CEILING)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(across, color=_INK)
    axes.set_ylabel(up, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
