"""Rows of a paper's table on the terminal: published, ours, and what is between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from bitspike.reproduce import Row

__all__ = ["published_table"]


def published_table(title: str, rows: Sequence[Row], notes: Mapping[str, int]) -> Table:
    """Rows of one unit. A note, which many rows share, is a number here and a line below."""
    from rich.markup import escape
    from rich.table import Column, Table

    conventions = " or ".join(dict.fromkeys(row.counting for row in rows))
    agree = f"{sum(row.agrees for row in rows)} of {len(rows)} as printed"
    truly = any(row.true is not None for row in rows)
    table = Table(
        Column("row", overflow="fold"),
        *(Column(name, justify="right", no_wrap=True) for name in ("published", "ours", "off by")),
        *((Column("true", justify="right", no_wrap=True),) if truly else ()),
        Column("status", no_wrap=True),
        title=escape(f"{title}, {rows[0].unit}"),
        caption=escape(f"{agree}; ours: counted as {conventions}" + ("; true: as exact" if truly else "")),
    )
    for row in rows:
        shown = (row.ours, row.difference, row.true) if truly else (row.ours, row.difference)
        cells = ("–" if value is None else row.at_one_digit_more(value) for value in shown)
        note = f" [{notes[row.why]}]" if row.why else ""
        table.add_row(escape(row.row), row.printed, *cells, escape(row.status + note))
    return table
