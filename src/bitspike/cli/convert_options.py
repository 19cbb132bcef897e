"""Options of `bitspike convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Ann",
    "Dataset",
    "Edits",
    "Images",
    "MaxPool",
    "Mean",
    "Method",
    "Name",
    "Picture",
    "Source",
    "Split",
    "Std",
    "Steps",
    "StopWhenSettled",
]

Source = Annotated[
    str,
    typer.Argument(
        help="A recipe (spikezip-...), a run of relu or q-relu neurons, or package.module:function of your own."
    ),
]
Edits = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Edit the fine-tuning: neuron.levels=4, epochs=5, neuron.paths=."),
]
Ann = Annotated[
    Path | None,
    typer.Option("--ann", help="Run folder of a recipe's network of ReLUs; trained there if it is not there yet."),
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", help="What a network of your own classifies, or finds boxes in.")
]
Mean = Annotated[
    str | None,
    typer.Option(metavar="M[,M...]", help="Of your images: of pixels/255, one number or one for each channel."),
]
Std = Annotated[
    str | None, typer.Option(metavar="S[,S...]", help="The same of their deviation. Without both: (pixel - 128)/64.")
]
MaxPool = Annotated[
    Literal["mean", "spiking"] | None,
    typer.Option(help="What max pools become: mean pools (default), or max pools of spikes, which stay as they are."),
]
Method = Annotated[str, typer.Option("--method", help="spikezip, qcfs, fast-snn, opi, offset-spike or sliprelu.")]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", help="Steps of the spiking network. Default: the method's, or all that it may take to settle."
    ),
]
Images = Annotated[
    int | None, typer.Option("--images", min=1, help="How many images to check it on. Default: all of the split.")
]
Split = Annotated[Literal["test", "validation"], typer.Option("--split", help="Which images.")]
StopWhenSettled = Annotated[
    bool, typer.Option("--stop-when-settled", help="Check each batch for as few steps as settle it.")
]
Picture = Annotated[
    Path | None, typer.Option("--picture", help="File for accuracy and feature maps by step: .png, .svg or .pdf.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run folder of the fine-tuning.")]
