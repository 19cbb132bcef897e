"""What a network takes on an FPGA, as a table."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from bitspike.costs import HardwareReport
from bitspike.reports.tables import si

__all__ = ["hardware_table"]


def hardware_table(report: HardwareReport) -> Table:
    """An engine a column: LUTs and flip-flops of its elements, memory, cycles of an image, clock, images a second."""
    table = Table(
        title=escape(f"estimate: {report.network} on {report.device}, {report.elements} elements"),
        caption=escape(
            f"{report.about}. Elements and memories: {report.w}-bit weights, {report.s}-bit levels,"
            f" {report.a}-bit sums; without control and neurons. Nothing here is measured."
        ),
    )
    table.add_column("", no_wrap=True)
    for engine in report.engines:
        table.add_column(engine.element, justify="right", no_wrap=True)
    rows = {
        f"LUTs, of {si(report.device_luts)}": [si(engine.luts) for engine in report.engines],
        "flip-flops": [si(engine.flip_flops) for engine in report.engines],
        f"memory bits, of {si(report.device_memory_bits)}": [si(report.memory_bits["total"])] * len(report.engines),
        "cycles of an image, at least": [si(engine.cycles) for engine in report.engines],
        "MHz": [si(engine.mhz) for engine in report.engines],
        "images/s, at most": [si(engine.images_per_second) for engine in report.engines],
    }
    for label, cells in rows.items():
        table.add_row(label, *cells)
    return table
