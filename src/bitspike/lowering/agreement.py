"""How far a trained model in floats and its frozen graph agree, spike by spike, and where they part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitspike.backends import oracle
from bitspike.errors import UserError
from bitspike.intmath import half
from bitspike.ir import Delay, Fire, FrozenGraph
from bitspike.layers import read_out
from bitspike.lowering.structure import OVER

__all__ = ["Agreement", "LayerAgreement", "agreement"]

Int = NDArray[np.int64]


@dataclass(frozen=True)
class LayerAgreement:
    """Spikes of one layer of neurons, over all images and steps.

    Attributes:
        elements: levels compared.
        mismatches: that differ when both networks see the same images.
        own: that differ still when the integer layer is fed the spikes of the float network: rounding of this layer
            alone. The rest is handed down by earlier layers.
        farthest_own: largest distance of an own mismatch from the threshold it fell on the other side of, as a share of
            ``v_threshold``; 0 where there is none.
    """

    name: str
    elements: int
    mismatches: int
    own: int
    farthest_own: float

    @property
    def rate(self) -> float:
        return self.mismatches / self.elements


@dataclass(frozen=True)
class Agreement:
    """A comparison on ``images`` images: images whose class is the same, and the layers.

    Where a network answers at each step, each is one. Of a network that tells no classes apart, whose outputs are
    several or of another shape, ``same_class`` is ``None``, and its layers alone are compared.
    """

    images: int
    same_class: int | None
    layers: tuple[LayerAgreement, ...]

    def to_dict(self) -> dict[str, Any]:
        layers = [{**asdict(layer), "rate": layer.rate} for layer in self.layers]
        return {"images": self.images, "same_class": self.same_class, "layers": layers}


@torch.no_grad()
def agreement(model: nn.Module, net: FrozenGraph, batches: Iterable[Tensor]) -> Agreement:
    """Compares ``model`` (in evaluation mode) with ``net``, frozen from it.

    Args:
        model: the float network.
        net: its integers.
        batches: codes ``[N, ...]``, uint8, on the CPU.

    Raises:
        UserError: no images.
    """
    neurons = [node.name for node in net.graph.neurons()]
    elements, mismatches, own_mismatches = Counter[str](), Counter[str](), Counter[str]()
    farthest = dict.fromkeys(neurons, 0.0)
    images = same = 0
    for batch in batches:
        answers, sent = _float_spikes(model, net, batch)
        edges = oracle.run(net, batch.numpy())
        own = _fed_by_floats(net, batch.numpy(), sent)
        for name, levels in sent.items():
            wrong, distance = own[name]
            elements[name] += levels.size
            mismatches[name] += int((levels != edges[name]).sum())
            own_mismatches[name] += wrong
            farthest[name] = max(farthest[name], distance)
        if not net.classifies:
            images += len(batch)
            continue
        right = answers[0].argmax(-1) == net.readout.logits(edges[net.readout.name]).argmax(-1)
        images += right.size
        same += int(right.sum())
    if not images:
        raise UserError("images to compare on", 0, "want at least one")
    layers = tuple(
        LayerAgreement(name, elements[name], mismatches[name], own_mismatches[name], farthest[name]) for name in neurons
    )
    return Agreement(images, same if net.classifies else None, layers)


def _float_spikes(model: nn.Module, net: FrozenGraph, images: Tensor) -> tuple[list[NDArray[Any]], dict[str, Int]]:
    """The outputs, and the levels that the float network's neurons send."""
    sent: dict[str, Int] = {}

    def keep(name: str, scale: float) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            sent[name] = (output / scale).round().to(torch.int64).numpy()

        return hook

    modules = dict(model.named_modules())
    scales = {node.name: node.scale for node in net.graph.neurons()}
    hooks = [modules[n].register_forward_hook(keep(n, scale)) for n, scale in scales.items() if scale is not None]
    try:
        meant = {over: answer for answer, over in OVER.items()}
        made = model(images)
        outputs = [made] if isinstance(made, Tensor) else [*made]
        answers = [read_out(x, meant[node.over]).numpy() for x, node in zip(outputs, net.readouts, strict=True)]
    finally:
        for hook in hooks:
            hook.remove()
    return answers, sent


def _fed_by_floats(
    net: FrozenGraph, images: NDArray[np.uint8], sent: Mapping[str, Int]
) -> dict[str, tuple[int, float]]:
    """For each integer layer behind the float network's spikes: mismatches, and the largest distance of one."""
    neurons = {node.name: node for node in net.graph.neurons()}
    edges: dict[str, Int] = {}
    found: dict[str, tuple[int, float]] = {}
    for node in net.graph.nodes:
        inputs = [edges[name] for name in node.inputs]
        if isinstance(node, Delay):
            inputs = [sent[node.of]]
        if node.name in neurons:
            levels, potentials = neurons[node.name].fire(inputs[0])
            differs = levels != sent[node.name]
            first = differs & (np.cumsum(differs, axis=0) == 1)  # after it, the two membranes have parted
            distances = _distance(neurons[node.name], potentials[first])
            found[node.name] = (int(differs.sum()), float(distances.max(initial=0.0)))
            edges[node.name] = sent[node.name]
        else:
            edges[node.name] = oracle.step(net, node, images, *inputs)
    return found


def _distance(node: Fire, u: Int) -> NDArray[np.float64]:
    """From potentials to the nearest threshold that the neuron has, as a share of ``v_threshold``."""
    quantizer = node.program.quantizer
    if quantizer is None:  # it has no threshold to be far from
        return np.zeros(u.shape)
    above, one = u + quantizer.c, 1 << quantizer.n
    nearest = np.clip((above + half(quantizer.n)) >> quantizer.n, quantizer.lo + 1, quantizer.hi) << quantizer.n
    distances: NDArray[np.float64] = np.abs(above - nearest) / one
    return distances
