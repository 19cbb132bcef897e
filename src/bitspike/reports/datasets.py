"""Data sets as tables: what is there, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Column, Table
from rich.text import Text

__all__ = ["checks_table", "datasets_table"]


def datasets_table(rows: Sequence[Mapping[str, Any]], directory: str) -> Table:
    """A row for each data set (`bitspike data list --json`)."""
    columns = (Column(name, no_wrap=True) for name in ("name", "image", "classes", "train", "test", "here"))
    table = Table(*columns, title=Text(f"data sets in {directory}"))
    for row in rows:
        here = (
            "cannot be read"
            if row["problem"]
            else {2: "yes", 1: f"{' '.join(row['here'])} only", 0: "no"}[len(row["here"])]
        )
        table.add_row(row["name"], row["image"], *(f"{row[key]:,}" for key in ("classes", "train", "test")), here)
    return table


def checks_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each file (`bitspike data check --json`)."""
    file = Column("file", overflow="fold", min_width=20)  # a path; it folds
    table = Table(*(Column(name, no_wrap=True) for name in ("data set", "split")), file)
    for name in ("bytes", "checksum"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        place = row["path"] if row["present"] else f"missing from {row['path']}"
        table.add_row(row["dataset"], row["split"], Text(place), f"{row['bytes']:,}", row["checksum"])
    return table
