"""Reports: tables of what was trained and what it costs."""

from bitspike.reports.conversion import conversion_figure, conversion_table
from bitspike.reports.energy import energy_table
from bitspike.reports.pareto import budget_table, pareto_table, save_pareto
from bitspike.reports.tables import (
    activity_tables,
    agreement_table,
    cost_table,
    footprint_table,
    memory_table,
    results_table,
    si,
    total_table,
)

__all__ = [
    "activity_tables",
    "agreement_table",
    "budget_table",
    "conversion_figure",
    "conversion_table",
    "cost_table",
    "energy_table",
    "footprint_table",
    "memory_table",
    "pareto_table",
    "results_table",
    "save_pareto",
    "si",
    "total_table",
]
