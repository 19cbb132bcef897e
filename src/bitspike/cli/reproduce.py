"""`bitspike reproduce`: a paper's table, its numbers beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bitspike.cli.options import Json, print_json
from bitspike.cli.tables import print_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from bitspike.reproduce import Row

__all__ = ["reproduce"]


def reproduce(
    table: Annotated[
        str | None, typer.Argument(help="Paper and table, for example 002/table2. Without it, all are listed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute a table of a paper from the networks themselves, and print its numbers beside ours.

    The column `true` is what the same network comes to when all that runs is counted, by the convention `exact`.

    Example: bitspike reproduce 002/table2
    """
    from bitspike.reproduce import TABLES, reproduce

    titles = {name: (rows.__doc__ or "").strip() for name, rows in TABLES.items()}
    if table is None:
        _list(titles, as_json)
        return
    rows = reproduce(table)
    if as_json:
        print_json({"table": table, "title": titles[table], "rows": [row.to_dict() for row in rows]})
        return
    from rich.console import Console

    notes = {note: number for number, note in enumerate(dict.fromkeys(row.note for row in rows if row.note), 1)}
    for unit in dict.fromkeys(row.unit for row in rows):
        print_tables(_table(titles[table], [row for row in rows if row.unit == unit], notes))
    for note, number in notes.items():
        Console().print(f"[{number}] {note}.", highlight=False, markup=False)


def _list(titles: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json({"tables": [{"table": name, "title": title} for name, title in titles.items()]})
        return
    for name, title in titles.items():
        typer.echo(f"{name:<16}{title}")


def _table(title: str, rows: Sequence[Row], notes: dict[str, int]) -> Table:
    """Rows of one unit. A note, which many rows share, is a number here and a line below."""
    from rich.markup import escape
    from rich.table import Column, Table

    conventions = " or ".join(dict.fromkeys(row.counting for row in rows))
    agree = f"{sum(row.agrees for row in rows)} of {len(rows)} as printed"
    table = Table(
        Column("row", overflow="fold"),
        *(Column(name, justify="right", no_wrap=True) for name in ("published", "ours", "ratio", "true", "note")),
        title=escape(f"{title}, {rows[0].unit}"),
        caption=escape(f"{agree}; ours: counted as {conventions}; true: as exact"),
    )
    for row in rows:
        ours, true = ("–" if value is None else row.at_one_digit_more(value) for value in (row.ours, row.true))
        ratio = "–" if row.ratio is None else f"{row.ratio:.4f}"
        note = f"[{notes[row.note]}]" if row.note else ""
        table.add_row(escape(row.row), row.printed, ours, ratio, true, escape(note))
    return table
