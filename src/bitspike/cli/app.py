"""The `bitspike` command: its verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from bitspike import __version__
from bitspike.cli import (
    allocate,
    convert,
    cost,
    data,
    evaluate,
    export,
    freeze,
    quickstart,
    report,
    reproduce,
    train,
)

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Low-bit spiking neural networks: train them, see what they cost in bits, and ship them as integers.",
)
app.command("quickstart")(quickstart.quickstart)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("allocate")(allocate.allocate)
app.command("convert")(convert.convert)
app.command("cost")(cost.cost)
app.command("report")(report.report)
app.command("reproduce")(reproduce.reproduce)
app.command("freeze")(freeze.freeze)
app.command("export")(export.export)
app.add_typer(data.app, name="data", help="The data sets: what is there, whether it is whole, how to get it.")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
