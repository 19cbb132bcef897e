"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_tables"]


def print_tables(*tables: Table) -> None:
    """Prints tables. Where the terminal is narrower than names and numbers are, lines are longer: neither is cut."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    endless = console.options.update(max_width=10_000)
    for table in tables:
        for column in table.columns:
            if column.no_wrap:
                cells = (column.header, *column.cells)
                column.min_width = max(Measurement.get(console, endless, cell).maximum for cell in cells)
        least = Measurement.get(console, endless, table).minimum
        Console(width=max(console.width, least)).print(table)
