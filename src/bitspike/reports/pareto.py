"""A budget and what was spent of it; a sweep of budgets as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from bitspike.errors import require
from bitspike.reports.pictures import save_picture

__all__ = ["budget_table", "pareto_table", "save_pareto"]

NAMES = {
    "flash": "flash, bytes",
    "ram": "RAM, bytes",
    "instructions": "instructions",
    "size": "bytes",
    "s_ace": "S-ACE",
    "bit_budget": "mean Bit Budget",
    "energy": "nJ",
}


def budget_table(limits: Mapping[str, float], costs: Mapping[str, float]) -> Table:
    """Limits beside costs."""
    table = Table(*(Column(name, no_wrap=True) for name in ("budget", "limit", "spent", "share")))
    for name, limit in limits.items():
        table.add_row(NAMES[name], f"{limit:,.10g}", f"{costs[name]:,.10g}", f"{100 * costs[name] / limit:.2f} %")
    return table


def pareto_table(points: Sequence[Mapping[str, Any]]) -> Table:
    """The points of a sweep, a row each; a star marks the front."""
    limited = list(points[0]["budget"]) if points else []
    columns = ("", "network", *(NAMES[name] for name in limited), "validation", "test")
    table = Table(*(Column(name, no_wrap=True) for name in columns), title="Pareto table")
    for point in points:
        costs = (f"{point['costs'][name]:,.10g}" for name in limited)
        accuracies = (f"{point['validation_accuracy']:.2f} %", f"{point['test_accuracy']:.2f} %")
        table.add_row("*" if point["best"] else "", point["folder"], *costs, *accuracies)
    table.caption = "* no other network is at least as accurate on validation images for no more cost"
    return table


def save_pareto(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Validation accuracy against each limited cost, with the front joined."""
    limited = list(points[0]["budget"]) if points else ["size"]
    figure: Any = require("matplotlib.figure", "viz").Figure(figsize=(5.5 * len(limited), 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(limited), squeeze=False)[0], limited, strict=True):
        for best, style in ((False, {"color": "0.6"}), (True, {"color": "C0", "linestyle": "-"})):
            some = sorted((p["costs"][name], p["validation_accuracy"]) for p in points if p["best"] == best)
            label = "front" if best else "beaten"
            axes.plot(
                [x for x, _ in some], [y for _, y in some], **{"linestyle": "", "marker": "o", **style}, label=label
            )
        axes.set_xlabel(NAMES[name])
        axes.set_ylabel("validation accuracy (%)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save_picture(figure, path)
