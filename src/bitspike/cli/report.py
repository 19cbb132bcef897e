"""`bitspike report`: finished runs as a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import bitspike
from bitspike.cli.options import Json, print_json
from bitspike.cli.verb import print_list

__all__ = ["report"]


def _print_figures(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from bitspike.reports.figures import FIGURES

        print_list(ctx, "figure", {name: make.__doc__ for name, make in FIGURES.items()})


def report(
    name: Annotated[str, typer.Argument(metavar="FIGURE", help="Which picture; --list prints them.")],
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `bitspike train` finished, side by side.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .png, .svg or .pdf.")],
    show: Annotated[
        bool, typer.Option("--list", callback=_print_figures, is_eager=True, help="Print the pictures and exit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw what was measured in finished runs, layer by layer, run beside run.

    Example: bitspike report information runs/with runs/without -o information.png
    """
    from bitspike.reports import check_picture, save_picture
    from bitspike.reports.figures import check_figure, figure

    check_picture("--output", output)
    check_figure(name)
    reports = {}
    for run in runs:
        name_of = Path(os.path.realpath(run)).name
        label = name_of if name_of not in reports else str(run)
        reports[label] = bitspike.load_run(run).cost()
    save_picture(figure(name, reports), output)
    if as_json:
        print_json({"figure": name, "runs": [str(run) for run in runs], "file": str(output)})
    else:
        typer.echo(f"wrote {output}")
