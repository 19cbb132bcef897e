"""Energy as a table, in the rows of paper 004's Table 3."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from bitspike.costs import EnergyReport
from bitspike.reports.tables import si

__all__ = ["energy_table"]

ROWS = (
    ("potentials", "potentials"),
    ("weights", "weights"),
    ("bias", "bias"),
    ("in/out", "in_out"),
    ("memory", "memory"),
    ("synaptic operations", "synaptic"),
    ("addressing", "addressing"),
    ("total", "total"),
)


def energy_table(report: EnergyReport) -> Table:
    """nJ per inference, as an ANN and on the spikes that were measured; an en dash is what the model does not count."""
    about = escape(f"{report.energy}: {report.about}")
    table = Table(title=escape(f"energy of {report.network} in nJ per inference"), caption=about)
    table.add_column("", no_wrap=True)
    totals = {"ANN": report.ann.total} | ({"SNN": report.snn.total} if report.snn else {})
    for column in totals:
        table.add_column(column, justify="right", no_wrap=True)
    for label, part in ROWS:
        table.add_row(label, *(si(getattr(total, part)) for total in totals.values()), end_section=label == "memory")
    if report.ratio is not None:
        table.add_section()
        table.add_row("E_SNN / E_ANN", "", f"{report.ratio:.3f}")
    return table
