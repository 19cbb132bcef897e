"""Options of `bitspike cost`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Activity",
    "Batch",
    "Bits",
    "Channels",
    "Classes",
    "Counting",
    "Energy",
    "Fifo",
    "Image",
    "Leak",
    "Levels",
    "MemoryWidth",
    "Model",
    "Plan",
    "SpikeCost",
]

MOST_CLASSES = 1_000_000
MOST_IMAGES = 1_000_000

Model = Annotated[
    str,
    typer.Argument(
        help="A network of the registry, a recipe, a run folder, a frozen file, or package.module:function of your own."
    ),
]
Bits = Annotated[
    str | None,
    typer.Option(
        "--bits", help="Weight/spike/steps, or .../membrane, of every layer. Default: 16/1/4, or 16/1/T of a train."
    ),
]
Plan = Annotated[Path | None, typer.Option("--plan", help="JSON file with the bits of single layers.")]
Image = Annotated[
    str | None,
    typer.Option("--input", metavar="[T@]CxHxW", help="Shape of an image, or train. Default: 3x32x32."),
]
Levels = Annotated[
    str | None, typer.Option("--levels", metavar="LO..HI", help="Levels of the --input. Default: 0..1 of a train.")
]
Classes = Annotated[
    int | None,
    typer.Option(
        "--classes", min=1, max=MOST_CLASSES, help="Classes. Default: 10, or 1000 for images above 64 pixels."
    ),
]
Channels = Annotated[str | None, typer.Option("--channels", help="Channels of each stage, for example 16,32,64.")]
Counting = Annotated[
    str,
    typer.Option("--counting", help="What the count includes: exact, paper-000 (or -without-attention), paper-001."),
]
Batch = Annotated[
    int, typer.Option("--batch", min=1, max=MOST_IMAGES, help="Images at once, for the memory footprint.")
]
Activity = Annotated[Path | None, typer.Option("--activity", help="The activity.json of a run of the same network.")]
Energy = Annotated[
    str | None,
    typer.Option("--energy", help="Energy too: lemaire, lemaire-int8, horowitz, horowitz-int, sop-77fj or gates."),
]
MemoryWidth = Annotated[
    int | None, typer.Option("--memory-width", help="lemaire: bits of an element of the memories. Default: 16.")
]
Fifo = Annotated[int | None, typer.Option("--fifo", help="lemaire: elements of the buffers of spikes. Default: 1000.")]
SpikeCost = Annotated[
    str | None,
    typer.Option("--spike-cost", help="lemaire: additions of a graded spike: worst (N, the default) or level."),
]
Leak = Annotated[bool, typer.Option("--leak", help="lemaire: the neurons leak.")]
