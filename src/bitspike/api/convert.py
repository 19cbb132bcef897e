"""`bitspike.convert`: a trained network as a spiking one that computes the same, and the proof on real images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitspike.api.images import Split, images_of
from bitspike.api.quantized import FineTuning, Observers
from bitspike.api.run import Run
from bitspike.api.sources import data_dir_of, path_of
from bitspike.errors import UserError, closest
from bitspike.files import at_home

if TYPE_CHECKING:
    from torch import nn

    from bitspike.conversion import Converted, Equivalence
    from bitspike.costs import CostReport
    from bitspike.ir import FrozenGraph
    from bitspike.training import TrainConfig

__all__ = ["Conversion", "convert"]


@dataclass(frozen=True)
class Conversion:
    """A converted network beside the quantized one.

    Attributes:
        run: of the fine-tuning. Its folder has ``snn.bitspike``, ``snn_cost.json`` and ``conversion.json`` now.
        converted: the spiking network, in floats (``snn``) and in integers (``net``), and the quantized one (``qann``).
        equivalence: what the comparison of the two found, in integers and without tolerance.
        cost: of the spiking network, its spikes counted on validation images.
        record: all that was found, as ``conversion.json`` has it.
    """

    run: Run
    converted: Converted
    equivalence: Equivalence
    cost: CostReport
    record: dict[str, Any]

    @property
    def net(self) -> FrozenGraph:
        """The spiking network in integers."""
        return self.converted.net

    @property
    def snn(self) -> nn.Module:
        """The spiking network in floats: images ``[N, C, H, W]`` to logits ``[T, N, K]``."""
        return self.converted.snn

    @property
    def equal(self) -> bool:
        """Whether all logits of all images, and all neurons, are the quantized network's."""
        return self.equivalence.equal

    @property
    def is_wrong(self) -> bool:
        """Whether a network that has settled is not equal: a bug, of ours or in the network."""
        from bitspike.conversion import METHODS

        return METHODS[self.converted.method].ends and self.equivalence.settled and not self.equal

    def to_dict(self) -> dict[str, Any]:
        """The result of the fine-tuning with what the conversion adds.

        Cost and spikes are the spiking network's; the quantized one's, at one step, are there as ``qann_``.
        """
        trained, found, total = self.run.result, self.record, self.cost.to_dict()["total"]
        accuracy = found["accuracy"]
        at = {f"accuracy_at_{t}": accuracy[min(t, len(accuracy)) - 1] for t in (1, 2, 4, 8, 16, 32)}
        keys = ("method", "images", "equal", "logits_equal", "T", "T_eq", "bound", "settled", "qann_accuracy")
        counted = ("s_ace", "ns_ace", "sops", "spikes", "size_bytes")
        costs = {**{f"qann_{key}": trained[key] for key in counted}, **{key: total[key] for key in counted}}
        last = [layer["distance"][-1] for layer in found["layers"].values()]
        curve = {"accuracy": accuracy, "final_distance": sum(last) / len(last)}
        folder = {"folder": str(self.run.folder)}
        return {**trained, **costs, **{key: found[key] for key in keys}, **at, **curve, **folder}


def convert(
    source: str | Path | Run | nn.Module,
    *edits: str,
    ann: str | Path | None = None,
    dataset: str | None = None,
    method: str = "spikezip",
    steps: int | None = None,
    images: int | None = None,
    split: Split = "test",
    stop_when_settled: bool = False,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    data_dir: str | Path | None = None,
    resume: bool = False,
    observers: Observers | None = None,
) -> Conversion:
    """Fine-tunes a network with quantized ReLUs, converts it to a spiking one, and compares the two on every image.

    >>> found = bitspike.convert("spikezip-convnet-digits")
    >>> found.equal  # on every test image, in integers
    True
    >>> bitspike.export(found.net, "c", "firmware")

    Args:
        source: a recipe (``spikezip-...``), a run of relu or q-relu neurons or its folder, a network of your own, or
            ``package.module:function``, which makes one.
        edits: of the fine-tuning, ``key=value``: ``"neuron.levels=4"``, ``"epochs=5"``, ``"neuron.paths="``.
        ann: run folder of a recipe's network of ReLUs; trained there if it is not there yet.
        dataset: what a network of your own classifies.
        method: a key of `bitspike.conversion.METHODS`.
        steps: of the spiking network; by default all that it may take to settle.
        images: how many to check it on; by default all of the split.
        split: which images.
        stop_when_settled: check each batch for as few steps as settle it.
        name: of the run folder of the fine-tuning.
        runs_dir, data_dir, resume: see `bitspike.train`.
        observers: makes the observer of each run that is trained, from the run's name, as a context.

    Raises:
        UserError: before anything is trained: what cannot be converted (the line names it by its path in the network),
            checked or found, and arguments that do not go together; a network whose training has not ended.
    """
    from bitspike import conversion
    from bitspike.data import find_dataset

    _check(method, steps, stop_when_settled)
    data = path_of(data_dir) or data_dir_of(source)

    def check(config: TrainConfig, network: nn.Module) -> None:
        """Refuses what could not be converted, or checked, once it is trained."""
        shown = find_dataset(config.dataset)
        graph = conversion.check_convertible(network, shown.image_shape)
        conversion.steps_of(graph, steps)
        logits = graph.edges[graph.nodes[-1].name].shape
        if logits != (shown.num_classes,):
            raise UserError("logits", logits, f"want {shown.num_classes}, one for each class of {config.dataset}")
        images_of(config, split, images, data)

    tuning = FineTuning(edits, path_of(ann), dataset, name, at_home(runs_dir), data, resume, observers, check)
    quantized = tuning.of(source)
    run, config = quantized.run, quantized.run.config
    made = conversion.convert(
        quantized.qann,
        find_dataset(config.dataset).image_shape,
        T=steps,
        method=method,
        name=config.model,
        dataset=config.dataset,
    )
    shown = run.images(split, images)
    agreement, equivalence = made.floats_and_integers(shown), made.check(shown, stop_when_settled)
    activity, cost = made.cost(run.images("validation"), f"validation images of {config.dataset}")
    about = {"network": config.model, "method": method, "dataset": config.dataset, "split": split}
    record = {**about, **equivalence.to_dict(), "levels": made.levels, "float_weights_rounded": made.rounded}
    record["floats_and_integers"] = agreement.to_dict()
    made.save(run.folder, record, activity, cost)
    return Conversion(run, made, equivalence, cost, record)


def _check(method: str, steps: int | None, stop_when_settled: bool) -> None:
    from bitspike.conversion import METHODS, MOST_STEPS

    if method not in METHODS:
        raise UserError("--method", method, closest(method, METHODS))
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise UserError("--steps", steps, f"want 1 to {MOST_STEPS}")
    if stop_when_settled and not METHODS[method].ends:
        raise UserError("--stop-when-settled", method, "its images never end, so it never settles; leave it out")
