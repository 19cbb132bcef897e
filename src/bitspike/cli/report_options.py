"""The options of `bitspike report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.verb import print_list

__all__ = ["Figure", "Images", "Lowest", "Output", "Runs", "Show"]


def _print_figures(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from bitspike.api.report import pictures

        print_list(ctx, "figure", pictures())


Figure = Annotated[
    str, typer.Argument(metavar="[FIGURE]", help="Which picture; --list prints them. For a page there is none.")
]
Runs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RUNS...", help="Run folders that `bitspike train` finished; files of `bitspike freeze`."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File to write: .html, a page; .png, .svg or .pdf, a picture. pareto needs none."
    ),
]
Images = Annotated[int | None, typer.Option("--images", help="Of boxes: how many test images. Default: 4.")]
Lowest = Annotated[float | None, typer.Option("--lowest", help="Of boxes: the lowest probability shown. Default: 0.3.")]
Show = Annotated[
    bool, typer.Option("--list", callback=_print_figures, is_eager=True, help="Print the pictures and exit.")
]
