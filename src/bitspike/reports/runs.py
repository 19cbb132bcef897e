"""Runs beside each other: as a table, as CSV, and as a picture of accuracy against cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Column, Table

from bitspike.errors import require
from bitspike.reports.tables import si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["as_csv", "compared_figure", "compared_table", "runs_table"]

NAMES = {
    "size_bytes": "size (bytes)",
    "s_ace": "S-ACE (bit operations)",
    "ns_ace": "NS-ACE (bit operations)",
    "energy_nj": "energy (nJ, Lemaire)",
}
"""Costs of an image, by their key in a result."""


def runs_table(rows: Sequence[Mapping[str, Any]], folder: str) -> Table:
    """All runs of a folder, a row each (`bitspike.runs`)."""
    columns = ("run", "data", "model", "bits", "seed", "epochs", "validation", "test", "S-ACE", "size")
    table = Table(*(Column(name, no_wrap=name == "run") for name in columns), title=escape(f"runs in {folder}"))
    for row in rows:
        if row["problem"]:
            table.add_row(escape(row["name"]), escape(row["problem"]), *[""] * (len(columns) - 2))
            continue
        epochs = str(row["epochs"]) if row["finished"] else f"{row['epochs_done']} of {row['epochs']}"
        said = (row["dataset"], row["model"], row["bits"], str(row["seed"]), epochs)
        size = None if row["size_bytes"] is None else f"{row['size_bytes']:,.0f} B"
        accuracies = (_percent(row["validation_accuracy"]), _percent(row["test_accuracy"]))
        table.add_row(escape(row["name"]), *map(escape, said), *accuracies, si(row["s_ace"]), size or "–")
    return table


def compared_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Accuracy against costs, a row for each group of runs (`bitspike.compared`); a star marks the front."""
    columns = ("", "runs", "seeds", "test accuracy", "spread", *(name.partition(" (")[0] for name in NAMES.values()))
    table = Table(*(Column(name, no_wrap=True) for name in columns), title="accuracy against cost")
    for row in rows:
        spread = "–" if row["spread"] is None else f"±{row['spread']:.2f} ({row['least']:.2f}..{row['most']:.2f})"
        costs = (si(row[key]) for key in NAMES)
        star = "*" if row["best"] else ""
        table.add_row(
            star, escape(row["name"]), str(len(row["seeds"])), f"{row['test_accuracy']:.2f} %", spread, *costs
        )
    table.caption = (
        "* none is at least as accurate for no more of any cost. Runs that differ in the seed alone are a mean, with"
        " standard deviation, least and most."
    )
    return table


def compared_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Test accuracy against each cost that all have, with the front joined; a bar from the least to the most seed."""
    known = [key for key in NAMES if all(row[key] is not None for row in rows)]
    figure: Figure = require("matplotlib.figure", "viz").Figure(figsize=(4.6 * len(known), 4.4), layout="constrained")
    panels: Any = figure.subplots(1, len(known), squeeze=False)[0]
    for axes, key in zip(panels, known, strict=True):
        front = sorted((row[key], row["test_accuracy"]) for row in rows if row["best"])
        axes.plot([x for x, _ in front], [y for _, y in front], color="0.6", linewidth=1, zorder=1)
        for index, row in enumerate(rows):
            mean = row["test_accuracy"]
            ends = [[mean - row["least"]], [row["most"] - mean]]
            label = row["name"].replace("$", r"\$")
            axes.errorbar(row[key], mean, yerr=ends, fmt="o", capsize=3, color=f"C{index % 10}", label=label)
        axes.set_xlabel(NAMES[key])
        axes.set_ylabel("test accuracy (%)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows with a line of their keys; lists with spaces between, ``None`` empty."""
    out = io.StringIO()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(out, keys, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        plain = {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()}
        writer.writerow(plain)
    return out.getvalue()


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} %"
