"""What a conversion gave, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from bitspike.errors import require
from bitspike.reports.tables import si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["conversion_figure", "conversion_table"]


def conversion_table(found: Mapping[str, Any]) -> Table:
    """Layers of a converted network beside the quantized one (``conversion.json``)."""
    table = Table(title=escape(f"{found['method']}: the SNN and its QANN, {found['images']:,} images"))
    table.add_column("neurons", overflow="fold")
    for column in ("n", "levels", "unequal", "last\nspike at", "spikes\nper image", "taken\nback"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, layer in found["layers"].items():
        per_image = layer["spikes"] / found["images"]
        back = f"{100 * layer['taken_back'] / max(1, layer['spikes']):.1f} %"
        cells = (si(layer["elements"]), f"{layer['unequal']:,}", str(layer["settled_at"]), si(per_image), back)
        table.add_row(escape(name), str(found["levels"][name]), *cells)
    return table


def conversion_figure(found: Mapping[str, Any]) -> Figure:
    """Accuracy at every step (paper 003, Fig. 1), and each layer's distance from the QANN's feature map (Fig. 5)."""
    made: Any = require("matplotlib.figure", "viz").Figure(figsize=(11, 3.8), layout="constrained")
    made.suptitle(f"{found['network']}, {found['method']}, {found['images']:,} images")
    left, right = made.subplots(1, 2)
    steps = range(1, len(found["accuracy"]) + 1)
    left.plot(steps, found["accuracy"], marker=".", label="SNN")
    left.axhline(found["qann_accuracy"], color="0.3", linewidth=0.8, linestyle="--", label="QANN")
    left.axvline(found["T_eq"], color="0.7", linewidth=0.8, label="last spike")
    left.set(xlabel="step", ylabel="accuracy (%)")
    left.legend(fontsize=8, frameon=False)
    for name, layer in found["layers"].items():
        right.plot(steps, layer["distance"], linewidth=1, label=name)
    right.set(xlabel="step", ylabel="mean distance from the QANN (levels)", ylim=(0, None))
    right.legend(fontsize=6, frameon=False, ncols=2)
    return made
