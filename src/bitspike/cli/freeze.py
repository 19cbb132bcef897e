"""`bitspike freeze`: a trained run as integers, in one file, beside the floats that it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bitspike.cli.options import DataDir, Json, print_json
from bitspike.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from bitspike.data import ImageSet
    from bitspike.ir import FrozenGraph

__all__ = ["freeze"]

BATCH = 50


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
    from dataclasses import replace

    from bitspike import ir, lowering, training
    from bitspike.data import find_dataset
    from bitspike.training.checkpoint import load_model
    from bitspike.training.setup import load_images, make_model

    folder = training.RunFolder(run)
    config = folder.read_config()
    model = make_model(config)
    load_model(folder.checkpoint_file, model)
    net = lowering.freeze(model.eval(), find_dataset(config.dataset).image_shape, config.model)
    net = replace(net, dataset=config.dataset)
    shown = None
    if images:
        shown = getattr(load_images(config, data_dir), split)
        if images > len(shown):
            raise UserError("--images", images, f"the {split} split of {config.dataset} has {len(shown)}")
    result: dict[str, Any] = {"file": str(output), **_sizes(net, ir.save(net, output))}
    if shown is not None:
        result |= {"split": split, **_compared(model, net, shown, images)}
    if as_json:
        print_json(result)
        return
    _print(result)


def _sizes(net: FrozenGraph, size: int) -> dict[str, Any]:
    synapses = list(net.graph.synapses())
    counts = {node.name: net.tensors[f"{node.name}.weight"].size for node in synapses}
    packed = sum(counts[node.name] * node.weight_bits for node in synapses) / 8
    return {
        "bytes": size,
        "weights": sum(counts.values()),
        "weight_bytes": packed,
        "bytes_per_weight_byte": size / packed,
        "widest_accumulator_bits": max(net.ranges[node.name].signed_bits for node in synapses),
        "widest_membrane_bits": max((r.signed_bits for r in net.membranes.values()), default=0),
    }


def _compared(model: nn.Module, net: FrozenGraph, shown: ImageSet, images: int) -> dict[str, Any]:
    from bitspike.backends import oracle
    from bitspike.lowering import agreement
    from bitspike.training import evaluate
    from bitspike.training.evaluate import batches

    some = shown.first(images)
    predicted = oracle.logits(net, some.images.numpy()).argmax(1)
    return {
        "float_accuracy": evaluate(model, some).percent,
        "integer_accuracy": 100 * float((predicted == some.labels.numpy()).mean()),
        **agreement(model, net, batches(some.images, BATCH)).to_dict(),
    }


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console

    from bitspike import reports

    if "layers" in result:
        Console().print(reports.agreement_table(result))
        typer.echo(
            f"accuracy on {result['images']} {result['split']} images: {result['float_accuracy']:.2f} % in floats, "
            f"{result['integer_accuracy']:.2f} % in integers; the same class on {result['same_class']}"
        )
    widths = (result["widest_accumulator_bits"], result["widest_membrane_bits"])
    typer.echo(f"no overflow is possible: accumulators have up to {widths[0]} bits, membranes up to {widths[1]}")
    typer.echo(
        f"{result['file']}: {result['bytes']:,} bytes, {result['bytes_per_weight_byte']:.3f} of its "
        f"{result['weights']:,} weights at their width"
    )
