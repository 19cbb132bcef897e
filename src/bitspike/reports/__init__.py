"""Reports: tables of what was trained and what it costs."""

from bitspike.reports.bench import bench_tables
from bitspike.reports.conversion import (
    conversion_figure,
    conversion_lines,
    conversion_table,
    source_lines,
    source_warnings,
)
from bitspike.reports.datasets import check_lines, checks_tables, datasets_table
from bitspike.reports.energy import energy_table
from bitspike.reports.hardware import hardware_table
from bitspike.reports.pareto import budget_table, pareto_table, save_pareto
from bitspike.reports.pictures import check_picture, save_picture
from bitspike.reports.shipping import agreement_table, footprint_table, frozen_lines, verilog_table
from bitspike.reports.tables import (
    activity_tables,
    cost_table,
    cost_tables,
    memory_table,
    results_table,
    si,
    total_table,
)

__all__ = [
    "activity_tables",
    "agreement_table",
    "bench_tables",
    "budget_table",
    "check_lines",
    "check_picture",
    "checks_tables",
    "conversion_figure",
    "conversion_lines",
    "conversion_table",
    "cost_table",
    "cost_tables",
    "datasets_table",
    "energy_table",
    "footprint_table",
    "frozen_lines",
    "hardware_table",
    "memory_table",
    "pareto_table",
    "results_table",
    "save_pareto",
    "save_picture",
    "si",
    "source_lines",
    "source_warnings",
    "total_table",
    "verilog_table",
]
