"""`bitspike report`: finished runs as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.notices import notices
from bitspike.cli.options import DataDir, Json, given, print_json
from bitspike.cli.runs import Csv
from bitspike.cli.tables import print_tables
from bitspike.cli.verb import print_list
from bitspike.errors import UserError

__all__ = ["report"]


def _print_figures(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from bitspike.api.report import pictures

        print_list(ctx, "figure", pictures())


def report(
    name: Annotated[str, typer.Argument(metavar="FIGURE", help="Which picture; --list prints them.")],
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders that `bitspike train` finished, side by side; of boxes also frozen files."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .png, .svg or .pdf. pareto needs none.")
    ] = None,
    images: Annotated[int | None, typer.Option("--images", help="Of boxes: how many test images. Default: 4.")] = None,
    lowest: Annotated[
        float | None, typer.Option("--lowest", help="Of boxes: the lowest probability shown. Default: 0.3.")
    ] = None,
    data_dir: DataDir = None,
    show: Annotated[
        bool, typer.Option("--list", callback=_print_figures, is_eager=True, help="Print the pictures and exit.")
    ] = False,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Draw what was measured in finished runs, layer by layer, run beside run; accuracy against cost; or boxes.

    Examples: bitspike report information runs/with runs/without -o information.png;
    bitspike report pareto runs/a runs/b-seed0 runs/b-seed1 -o pareto.svg;
    bitspike report boxes runs/ann runs/quantized snn.bitspike -o boxes.png
    """
    from bitspike import reports
    from bitspike.api.report import PARETO, check_picture_name, drawn
    from bitspike.api.runs import compared

    check_picture_name(name)
    if output is not None:
        reports.check_picture("--output", output)
    elif name != PARETO:
        raise UserError("--output", None, f"{name} is a picture; want --output FILE")
    if as_csv and name != PARETO:
        raise UserError("--csv", name, f"it is for {PARETO}")
    rows = compared(runs) if name == PARETO else []
    if output is not None:
        with notices():
            picture = drawn(name, runs, data_dir, **given(images=images, lowest=lowest))
        reports.save_picture(picture, output)
    if as_json:
        told = {"figure": name, "runs": [str(run) for run in runs], "file": None if output is None else str(output)}
        print_json(told | ({"rows": rows} if name == PARETO else {}))
    elif as_csv:
        typer.echo(reports.as_csv(rows), nl=False)
    else:
        print_tables(*[reports.compared_table(rows)] * bool(rows))
        typer.echo(f"wrote {output}") if output is not None else None
