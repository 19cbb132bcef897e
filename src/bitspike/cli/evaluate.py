"""`bitspike evaluate`: the accuracy of a trained run, or of the integers frozen from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bitspike.cli.options import CCompiler, DataDir, Json, print_json
from bitspike.errors import UserError

if TYPE_CHECKING:
    from bitspike.data import ImageSet

__all__ = ["evaluate"]

Split = Literal["test", "validation"]


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder of `bitspike train`, or a file of `bitspike freeze`.")],
    split: Annotated[
        Split | None, typer.Option("--split", help="Which images of a run to classify. Default: test, as of a file.")
    ] = None,
    engine: Annotated[
        Literal["oracle", "c"] | None,
        typer.Option("--engine", help="What runs a file: the definition, or its C compiled here. Default: oracle."),
    ] = None,
    cc: CCompiler = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Classify a data set with a trained or frozen network and print how many images it gets right.

    Examples: bitspike evaluate runs/fashion-convnet-2-2-1-seed0; bitspike evaluate net.bitspike --engine c
    """
    if run.is_file():
        if split:
            raise UserError("--split", split, "a frozen network is evaluated on the test images; leave it out")
        result = _of_file(run, engine or "oracle", cc, data_dir)
    else:
        for option, value in {"--engine": engine, "--cc": cc}.items():
            if value:
                raise UserError(option, value, f"it is for files of `bitspike freeze`; {run} is none")
        result = _of_run(run, split or "test", data_dir)
    if as_json:
        print_json(result)
        return
    typer.echo(
        f"{result['dataset']} {result['split']}: {result['correct']} of {result['total']} right, "
        f"{result['accuracy']:.2f} %"
    )


def _of_run(run: Path, split: Split, data_dir: Path | None) -> dict[str, Any]:
    from bitspike import training
    from bitspike.training.checkpoint import load_model
    from bitspike.training.setup import load_images, make_model

    folder = training.RunFolder(run)
    config = folder.read_config()
    model = make_model(config)
    load_model(folder.checkpoint_file, model)
    images: ImageSet = getattr(load_images(config, data_dir), split)
    seen = training.evaluate(model, images, bf16=config.precision == "bf16")
    about = {"run": str(run), "dataset": config.dataset, "split": split, "bits": str(config.bits)}
    return {**about, **_counted(seen.correct, seen.total), "loss": seen.loss}


def _of_file(file: Path, engine: str, cc: str | None, data_dir: Path | None) -> dict[str, Any]:
    from bitspike.backends import c, oracle
    from bitspike.data import load as load_dataset
    from bitspike.ir import load

    if cc and engine != "c":
        raise UserError("--cc", cc, "it is for --engine c")
    net = load(file)
    images = load_dataset(net.dataset, data_dir)[1]
    pixels, wanted = images.images.numpy(), net.graph.edges[net.graph.nodes[0].name].shape
    if pixels.shape[1:] != wanted:
        raise UserError(f"images of {net.dataset}", pixels.shape[1:], f"the network in {file} is for {wanted}")
    answer = c.logits(net, pixels, c.compiler(cc)) if engine == "c" else oracle.logits(net, pixels)
    correct = int((answer.argmax(1) == images.labels.numpy()).sum())
    about = {"file": str(file), "dataset": net.dataset, "split": "test", "engine": engine}
    return {**about, **_counted(correct, len(images))}


def _counted(correct: int, total: int) -> dict[str, Any]:
    return {"correct": correct, "total": total, "accuracy": round(100 * correct / total, 4)}
