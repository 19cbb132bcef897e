"""`bitspike reproduce`: a paper's table, its numbers beside ours."""

from __future__ import annotations

from typing import Annotated

import typer

from bitspike.cli.options import Json, print_json
from bitspike.cli.published import published_table
from bitspike.cli.tables import print_tables

__all__ = ["reproduce"]


def reproduce(
    table: Annotated[
        str | None, typer.Argument(help="Paper and table, for example 002/table2. Without it, all are listed.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the tables and exit, as without a table.")] = False,
    as_json: Json = False,
) -> None:
    """Recompute a table of a paper from the networks themselves, and print its numbers beside ours.

    The column `true` is what the same network comes to when all that runs is counted, by the convention `exact`. A
    misprint has its reason below; what needs training, the command and the best result so far.

    Example: bitspike reproduce 002/table2
    """
    from bitspike.reproduce import TABLES, reproduce

    titles = {name: (rows.__doc__ or "").strip() for name, rows in TABLES.items()}
    if table is None or listed:
        _list(titles, as_json)
        return
    rows = reproduce(table)
    if as_json:
        print_json({"table": table, "title": titles[table], "rows": [row.to_dict() for row in rows]})
        return
    from rich.console import Console

    notes = {why: number for number, why in enumerate(dict.fromkeys(row.why for row in rows if row.why), 1)}
    for unit in dict.fromkeys(row.unit for row in rows):
        print_tables(published_table(titles[table], [row for row in rows if row.unit == unit], notes))
    for note, number in notes.items():
        Console().print(f"[{number}] {note}.", highlight=False, markup=False)


def _list(titles: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json({"tables": [{"table": name, "title": title} for name, title in titles.items()]})
        return
    for name, title in titles.items():
        typer.echo(f"{name:<16}{title}")
