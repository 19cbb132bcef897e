"""`bitspike report`: finished runs as a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

import bitspike
from bitspike.cli.options import Json, print_json
from bitspike.cli.runs import Csv
from bitspike.cli.tables import print_tables
from bitspike.cli.verb import print_list
from bitspike.errors import UserError

__all__ = ["report"]

PARETO = "pareto"


def _print_figures(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from bitspike.reports import compared_figure
        from bitspike.reports.figures import FIGURES

        print_list(ctx, "figure", {name: make.__doc__ for name, make in {**FIGURES, PARETO: compared_figure}.items()})


def report(
    name: Annotated[str, typer.Argument(metavar="FIGURE", help="Which picture; --list prints them.")],
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `bitspike train` finished, side by side.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .png, .svg or .pdf. pareto needs none.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", callback=_print_figures, is_eager=True, help="Print the pictures and exit.")
    ] = False,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Draw what was measured in finished runs, layer by layer, run beside run; or accuracy against cost, with a table.

    Examples: bitspike report information runs/with runs/without -o information.png;
    bitspike report pareto runs/a runs/b-seed0 runs/b-seed1 -o pareto.svg
    """
    from bitspike import reports
    from bitspike.api.runs import compared
    from bitspike.reports.figures import check_figure, figure

    if output is not None:
        reports.check_picture("--output", output)
    if name != PARETO:
        check_figure(name)
        if output is None or as_csv:
            raise UserError("--output" if output is None else "--csv", None, f"{name} is a picture; want --output FILE")
    rows = compared(runs) if name == PARETO else []
    if output is not None:
        drawn = reports.compared_figure(rows) if name == PARETO else figure(name, _costs(runs))
        reports.save_picture(drawn, output)
    if as_json:
        told = {"figure": name, "runs": [str(run) for run in runs], "file": None if output is None else str(output)}
        print_json(told | ({"rows": rows} if name == PARETO else {}))
    elif as_csv:
        typer.echo(reports.as_csv(rows), nl=False)
    else:
        print_tables(*[reports.compared_table(rows)] * bool(rows))
        typer.echo(f"wrote {output}") if output is not None else None


def _costs(runs: list[Path]) -> dict[str, Any]:
    """Of each run, by the shortest name that tells it."""
    found = {}
    for run in runs:
        name_of = Path(os.path.realpath(run)).name
        found[name_of if name_of not in found else str(run)] = bitspike.load_run(run).cost()
    return found
