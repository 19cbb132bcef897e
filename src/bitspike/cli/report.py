"""`bitspike report`: finished runs as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.notices import notices
from bitspike.cli.options import DataDir, Json, given, print_json
from bitspike.cli.verb import print_list

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
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .png, .svg or .pdf.")],
    images: Annotated[int | None, typer.Option("--images", help="Of boxes: how many test images. Default: 4.")] = None,
    lowest: Annotated[
        float | None, typer.Option("--lowest", help="Of boxes: the lowest probability shown. Default: 0.3.")
    ] = None,
    data_dir: DataDir = None,
    show: Annotated[
        bool, typer.Option("--list", callback=_print_figures, is_eager=True, help="Print the pictures and exit.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw what was measured in finished runs, layer by layer, run beside run; or the boxes that networks find.

    Examples: bitspike report information runs/with runs/without -o information.png;
    bitspike report boxes runs/ann runs/quantized snn.bitspike -o boxes.png
    """
    from bitspike.api.report import drawn
    from bitspike.reports import check_picture, save_picture

    check_picture("--output", output)
    with notices():
        picture = drawn(name, runs, data_dir, **given(images=images, lowest=lowest))
    save_picture(picture, output)
    if as_json:
        print_json({"figure": name, "runs": [str(run) for run in runs], "file": str(output)})
    else:
        typer.echo(f"wrote {output}")
