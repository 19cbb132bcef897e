"""`bitspike report`: finished runs as a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.cost import of_run
from bitspike.errors import UserError
from bitspike.files import write_atomically

__all__ = ["report"]

FORMATS = ("png", "svg", "pdf")


def _print_figures(wanted: bool) -> None:
    if wanted:
        from bitspike.reports.figures import FIGURES

        for name, make in FIGURES.items():
            typer.echo(f"{name:16}{(make.__doc__ or '').splitlines()[0]}")
        raise typer.Exit


def report(
    name: Annotated[str, typer.Argument(metavar="FIGURE", help="Which picture; --list prints them.")],
    runs: Annotated[list[Path], typer.Argument(help="Run folders that `bitspike train` finished, side by side.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .png, .svg or .pdf.")],
    show: Annotated[
        bool, typer.Option("--list", callback=_print_figures, is_eager=True, help="Print the pictures and exit.")
    ] = False,
) -> None:
    """Draw what was measured in finished runs, layer by layer, run beside run.

    Example: bitspike report information runs/with runs/without -o information.png
    """
    from bitspike.costs import cost
    from bitspike.reports.figures import figure

    kind = output.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise UserError("--output", str(output), f"want a name that ends in one of {', '.join(FORMATS)}")
    reports = {}
    for run in runs:
        label = run.resolve().name if run.resolve().name not in reports else str(run)
        graph, activity = of_run(run)
        reports[label] = cost(graph, "exact", activity)
    content = io.BytesIO()
    figure(name, reports).savefig(content, format=kind, dpi=150)
    write_atomically(output, content.getvalue())
    typer.echo(f"wrote {output}")
