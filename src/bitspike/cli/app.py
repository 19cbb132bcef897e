"""The `bitspike` command: its verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from bitspike import __version__
from bitspike.cli import (
    allocate,
    bench,
    convert,
    cost,
    data,
    evaluate,
    export,
    freeze,
    predict,
    quickstart,
    report,
    reproduce,
    runs,
    train,
)
from bitspike.cli.verb import Verb

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Low-bit spiking neural networks: train them, see what they cost in bits, and ship them as integers.",
)
app.command("quickstart", cls=Verb)(quickstart.quickstart)
app.command("train", cls=Verb)(train.train)
app.command("evaluate", cls=Verb)(evaluate.evaluate)
app.command("predict", cls=Verb)(predict.predict)
app.command("allocate", cls=Verb)(allocate.allocate)
app.command("convert", cls=Verb)(convert.convert)
app.command("cost", cls=Verb)(cost.cost)
app.command("runs", cls=Verb)(runs.runs)
app.command("report", cls=Verb)(report.report)
app.command("reproduce", cls=Verb)(reproduce.reproduce)
app.command("freeze", cls=Verb)(freeze.freeze)
app.command("export", cls=Verb)(export.export)
app.command("bench", cls=Verb)(bench.bench)
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
