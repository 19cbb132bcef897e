"""`bitspike evaluate`: the accuracy of a trained run, and its cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bitspike.cli.options import DataDir, Json, print_json

__all__ = ["evaluate"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder that `bitspike train` made.")],
    split: Annotated[Literal["test", "validation"], typer.Option("--split", help="Which images to classify.")] = "test",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Classify a data set with a trained network and print how many images it gets right.

    Example: bitspike evaluate runs/fashion-convnet-2-2-1-seed0 --data-dir ~/data
    """
    from bitspike import training
    from bitspike.training.checkpoint import load_model
    from bitspike.training.setup import load_images, make_model

    folder = training.RunFolder(run)
    config = folder.read_config()
    model = make_model(config)
    load_model(folder.checkpoint_file, model)
    images = getattr(load_images(config, data_dir), split)
    seen = training.evaluate(model, images, bf16=config.precision == "bf16")
    result = {
        "run": str(run),
        "dataset": config.dataset,
        "split": split,
        "bits": str(config.bits),
        "correct": seen.correct,
        "total": seen.total,
        "accuracy": round(seen.percent, 4),
        "loss": seen.loss,
    }
    if as_json:
        print_json(result)
        return
    typer.echo(f"{config.dataset} {split}: {seen.correct} of {seen.total} right, {seen.percent:.2f} %")
