"""`bitspike data`: which data sets there are, which of them are here, and whether their files are whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from bitspike.cli.options import DataDir, Json, print_json
from bitspike.cli.tables import print_tables
from bitspike.cli.verb import Verb

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("list", cls=Verb)
def list_datasets(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Print every data set, where it is, and how to get it if it is not here.

    Files are looked for in --data-dir, else in $BITSPIKE_DATA, else in ./data. Nothing is downloaded.
    """
    from bitspike.api.datasets import datasets
    from bitspike.datasets.files import data_directory

    directory, rows = str(data_directory(data_dir)), datasets(data_dir)
    if as_json:
        print_json({"data_dir": directory, "datasets": rows})
        return
    from rich.console import Console

    from bitspike import reports

    console = Console()
    print_tables(reports.datasets_table(rows, directory))
    for row in rows:
        if len(row["here"]) < 2:
            console.print(f"{row['name']}: {row['problem'] or row['how_to_get']}.", highlight=False, markup=False)


@app.command("check", cls=Verb)
def check_datasets(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Data sets to check. Default: all.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read data sets file by file: are they there, whole, and the official ones?

    Exit status 2 if a file is damaged or not the official one, or if a data set that was named is missing.
    """
    from bitspike.datasets import DATASETS
    from bitspike.datasets.detection_sets import DETECTION_SETS
    from bitspike.datasets.event_checks import check_any
    from bitspike.datasets.event_sets import EVENT_SETS

    known = list(dict.fromkeys([*DATASETS, *EVENT_SETS, *DETECTION_SETS]))
    results = [result for name in names or known for result in check_any(name, data_dir)]
    rows = [{**asdict(result), "ok": result.ok} for result in results]
    if as_json:
        print_json(rows)
    else:
        _print_checks(rows)
    if wrong := [result for result in results if not result.ok and (result.present or names)]:
        typer.echo(f"bitspike: {wrong[0].refusal}", err=True)
        raise typer.Exit(2)


def _print_checks(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console

    from bitspike import reports
    from bitspike.api.datasets import how_to_get

    print_tables(*reports.checks_tables(rows))
    wrong = sorted({row["dataset"] for row in rows if not row["ok"]})
    for line in [*reports.check_lines(rows), *(f"{name}: {how_to_get(name)}." for name in wrong)]:
        Console().print(line, highlight=False, markup=False, soft_wrap=True)
