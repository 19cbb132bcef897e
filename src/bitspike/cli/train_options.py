"""Options of `bitspike train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Config", "Dataset", "Edits", "Name", "Recipe", "Show"]

Recipe = Annotated[
    str | None,
    typer.Argument(
        help="Name of the recipe; --list prints them. Or package.module:function, a network of your own.",
        show_default=False,
    ),
]
Edits = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Edit the recipe: bits=1/4/1, epochs=5, optimizer.lr=0.01. One for each; --show prints the keys.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="A file in place of a recipe, as --show --json prints it."),
]
Show = Annotated[bool, typer.Option("--show", help="Print the config as KEY=VALUE (with --json as JSON), and exit.")]
Dataset = Annotated[
    str | None,
    typer.Option(
        help="In place of the recipe's: a name, or of your own folder:PATH@64, npz:FILE, hf:PATH, events:PATH or"
        " package.module:function."
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run folder. Default: recipe, bits and seed.")]
