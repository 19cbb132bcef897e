"""Pictures of finished runs, by name: each turns cost reports with measured activity into a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bitspike.costs import CostReport
from bitspike.errors import UserError, closest, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "avalanche", "bits", "check_figure", "figure", "information"]

Reports = Mapping[str, CostReport]


def check_figure(name: str) -> None:
    """Whether there is such a picture, and what draws it: before runs are read.

    Raises:
        UserError: there is none, or matplotlib is not installed.
    """
    if name not in FIGURES:
        raise UserError("figure", name, closest(name, FIGURES))
    require("matplotlib", "viz")


def figure(name: str, reports: Reports) -> Figure:
    """The picture called ``name`` of the runs in ``reports``, by their labels.

    Raises:
        UserError: unknown picture, or a run that lacks what it shows.
    """
    check_figure(name)
    for label, report in reports.items():
        if report.activity is None:
            raise UserError(
                "run", label, "nothing was measured; a run that `bitspike train` finished has activity.json"
            )
    return FIGURES[name](reports)


def information(reports: Reports) -> Figure:
    """What weights and spikes carry, by layer: how often they are 1, and their entropy (paper 002, Figs. 2, 4)."""
    weights = {
        label: {layer.name: (layer.positive, layer.weight_entropy) for layer in report.layers if layer.w == 1}
        for label, report in reports.items()
    }
    spikes = {
        label: {n.name: (None if n.sparsity is None else 1 - n.sparsity, n.entropy) for n in report.neurons}
        for label, report in reports.items()
    }
    grid, axes = _grid("What a bit carries", 2, 2)
    rows = (("one-bit weights", "share of +1", weights), ("spikes", "firing rate", spikes))
    for (left, right), (kind, what, shown) in zip(axes, rows, strict=True):
        shares, entropies = (
            {run: {name: values[index] for name, values in of.items()} for run, of in shown.items()} for index in (0, 1)
        )
        _bars(left, f"{kind}: {what}", shares)
        left.axhline(0.5, color="0.4", linewidth=0.8, linestyle="--")
        _bars(right, f"{kind}: entropy (bits)", entropies)
    axes[0][0].legend(*axes[1][0].get_legend_handles_labels(), loc="upper left", fontsize=8, frameon=False)
    return grid


def avalanche(reports: Reports) -> Figure:
    """Spikes on the two paths of residual blocks, and where they are added (paper 004, Fig. 10)."""
    sums: dict[str, dict[str, float | None]] = {}
    shortcuts: dict[str, dict[str, float | None]] = {}
    for label, report in reports.items():
        joins = report.paths.joins if report.paths else ()
        if not joins:
            wanted = f"{report.model} adds no spikes; want a residual network such as sew-resnet18 or sparse-resnet18"
            raise UserError("run", label, wanted)
        sums[label], shortcuts[label] = {}, {}
        for index, join in enumerate(joins):
            sums[label] |= {f"block_{index}": join.direct, f"sum_{index}": join.joined}
            shortcuts[label][f"res_{index}"] = join.residual
    grid, axes = _grid("Spikes per image: layers, shortcuts, and their sums", 2, 1)
    grid.set_size_inches(9, 6)
    _bars(axes[0][0], "direct path (block) and behind the sum (sum)", sums, top=None)
    _bars(axes[1][0], "shortcut (res)", shortcuts, top=None)
    axes[0][0].legend(fontsize=8, frameon=False)
    return grid


def bits(reports: Reports) -> Figure:
    """Weight bits of each layer, spike bits and time steps of each layer of neurons (paper 001, Fig. 4)."""
    grid, axes = _grid("Bits, layer by layer", 3, 1)
    grid.set_size_inches(9, 8)
    weights = {label: {n.name: float(n.w) for n in report.layers} for label, report in reports.items()}
    _bars(axes[0][0], "weight bits", weights, top=None)
    for row, (what, key) in enumerate((("spike bits", "s"), ("time steps", "t")), 1):
        shown = {label: {n.name: float(getattr(n, key)) for n in r.neurons} for label, r in reports.items()}
        _bars(axes[row][0], what, shown, top=None)
    axes[0][0].set_ylim(0, 1.3 * axes[0][0].get_ylim()[1])  # room for the legend
    axes[0][0].legend(fontsize=8, frameon=False, ncols=4)
    return grid


def _grid(title: str, rows: int, columns: int) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """Without pyplot: no window, no global state."""
    made: Any = require("matplotlib.figure", "viz").Figure(figsize=(5.5 * columns, 3 * rows), layout="constrained")
    made.suptitle(title)
    return made, made.subplots(rows, columns, squeeze=False)


def _bars(axes: Axes, title: str, shown: Mapping[str, Mapping[str, float | None]], top: float | None = 1) -> None:
    """A group of bars for each layer, one bar for each run; a layer that a run has not leaves a gap."""
    names = list(dict.fromkeys(name for of in shown.values() for name in of))
    width = 0.8 / max(1, len(shown))
    for index, (label, of) in enumerate(shown.items()):
        places = [place + (index - (len(shown) - 1) / 2) * width for place in range(len(names))]
        axes.bar(places, [of.get(name) or 0.0 for name in names], width, label=label)
    axes.set_title(title, fontsize=10)
    axes.set_ylim(0, top)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    if not names:
        axes.text(0.5, 0.5, "no such layer", ha="center", va="center", transform=axes.transAxes)


FIGURES: Mapping[str, Callable[[Reports], Figure]] = MappingProxyType(
    {"avalanche": avalanche, "bits": bits, "information": information}
)
