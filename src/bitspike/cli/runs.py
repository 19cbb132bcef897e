"""`bitspike runs`: all runs in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.options import Json, print_json
from bitspike.cli.tables import print_tables
from bitspike.errors import UserError

__all__ = ["Csv", "runs"]

Csv = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV, and nothing else, on stdout.")]


def runs(
    folder: Annotated[Path, typer.Argument(help="Where run folders are, also in folders of it.")] = Path("runs"),
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Print all runs: what was trained on which data, how far, and what came of it.

    Example: bitspike runs --csv
    """
    from bitspike import reports
    from bitspike.api.runs import runs as found

    if as_csv and as_json:
        raise UserError("--csv", True, "give one of --csv and --json")
    rows = found(folder)
    if as_json:
        print_json(rows)
    elif as_csv:
        typer.echo(reports.as_csv(rows), nl=False)
    else:
        print_tables(reports.runs_table(rows, str(folder)))
