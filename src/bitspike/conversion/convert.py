"""A fine-tuned network of Q-ReLUs as a spiking one: in floats, in integers, and what the check says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from bitspike import ir
from bitspike.conversion.activations import activations
from bitspike.conversion.check import Equivalence, equivalence
from bitspike.conversion.equilibrium import quantized, release_of
from bitspike.conversion.judges import Judge
from bitspike.conversion.methods import METHODS, Method, method_of
from bitspike.conversion.spiking import (
    check_convertible,
    check_method_fits,
    float_weights,
    settling_bound,
    to_snn,
)
from bitspike.costs import Activity, CostReport, cost
from bitspike.data import ImageSet
from bitspike.detection import Head
from bitspike.errors import UserError
from bitspike.files import write_json
from bitspike.ir import FrozenGraph, Graph
from bitspike.lowering import Agreement, agreement, freeze, lower, measure
from bitspike.neurons import QReLU
from bitspike.sample import AnySample
from bitspike.training.evaluate import batches
from bitspike.training.tasks import Part

__all__ = ["Converted", "convert", "steps_of"]

MOST_STEPS = 1024
AGREEMENT_IMAGES = 1000
"""Images on which floats and integers are compared, neuron by neuron, and spikes are counted."""
FEWEST_IMAGES, MOST_MACS = 10, 10**12
"""Images on which spikes are counted at least, also where that takes more multiply-accumulates than these."""
STEPS_AT_A_TIME = 400
"""Images times steps that are run at once: more do not fit into caches."""


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        qann: the network that was trained.
        snn: the spiking network in floats.
        net: the same in integers; where layers are calibrated, with neurons that run once and are not.
        levels: ``n`` of each layer of neurons.
        bound: steps after which it is silent.
        method: how it was converted.
        rounded: layers whose float weights were rounded for ``net``.
    """

    qann: nn.Module
    snn: nn.Module
    net: FrozenGraph
    levels: dict[str, int]
    bound: int
    method: str
    rounded: int

    @property
    def how(self) -> Method:
        """What ``method`` says."""
        return METHODS[self.method]

    def check(self, images: Part, stop_when_settled: bool = False, judge: Judge | None = None) -> Equivalence:
        """`equivalence` on ``images``; ``judge`` says how good the networks are, where labels do not."""
        labels = images.labels.numpy() if self.net.classifies and isinstance(images, ImageSet) else None
        return equivalence(
            self.net,
            self.levels,
            images.images.numpy(),
            labels,
            judge=judge,
            ends=self.how.ends,
            stop_when_settled=stop_when_settled,
            reference=None if self.how.activation is QReLU else partial(activations, self.qann, self.net),
            calibration=self.how.calibration,
        )

    def floats_and_integers(self, images: Part) -> Agreement:
        """The QANN in floats beside its integers, level by level, on the first images; where it has none, the SNN."""
        if self.how.activation is QReLU:
            some = batches(images.images[:AGREEMENT_IMAGES], 50)
            return agreement(self.qann, quantized(self.net, self.levels), some)
        few = max(FEWEST_IMAGES, AGREEMENT_IMAGES // release_of(self.net).T)
        return agreement(self.snn, self.net, batches(images.images[:few], FEWEST_IMAGES))

    def cost(self, images: Part, source: str) -> tuple[Activity, CostReport]:
        """What the spiking network costs, its spikes counted on the first of ``images``."""
        shape = self.net.graph.edges[self.net.graph.nodes[0].name].shape
        graph = lower(self.snn, (shape[0], shape[1], shape[2]), self.net.graph.name)
        T = release_of(self.net).T + self.how.calibration
        macs = T * sum(node.macs(graph.input_edge(node)) for node in graph.synapses())
        sample = images.images[: min(AGREEMENT_IMAGES, max(FEWEST_IMAGES, MOST_MACS // macs))]
        at_a_time = max(1, STEPS_AT_A_TIME // T)
        activity = measure(self.snn, graph, batches(sample, at_a_time), f"the first {len(sample)} {source}")
        return activity, cost(graph, "exact", activity, energy_model="lemaire")

    def save(self, folder: Path, found: dict[str, Any], activity: Activity, report: CostReport) -> None:
        """``snn.bitspike``, ``snn_activity.json``, ``snn_cost.json`` and, last, ``conversion.json``.

        Those of another method than spikezip have its name in theirs: ``snn-qcfs.bitspike``. What no file says, layers
        that are calibrated, has none.
        """
        method = "" if self.method == "spikezip" else f"-{self.method}"
        if not self.how.calibration:
            ir.save(self.net, folder / f"snn{method}.bitspike")
        write_json(folder / f"snn_activity{method}.json", activity.to_dict())
        write_json(folder / f"snn_cost{method}.json", report.to_dict())
        write_json(folder / f"conversion{method}.json", found)


def convert(
    qann: nn.Module,
    sample: AnySample,
    *,
    T: int | None = None,
    method: str = "spikezip",
    name: str = "network",
    dataset: str = "",
    classes: tuple[str, ...] = (),
    head: Head | None = None,
) -> Converted:
    """Converts a network of Q-ReLUs that was morphed and trained.

    Args:
        qann: the network.
        sample: what one input is; ``(C, H, W)`` is an image's shape.
        T: steps of the spiking network; ``None`` for the method's, or as many as are certain to settle it.
        method: a key of `METHODS`.
        name, dataset, classes, head: of the frozen network.

    Raises:
        UserError: what cannot be converted, by its path in the model, or ``T`` outside 1..1024.
    """
    qann = qann.cpu().eval()
    graph = check_convertible(qann, sample)
    check_method_fits(qann, method)
    bound, T, how = settling_bound(graph), steps_of(graph, T, method), method_of(method)
    snn = to_snn(qann, T, method)
    rounded = float_weights(snn)
    once = to_snn(qann, T - how.calibration, "qcfs") if how.calibration else snn
    float_weights(once)
    net = replace(freeze(once, sample, name), dataset=dataset, classes=classes, head=head)
    levels = {name: module.levels for name, module in qann.named_modules() if isinstance(module, QReLU)}
    return Converted(qann, snn, net, levels, bound, method, rounded)


def steps_of(graph: Graph, T: int | None, method: str = "spikezip") -> int:
    """``T``, or for ``None`` the method's, or as many as are certain to settle the network of that structural graph.

    Raises:
        UserError: outside 1..1024, or fewer than a method that calibrates runs at least.
    """
    bound, how = settling_bound(graph), method_of(method)
    T = (how.steps or bound) if T is None else T
    if 2 * how.calibration > T:
        wanted = f"want at least {2 * how.calibration}: --method {method} calibrates on {how.calibration} of them first"
        raise UserError("steps", T, wanted)
    if how.steps and not 1 <= T <= MOST_STEPS:
        raise UserError("steps", T, f"want 1 to {MOST_STEPS}")
    if not 1 <= T <= MOST_STEPS:
        raise UserError("steps", T, f"want 1 to {MOST_STEPS}; {bound} are certain to settle the network")
    return T
