"""Trains a small network of every family, freezes it, and compares floats, oracle and C on the whole test set.

For each network: accuracy in floats and in integers on all test images, and that oracle and C name the same class on
every one; every stored edge of every layer, oracle against C, on ``EDGE_IMAGES`` of them, integer for integer; spikes
that differ between floats and integers on the same images, layer by layer. One JSON line each under
``results/freeze/families.jsonl``; lines that are there are not run again.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bitspike import Bits, __version__, recipes
from bitspike.backends import c, oracle
from bitspike.conversion import convert
from bitspike.data import ImageSet, find_dataset, load
from bitspike.ir import FrozenGraph, save
from bitspike.lowering import agreement, freeze
from bitspike.training import RunFolder, TrainConfig, evaluate, override, train
from bitspike.training.checkpoint import load_model
from bitspike.training.evaluate import batches
from bitspike.training.result import machine_class
from bitspike.training.setup import make_model

BITS = ("1/1/4", "2/2/1", "4/4/2")
SHORT = ["train_size=20000", "epochs=1"]  # minutes a network: what is tested is equality, not accuracy
LONGER = ["train_size=20000", "epochs=3"]
FAMILIES = {  # recipe, edits, bits
    "convnet": ("fashion-convnet", ["channels=16,32,64", *SHORT], BITS),
    "vgg9": ("cifar10-vgg9", ["channels=8,16,32", "augment=crop4,flip", *SHORT], BITS),
    "resnet8-thin": ("cifar10-resnet8-thin", ["channels=8,16,32", *SHORT], BITS),
    "sew-resnet18": ("cifar10-sew-resnet18", ["channels=8,16,32,64", "augment=crop4,flip", *SHORT], BITS),
    "qsnn-vggsnn": ("qsnn-vggsnn-thin-fashion", LONGER, ("1/1/2/2", "1/1/2/8")),
    "qsnn-resnet8-thin": ("qsnn-resnet8-thin-cifar10", ["channels=8,16,32", *LONGER], ("1/1/4/4",)),
    "adaptive-pre-resnet8": ("adaptive-resnet8-thin-fashion", LONGER, ("4/4/2",)),
    "multilevel-vgg9": ("multilevel-vgg9-thin-fashion", LONGER, ("8/3/1", "4/3/2")),
    "multilevel-sparse-resnet18": ("multilevel-sparse-resnet18-thin-fashion", LONGER, ("8/3/1",)),
    "spikezip-resnet8": ("spikezip-resnet8-thin-fashion", [*LONGER, "neuron.paths="], ("8/4/1",)),  # without a teacher
}
EDGE_IMAGES, BATCH = 1000, 250
SETTLED_AFTER = 16
"""Steps of a converted network; 64 are certain to be enough, and no image was seen to need more than these."""
RESULTS = Path(__file__).parent.parent / "results" / "freeze" / "families.jsonl"


def config_of(family: str, bits: str) -> TrainConfig:
    name, edits, _ = FAMILIES[family]
    return override(recipes.recipe(name), [*edits, f"bits={bits}", "tensorboard=false"])


def images_at_once(net: FrozenGraph) -> int:
    """As many as before of a network of few steps; of one that runs many, as many steps."""
    steps = max(edge.T for edge in net.graph.edges.values())
    return max(1, BATCH * 4 // max(4, steps))


def edges_that_differ(net: FrozenGraph, images: np.ndarray, cc: list[str]) -> dict[str, int]:
    """Integers compared between oracle and C, and those that differ, over every stored edge and the logits."""
    compared = differ = 0
    batch = images_at_once(net)
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        logits, edges = c.traced(net, some, cc)
        expected = oracle.run(net, some)
        edges[net.graph.nodes[-1].name] = logits[None]
        for name, values in edges.items():
            compared += values.size
            differ += int((values != expected[name]).sum())
    return {"compared": compared, "differ": differ}


def measure(family: str, bits: str, data_dir: Path | None, cc: list[str]) -> dict[str, Any]:
    config = config_of(family, bits)
    test: ImageSet = load(config.dataset, data_dir)[1]
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(folder)
        train(config, run, data_dir)
        model = make_model(config).eval()
        load_model(run.checkpoint_file, model)
        sample = find_dataset(config.dataset).sample
        if config.neuron.kind == "q-relu":
            model = convert(model, sample, T=SETTLED_AFTER).snn
        net = replace(freeze(model, sample, config.model), dataset=config.dataset)
        size = save(net, Path(folder, "net.bitspike"))
    pixels, labels = test.images.numpy(), test.labels.numpy()
    floats = evaluate(model, test, batch_size=images_at_once(net))
    by_oracle, by_c = oracle.logits(net, pixels).argmax(1), c.logits(net, pixels, cc).argmax(1)
    integers = 100 * float((by_oracle == labels).mean())
    weights = sum(net.tensors[f"{node.name}.weight"].size for node in net.graph.synapses())
    return {
        "family": family,
        "bits": bits,
        "dataset": config.dataset,
        "channels": config.channels,
        "train_size": config.train_size,
        "epochs": config.epochs,
        "seed": config.seed,
        "images": len(test),
        "float_accuracy": round(floats.percent, 4),
        "integer_accuracy": round(integers, 4),
        "classes_equal_oracle_c": int((by_oracle == by_c).sum()),
        "edges_oracle_c": {"images": EDGE_IMAGES, **edges_that_differ(net, pixels[:EDGE_IMAGES], cc)},
        "floats_integers": agreement(
            model, net, batches(test.images[:EDGE_IMAGES], min(50, images_at_once(net)))
        ).to_dict(),
        "weights": weights,
        "file_bytes": size,
        "file_bytes_per_weight_byte": round(size / (weights * Bits.parse(bits).w / 8), 4),
        "machine": machine_class(),
        "version": __version__,
    }


def main(
    data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie; default $BITSPIKE_DATA.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Families to run.")] = None,
) -> None:
    """Run what results/freeze/families.jsonl does not have yet."""
    cc = c.compiler()
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    there = {(line["family"], line["bits"]) for line in map(json.loads, lines)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for family in only or FAMILIES:
        for bits in FAMILIES[family][2]:
            if (family, bits) in there:
                continue
            line = measure(family, bits, data_dir, cc)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
            shown = {
                k: line[k] for k in ("float_accuracy", "integer_accuracy", "classes_equal_oracle_c", "edges_oracle_c")
            }
            typer.echo(f"{family} {bits}: {shown}")


if __name__ == "__main__":
    typer.run(main)
