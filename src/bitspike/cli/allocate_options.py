"""Options of `bitspike allocate`."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Ahead",
    "Edits",
    "FineTuneEpochs",
    "MaxBitBudget",
    "MaxEnergy",
    "MaxFlash",
    "MaxInstructions",
    "MaxRam",
    "MaxSAce",
    "MaxSize",
    "Name",
    "Recipe",
    "Trials",
]

Recipe = Annotated[
    str, typer.Argument(help="An adaptive recipe, or of a device's limits any; `bitspike train --list` prints them.")
]
MaxSize = Annotated[str | None, typer.Option("--max-size", help="Bytes of weights and constants, as 40k.")]
MaxSAce = Annotated[str | None, typer.Option("--max-s-ace", help="Bit operations of an image, as 5M.")]
MaxBitBudget = Annotated[str | None, typer.Option("--max-bit-budget", help="Mean Bit Budget of a multiply-accumulate.")]
MaxEnergy = Annotated[
    str | None, typer.Option("--max-energy", help="nJ of an image: Lemaire's model, measured spikes.")
]
MaxFlash = Annotated[str | None, typer.Option("--max-flash", help="Bytes of flash of the exported C, as 20k.")]
MaxRam = Annotated[str | None, typer.Option("--max-ram", help="Bytes of RAM of it, with its stack, as 4k.")]
MaxInstructions = Annotated[
    str | None, typer.Option("--max-instructions", help="Instructions of a Cortex-M4 for an input, estimated, as 5M.")
]
Edits = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Edit the recipe, as in `bitspike train`.")
]
FineTuneEpochs = Annotated[
    int | None, typer.Option("--fine-tune-epochs", min=1, help="With fixed bits. Default: half the recipe's.")
]
Trials = Annotated[
    int, typer.Option("--trials", min=1, help="Above 1: so many networks, with budgets up to those given.")
]
Ahead = Annotated[
    int | None,
    typer.Option(
        "--ahead", min=1, help="Trials drawn before a first result is known, as many run at once. Default: 8."
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run folder. Default: recipe-allocated.")]
