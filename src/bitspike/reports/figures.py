"""Pictures of finished runs, by name: each turns cost reports with measured activity into a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bitspike.costs import CostReport, Join
from bitspike.errors import UserError, closest, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "avalanche", "bits", "check_figure", "figure", "information", "joins_figure"]

Reports = Mapping[str, CostReport]
EVENTS = "events per image"
LONGEST_LINE = 80
"""Characters of a run's name on a line of the legend."""
LINE = 0.17
"""Inches of such a line."""


def check_figure(name: str, known: Collection[str] | None = None) -> None:
    """Whether there is such a picture, and what draws it: before runs are read.

    Args:
        known: their names, by default those of `FIGURES`.

    Raises:
        UserError: there is none, or matplotlib is not installed.
    """
    if name not in (known or FIGURES):
        raise UserError("figure", name, closest(name, known or FIGURES))
    require("matplotlib", "viz")


def figure(name: str, reports: Reports) -> Figure:
    """The picture called ``name`` of the runs in ``reports``, by their labels; it says on which images they ran.

    Raises:
        UserError: unknown picture, or a run that lacks what it shows.
    """
    check_figure(name)
    for label, report in reports.items():
        if report.activity is None:
            raise UserError(
                "run", label, "nothing was measured; a run that `bitspike train` finished has activity.json"
            )
    sources = {label: str(report.activity) for label, report in reports.items()}
    if len(set(sources.values())) == 1:
        return FIGURES[name](reports, next(iter(sources.values())))
    return FIGURES[name]({f"{label} ({sources[label]})": report for label, report in reports.items()}, "")


def information(reports: Reports, data: str = "") -> Figure:
    """What weights and spikes carry, by layer: how often they are 1, and their entropy (paper 002, Figs. 2, 4)."""
    weights = {
        label: {layer.name: (layer.positive, layer.weight_entropy) for layer in report.layers if layer.w == 1}
        for label, report in reports.items()
    }
    spikes = {
        label: {n.name: (None if n.sparsity is None else 1 - n.sparsity, n.entropy) for n in report.neurons}
        for label, report in reports.items()
    }
    grid, axes = _grid("What a bit carries", data, reports, (11, 6), 2, 2)
    rows = (("one-bit weights", "share of +1", weights), ("spikes", "firing rate", spikes))
    for (left, right), (kind, what, shown) in zip(axes, rows, strict=True):
        shares, entropies = (
            {run: {name: values[index] for name, values in of.items()} for run, of in shown.items()} for index in (0, 1)
        )
        _bars(left, f"{kind}: {what}", what, shares)
        left.axhline(0.5, color="0.4", linewidth=0.8, linestyle="--")
        _bars(right, f"{kind}: entropy", "entropy (bits)", entropies)
    return grid


def avalanche(reports: Reports, data: str = "") -> Figure:
    """Spikes on the two paths of residual blocks, and where they are added (paper 004, Fig. 10)."""
    joins: dict[str, Sequence[Join]] = {}
    for label, report in reports.items():
        joins[label] = report.paths.joins if report.paths else ()
        if not joins[label]:
            wanted = f"{report.model} adds no spikes; want a residual network such as sew-resnet18 or sparse-resnet18"
            raise UserError("run", label, wanted)
    return joins_figure(joins, data)


def joins_figure(joins: Mapping[str, Sequence[Join]], data: str) -> Figure:
    """`avalanche` of the joins of each network, measured on ``data``."""
    sums: dict[str, dict[str, float | None]] = {label: {} for label in joins}
    shortcuts: dict[str, dict[str, float | None]] = {label: {} for label in joins}
    for label, of in joins.items():
        for index, join in enumerate(of):
            sums[label] |= {f"block_{index}": join.direct, f"sum_{index}": join.joined}
            shortcuts[label][f"res_{index}"] = join.residual
    grid, axes = _grid("Events per image: layers, shortcuts, and their sums", data, joins, (9, 6), 2, 1)
    _bars(axes[0][0], "direct path (block) and behind the sum (sum)", EVENTS, sums, top=None)
    _bars(axes[1][0], "shortcut (res)", EVENTS, shortcuts, top=None)
    return grid


def bits(reports: Reports, data: str = "") -> Figure:
    """Weight bits of each layer, spike bits and time steps of each layer of neurons (paper 001, Fig. 4)."""
    grid, axes = _grid("Bits, layer by layer", data, reports, (9, 8), 3, 1)
    weights = {label: {n.name: float(n.w) for n in report.layers} for label, report in reports.items()}
    _bars(axes[0][0], "weight bits", "bits", weights, top=None)
    for row, (what, unit, key) in enumerate((("spike bits", "bits", "s"), ("time steps", "steps", "t")), 1):
        shown = {label: {n.name: float(getattr(n, key)) for n in r.neurons} for label, r in reports.items()}
        _bars(axes[row][0], what, unit, shown, top=None)
    for (one,) in axes:
        one.locator_params("y", integer=True)
    return grid


def _grid(
    title: str, data: str, labels: Collection[str], size: tuple[float, float], rows: int, columns: int
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """Without pyplot: no window, no global state. The legend of the runs has room of its own, below the axes."""
    words = ["\n".join(wrap(label, LONGEST_LINE)) or label for label in labels]
    lines = sum(word.count("\n") + 1 for word in words)
    size = (size[0], size[1] + LINE * lines)
    made: Any = require("matplotlib.figure", "viz").Figure(figsize=size, layout="constrained")
    made.suptitle(f"{title}\n{data}" if data else title).set_parse_math(False)
    if words:
        patch = require("matplotlib.patches", "viz").Patch
        legend = made.legend(
            [patch(facecolor=f"C{index}") for index in range(len(words))],
            [str(index) for index in range(len(words))],  # a label that starts with _ would be left out
            loc="outside lower center",
            fontsize=8,
            frameon=False,
            ncols=max(1, min(len(words), int(1.5 * LONGEST_LINE / (max(map(len, words)) + 6)))),
        )
        for text, word in zip(legend.get_texts(), words, strict=True):
            text.set_parse_math(False)
            text.set_text(word)
    return made, made.subplots(rows, columns, squeeze=False)


def _bars(
    axes: Axes, title: str, unit: str, shown: Mapping[str, Mapping[str, float | None]], top: float | None = 1
) -> None:
    """A group of bars for each layer, one bar for each run; a layer that a run has not leaves a gap."""
    names = list(dict.fromkeys(name for of in shown.values() for name in of))
    width = 0.8 / max(1, len(shown))
    for index, of in enumerate(shown.values()):
        places = [place + (index - (len(shown) - 1) / 2) * width for place in range(len(names))]
        axes.bar(places, [of.get(name) or 0.0 for name in names], width, color=f"C{index}")
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(unit)
    axes.set_ylim(0, top)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    if not names:
        axes.text(0.5, 0.5, "no such layer", ha="center", va="center", transform=axes.transAxes)


FIGURES: Mapping[str, Callable[[Reports, str], Figure]] = MappingProxyType(
    {"avalanche": avalanche, "bits": bits, "information": information}
)
