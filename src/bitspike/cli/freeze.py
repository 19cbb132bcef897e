"""`bitspike freeze`: a trained run as integers, in one file, beside the floats that it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import bitspike
from bitspike.cli.notices import notices
from bitspike.cli.options import DataDir, Json, print_json
from bitspike.cli.tables import print_tables

__all__ = ["freeze"]


def freeze(
    run: Annotated[Path, typer.Argument(help="A run folder that `bitspike train` made.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, for example net.bitspike.")],
    images: Annotated[
        int, typer.Option("--images", min=0, help="Images to compare spikes on; 0 freezes without data.")
    ] = 1000,
    split: Annotated[
        Literal["test", "validation"], typer.Option("--split", help="Which images to compare on.")
    ] = "validation",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Turn a trained network into integers, write them as one file, and print how far they agree with the floats.

    Batch norm, scales and thresholds become one integer multiplier and offset for each channel; every value's range is
    proven, so that nothing can overflow. The comparison says, layer by layer, how many spikes differ, how many of those
    by the layer's own rounding, and how near to the threshold they were.

    Example: bitspike freeze runs/fashion-convnet-2-2-1-seed0 -o net.bitspike --data-dir ~/data
    """
    with notices():
        result = bitspike.freeze(run, output, images=images, split=split, data_dir=data_dir).to_dict()
    if as_json:
        print_json(result)
        return
    from bitspike import reports

    if "layers" in result:
        print_tables(reports.agreement_table(result))
    for line in reports.frozen_lines(result):
        typer.echo(line)
