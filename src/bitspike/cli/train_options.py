"""Options of `bitspike train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bitspike.errors import UserError
from bitspike.files import is_there

__all__ = ["Config", "Dataset", "Edits", "Init", "Name", "Recipe", "Seeds", "Show", "check_one", "run_of"]

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
Init = Annotated[
    Path | None,
    typer.Option("--init", metavar="RUN", help="Start from the weights of another run of the same network."),
]
Seeds = Annotated[
    str | None, typer.Option("--seeds", help="A run for each, NAME-seedN, with their mean and spread: 0-2, or 0,3,7.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run folder. Default: recipe, bits and seed.")]


def run_of(folder: Path) -> str:
    """The folder of a run that others start from, whole, so that it is found from anywhere.

    Raises:
        UserError: there is no checkpoint in it.
    """
    if not is_there(folder / "checkpoint.safetensors"):
        raise UserError("--init", str(folder), "want the folder of a run, with a checkpoint in it")
    return json.dumps(str(folder.absolute()))


def check_one(**many: object) -> None:
    """Refuses what is for several runs where there is one."""
    for option, value in many.items():
        if value is not None:
            raise UserError(f"--{option}", value, "it is for several runs: give --seeds too (docs/scale.md)")
