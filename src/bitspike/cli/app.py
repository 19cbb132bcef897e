"""The `bitspike` command and how it ends."""

from __future__ import annotations

import sys
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
    threads,
    train,
)
from bitspike.errors import UserError

__all__ = ["app", "main"]

# typer may carry a click of its own; either way this is its base of all usage errors
CLICK_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException" and issubclass(kind, Exception)
)

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


def main() -> None:
    """Runs the command; exits 0, 2 with one line for bad input, 130 when interrupted."""
    threads.share_cores()
    try:
        status = app(standalone_mode=False)
    except UserError as wrong:
        _refuse(str(wrong))
    except CLICK_ERROR as wrong:
        _refuse(f"{wrong.format_message()} (see bitspike --help)")  # type: ignore[attr-defined]
    except MemoryError as wrong:
        _refuse(f"memory: it does not hold this; {wrong or 'a smaller network or batch may do'}")
    except (KeyboardInterrupt, typer.Abort):
        print("bitspike: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def _refuse(line: str) -> None:
    print(f"bitspike: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(2)
