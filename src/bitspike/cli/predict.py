"""`bitspike predict`: what a trained or frozen network sees in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitspike.cli.options import Json, print_json
from bitspike.errors import UserError

__all__ = ["predict"]


def predict(
    net: Annotated[Path, typer.Argument(help="A run folder of `bitspike train`, or a file of `bitspike freeze`.")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Pictures, .npy arrays, or sounds and recordings of events where the network reads these."),
    ],
    as_json: Json = False,
) -> None:
    """Classify files: the class of each by name, with the scores of the likeliest.

    A score is the softmax of the logits. A picture is scaled and cut as those that the network was trained on. Of a
    network of your own the run's code is run; a frozen file holds none. A file that cannot be read is one line on
    stderr; the others are classified, and the exit status is 2.

    Example: bitspike predict net.bitspike cat.png dog.jpg
    """
    from bitspike.api.predict import predictor

    ready, found, wrong = predictor(net), [], 0
    for file in files:
        try:
            seen = ready.of(file)
        except UserError as refused:
            typer.echo(f"bitspike: {refused}", err=True)
            wrong += 1
            continue
        found += seen
        if not as_json:
            for one in seen:
                typer.echo(one)
    if as_json:
        print_json([one.to_dict() for one in found])
    if wrong:
        raise typer.Exit(2)
