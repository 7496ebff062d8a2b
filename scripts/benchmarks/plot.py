"""The bar chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure

from benchmarks.contenders import ASYNCRGB, CONTENDERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from benchmarks.report import Figures

_OURS, _PEER, _CEILING = "#0b6e99", "#b8bec4", "#e6e9ec"
_INK: Final = "#30363c"
_ROUNDED_FROM: Final = 10


def draw(file: str, facts: Mapping[str, str], lines: Sequence[Figures]) -> None:
    """Draw chips per second, the fastest on top, as a picture."""
    ordered = sorted(lines, key=lambda line: line.rate)
    figure = Figure(figsize=(9, 1.4 + 0.42 * len(ordered)), layout="constrained")
    axes = figure.add_subplot()
    _bars(axes, ordered)
    _tidy(axes, facts)
    figure.savefig(file, dpi=150)


def _bars(axes: Axes, lines: Sequence[Figures]) -> None:
    rates = [line.rate for line in lines]
    names = [line.contender for line in lines]
    spans = [[rate - min(line.rates) for line, rate in zip(lines, rates, strict=True)]]
    spans += [[max(line.rates) - rate for line, rate in zip(lines, rates, strict=True)]]
    bars = axes.barh(names, rates, color=[_colour(name) for name in names], edgecolor=_PEER)
    axes.errorbar(rates, names, xerr=spans, fmt="none", ecolor=_INK, elinewidth=1, capsize=2)
    labels = [_label(line) for line in lines]
    tops = [max(line.rates) for line in lines]
    for bar, top, label in zip(bars, tops, labels, strict=True):
        middle = bar.get_y() + bar.get_height() / 2
        axes.annotate(label, (top, middle), (6, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.28 * max(tops))


def _colour(name: str) -> str:
    if name == ASYNCRGB:
        return _OURS
    return _CEILING if CONTENDERS[name].ceiling else _PEER


def _label(line: Figures) -> str:
    if line.ratio is None or line.contender == ASYNCRGB:
        return f"{line.rate:,.0f}"
    ratio = f"{line.ratio:.2f}" if line.ratio < _ROUNDED_FROM else f"{line.ratio:,.0f}"
    return f"{line.rate:,.0f}  (asyncrgb: {ratio} x)"


def _tidy(axes: Axes, facts: Mapping[str, str]) -> None:
    axes.set_title("Chips per second, whole processes", loc="left", color=_INK, weight="bold")
    axes.set_xlabel(f"{facts['chips']}, {facts['folder']}\n{facts['processor']}", color=_INK)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=_INK, length=0)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == ASYNCRGB else "normal")
