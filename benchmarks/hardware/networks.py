"""The small networks that are placed: one of most families, one for MNIST, one at several bits, all by recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bitspike import recipes
from bitspike.conversion import convert
from bitspike.data import find_dataset
from bitspike.ir import FrozenGraph, load, save
from bitspike.lowering import freeze
from bitspike.training import RunFolder, override, train
from bitspike.training.checkpoint import load_model
from bitspike.training.setup import make_model

__all__ = ["FAMILIES", "NETWORKS", "SWEPT", "TINY", "Network", "frozen"]

TINY = Path(__file__).parents[2] / "examples" / "fashion-tiny.bitspike"
SETTLED_AFTER = 16
"""Steps of the converted network."""
FRACTION_BITS = 8
"""After the point: at the usual 20 the arithmetic unit is twice as wide."""


@dataclass(frozen=True)
class Network:
    """A recipe with edits. fraction_bits: of freezing, ``None`` for as many as fit. file: where it lies frozen."""

    about: str
    recipe: str
    edits: tuple[str, ...] = ()
    fraction_bits: int | None = FRACTION_BITS
    file: Path | None = None

    @property
    def command(self) -> str:
        return " ".join(["bitspike train", self.recipe, *(f"--set {edit}" for edit in self.edits)])


def _digits(recipe: str, about: str, *edits: str, fraction_bits: int | None = FRACTION_BITS) -> Network:
    """Of 8x8 digits, in seconds to a minute."""
    always = ("dataset=digits", "validation_size=200", "train_size=null", "batch_size=64", "augment=")
    return Network(about, recipe, (*always, *edits), fraction_bits)


SMALL = ("channels=8,16,32", "epochs=20")
FAMILIES: Mapping[str, Network] = {
    "adaptive": _digits("adaptive-resnet8-thin-fashion", "001, pre-activation ResNet8", *SMALL),
    "qsnn": _digits("qsnn-resnet8-thin-cifar10", "002, stored membranes, ResNet8", *SMALL, "bits=1/1/4/4",
                    fraction_bits=12),
    "converted": _digits("spikezip-convnet-digits", "003, converted convnet", *SMALL, "neuron.paths=", "bits=8/4/1",
                         fraction_bits=None),
    "multilevel": _digits("multilevel-vgg9-thin-fashion", "004, levels in one step, VGG9", *SMALL, "bits=4/3/1",
                          "optimizer.lr=0.01"),
}  # fmt: skip
"""By name; the one that is converted has no rounding to do with less."""
SWEPT: Mapping[str, Network] = {
    **{
        f"digits-{bits.replace('/', '-')}": _digits("digits-convnet", bits, *SMALL, f"bits={bits}")
        for bits in ("1/1/4", "1/2/2", "1/4/1", "2/2/1", "4/4/1")
    },
    "digits-learned": _digits("adaptive-resnet8-thin-fashion", "learned bits", *SMALL, "model=convnet"),
}
"""One network at several bits, by name."""
NETWORKS: Mapping[str, Network] = {
    "fashion-tiny": Network("the packaged network", "fashion-convnet-tiny", fraction_bits=None, file=TINY),
    "mnist-tiny": Network("MNIST", "mnist-tiny"),
    **FAMILIES,
    **SWEPT,
}


def frozen(name: str, runs: Path, data_dir: Path | None = None) -> FrozenGraph:
    """The network, trained and frozen where that is not done yet.

    Args:
        name: a key of `NETWORKS`.
        runs: where runs and frozen files are kept.
        data_dir: where the data sets lie.
    """
    network = NETWORKS[name]
    if network.file:
        return load(network.file)
    file = runs / f"{name}.bitspike"
    if not file.exists():
        config = override(recipes.recipe(network.recipe), [*network.edits, "tensorboard=false"])
        run = RunFolder(runs / name)
        if not run.result_file.exists():
            train(config, run, data_dir, resume=run.config_file.exists())
        sample = find_dataset(config.dataset, config.frames).sample
        model = make_model(config).eval()
        load_model(run.checkpoint_file, model)
        if config.neuron.kind == "q-relu":
            model = convert(model, sample, T=SETTLED_AFTER).snn
        net = freeze(model, sample, config.model, config.readout, network.fraction_bits)
        save(replace(net, dataset=config.dataset), file)
    return load(file)


if __name__ == "__main__":
    import sys

    for one in sys.argv[2:]:
        net = frozen(one, Path(sys.argv[1]))
        print(one, net.graph.name, sum(n.size for n in net.tensors.values()), flush=True)
