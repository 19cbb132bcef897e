"""Trains a small network of every family, freezes it, and compares floats and integers on the whole test set.

For each network: accuracy in floats and in integers on all test samples, and on how many of them oracle, C and native
name the same class and give the same logits; every stored edge of every layer, oracle against C, on ``EDGE_IMAGES`` of
them, integer for integer; spikes that differ between floats and integers on the same samples, layer by layer. Of a
network on trains also the steps one by one against all at once (`by_steps`). One JSON line each under
``results/freeze/families.jsonl``; lines that are there are not run again. Where each step has a class, it is the steps
that are counted.
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
from bitspike.backends import BACKENDS, c, oracle
from bitspike.conversion import convert
from bitspike.data import ImageSet, find_dataset, load
from bitspike.ir import FrozenGraph, Stepper, save
from bitspike.ir.steps import codes_of_steps
from bitspike.lowering import agreement, freeze
from bitspike.training import RunFolder, TrainConfig, evaluate, override, train
from bitspike.training.checkpoint import load_model
from bitspike.training.evaluate import batches
from bitspike.training.result import machine_class
from bitspike.training.setup import make_model

BITS = ("1/1/4", "2/2/1", "4/4/2")
SHORT = ["train_size=20000", "epochs=1"]  # minutes a network: what is tested is equality, not accuracy
LONGER = ["train_size=20000", "epochs=3"]
EPOCHS = "epochs=6"  # of the Spikformers and their peer, on all images: less than half of what their recipes say
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
    "spikformer-2-64": ("spikformer-2-64-fashion", [EPOCHS], ("2/2/1",)),
    "spikformer-peer": ("fashion-convnet", ["channels=50,100,200", EPOCHS], ("2/2/1",)),  # of the same S-ACE
    "adaptive-spikformer-2-64": ("adaptive-spikformer-2-64-fashion", [EPOCHS], ("4/4/2",)),
    "nmnist-convnet": ("nmnist-convnet", ["epochs=10"], ("2/2/4",)),
    "moving-convnet": ("moving-fashion-convnet", ["epochs=2"], ("2/2/4",)),
    "spoken-mlp": ("spoken-digits-mlp", ["epochs=10"], ("4/1/64",)),
    "ecg-mlp": ("ecg-mlp", ["epochs=8"], ("8/1/1301",)),
}
EDGE_IMAGES, BATCH, SEQUENCES = 1000, 250, 1000
ELEMENTS_AT_ONCE = 2**27
"""Numbers of all edges together that are compared at once, so that long trains fit into memory too."""
SETTLED_AFTER = 16
"""Steps of a converted network; 64 are certain to be enough, and no image was seen to need more than these."""
RESULTS = Path(__file__).parent.parent / "results" / "freeze" / "families.jsonl"


def config_of(family: str, bits: str) -> TrainConfig:
    name, edits, _ = FAMILIES[family]
    return override(recipes.recipe(name), [*edits, f"bits={bits}", "tensorboard=false"])


def images_at_once(net: FrozenGraph) -> int:
    """As many as fit, up to ``BATCH``."""
    elements = sum(edge.T * edge.size for edge in net.graph.edges.values())
    return max(1, min(BATCH, ELEMENTS_AT_ONCE // elements))


def apart(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> np.ndarray:
    """Integers compared over the edges found, and those that differ."""
    pairs = [(values, expected[name]) for name, values in found.items()]
    return np.array([sum(x.size for x, _ in pairs), sum(int((x != y).sum()) for x, y in pairs)])


def counted(compared_differ: np.ndarray) -> dict[str, int]:
    return dict(zip(("compared", "differ"), map(int, compared_differ), strict=True))


def traced(net: FrozenGraph, some: np.ndarray, cc: list[str], streaming: bool = False) -> dict[str, np.ndarray]:
    """Every edge that C has in memory, and the logits as the edge of the readout."""
    (logits,), edges = c.traced(net, some, cc, streaming=streaming)
    return {**edges, net.readout.name: logits.swapaxes(0, 1) if net.readout.over == "each" else logits[None]}


def edges_that_differ(net: FrozenGraph, images: np.ndarray, cc: list[str]) -> dict[str, int]:
    """Over every stored edge and the logits, between oracle and C."""
    total, batch = np.zeros(2, np.int64), images_at_once(net)
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        total += apart(traced(net, some, cc), oracle.run(net, some))
    return counted(total)


def stepped(net: FrozenGraph, some: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every edge of the oracle's stepper, as `oracle.run` has them, and its answers so far ``[N, T, K]``."""
    stepper, steps, answers = Stepper(net), [], []
    for codes in codes_of_steps(net, some):
        answers.append(stepper.step(codes))
        steps.append(stepper.edges)
    held = {name: steps[-1][name] for name, edge in net.graph.edges.items() if edge.T == 1}
    edges = {name: np.concatenate([edges[name] for edges in steps]) for name in net.graph.edges if name not in held}
    return {**edges, **held}, np.stack(answers, axis=1)


def by_steps(net: FrozenGraph, test: np.ndarray, cc: list[str]) -> dict[str, Any]:
    """One step at a time against all steps at once, on ``SEQUENCES``: of the test set, then of random codes.

    Oracle and C: every edge at every step against the oracle's run of all steps. C's answers so far, which its program
    prints step by step, against the stepper's.
    """
    sample, of_test = net.sample, test[:SEQUENCES]
    shape = (SEQUENCES - len(of_test), *sample.array_shape)
    random = np.random.default_rng(0).integers(0, sample.hi - sample.lo, shape, dtype=np.uint8, endpoint=True)
    sequences, batch = np.concatenate([of_test, random]), images_at_once(net)
    by_oracle, by_c, answers = (np.zeros(2, np.int64) for _ in range(3))
    for start in range(0, SEQUENCES, batch):
        some = sequences[start : start + batch]
        expected, (edges, so_far) = oracle.run(net, some), stepped(net, some)
        by_oracle += apart(edges, expected)
        by_c += apart(traced(net, some, cc, streaming=True), expected)
        answers += apart({"": c.logits(net, some, cc, streaming=True)}, {"": so_far})
    return {
        "sequences": SEQUENCES,
        "of_the_test_set": len(of_test),
        "steps": sample.T,
        "oracle": counted(by_oracle),
        "c": counted(by_c),
        "c_answers": counted(answers),
    }


def measure(family: str, bits: str, data_dir: Path | None, runs: Path, cc: list[str]) -> dict[str, Any]:
    config = config_of(family, bits)
    dataset = find_dataset(config.dataset, config.frames)
    test: ImageSet = load(config.dataset, data_dir, config.frames)[1]
    run = RunFolder(runs / f"{family}-{bits.replace('/', '-')}")
    if not run.result_file.exists():
        train(config, run, data_dir, resume=run.config_file.exists())
    result = run.read_result()
    model = make_model(config).eval()
    load_model(run.checkpoint_file, model)
    if config.neuron.kind == "q-relu":
        model = convert(model, dataset.sample, T=SETTLED_AFTER).snn
    net = replace(freeze(model, dataset.sample, config.model, config.readout), dataset=config.dataset)
    size = save(net, run.path / "net.bitspike")
    codes, labels = test.images.numpy(), test.labels.numpy()
    floats = evaluate(model, test, batch_size=images_at_once(net), readout=config.readout)
    logits = oracle.logits(net, codes)
    others = {"c": c.logits(net, codes, cc), "native": BACKENDS["native"]().run(net, codes)}
    classes = logits.argmax(-1)
    integers = 100 * float((classes == labels).mean())
    weights = sum(net.tensors[f"{node.name}.weight"].size for node in net.graph.synapses())
    some = test.images[:EDGE_IMAGES]
    return {
        "family": family,
        "bits": bits,
        "dataset": config.dataset,
        "model": config.model,
        "channels": config.channels,
        "train_size": config.train_size,
        "epochs": config.epochs,
        "seed": config.seed,
        "images": classes.size,
        "counted": result["counted"],
        "float_accuracy": round(floats.percent, 4),
        "integer_accuracy": round(integers, 4),
        **{f"classes_equal_oracle_{name}": int((classes == x.argmax(-1)).sum()) for name, x in others.items()},
        **{f"logits_equal_oracle_{name}": int((logits == x).all(-1).sum()) for name, x in others.items()},
        "edges_oracle_c": {"images": len(some), **edges_that_differ(net, some.numpy(), cc)},
        "floats_integers": agreement(model, net, batches(some, min(50, images_at_once(net)))).to_dict(),
        "streamed": by_steps(net, codes, cc) if dataset.sample.T > 1 else None,
        "s_ace": result["s_ace"],
        "ns_ace": result["ns_ace"],
        "weights": weights,
        "file_bytes": size,
        "file_bytes_per_weight_byte": round(size / (weights * Bits.parse(bits).w / 8), 4),
        "training": {key: result[key] for key in OF_TRAINING},
        "command": f"python benchmarks/frozen_families.py --only {family}",
        "machine": machine_class(),
        "version": __version__,
    }


OF_TRAINING = ("test_accuracy", "mean_w", "mean_s", "mean_t", "seconds", "threads", "precision", "versions")
"""What a line tells of how its network was trained: widths are means over what holds them, learned ones too."""


def main(
    data_dir: Annotated[Path | None, typer.Option(help="Where the data sets lie; default $BITSPIKE_DATA.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Families to run.")] = None,
    runs_dir: Annotated[
        Path | None, typer.Option(help="Keep the trained networks here, and go on from those that are there.")
    ] = None,
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
            with tempfile.TemporaryDirectory() as folder:
                line = measure(family, bits, data_dir, runs_dir or Path(folder), cc)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
            shown = {
                k: line[k] for k in ("float_accuracy", "integer_accuracy", "classes_equal_oracle_c", "edges_oracle_c")
            }
            typer.echo(f"{family} {bits}: {shown}")


if __name__ == "__main__":
    typer.run(main)
