"""Frozen networks with random weights: what benchmarks of whole networks run.

Random weights take as long as trained ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bitspike import BitPlan, Bits
from bitspike.backends import oracle
from bitspike.ir import FrozenGraph, SumPool, Synapse
from bitspike.lowering import freeze
from bitspike.models import build_model
from bitspike.neurons import neuron_settings

__all__ = ["densities", "images_of", "macs", "random_net", "sparse_net"]

LEAST, MOST = 0.1, 0.6
"""Share of levels that are not 0, in every layer of a network that is a fair input to all kernels."""
MEANS = np.arange(0.5, -2.0, -0.25)
"""Tried in turn for the biases of batch norms: the lower, the fewer spikes."""


def random_net(
    model_name: str, image: tuple[int, int, int], bits: str, channels: Sequence[int] | None = None, mean: float = 0.5
) -> FrozenGraph:
    """Frozen as it was initialised, with batch norm's statistics of random images, and biases around ``mean``."""
    torch.manual_seed(0)
    plan = BitPlan(Bits.parse(bits))
    neuron = neuron_settings()
    model = build_model(model_name, plan, sample=image, num_classes=10, channels=channels, neuron=neuron)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, mean - 0.5, mean + 0.5)
    with torch.no_grad():
        model(torch.randint(0, 256, (8, *image), dtype=torch.uint8))
    return freeze(model.eval(), image, model_name)


def sparse_net(
    model_name: str, image: tuple[int, int, int], bits: str, channels: Sequence[int] | None = None
) -> FrozenGraph:
    """One whose layers read neither nothing nor everything: of each, ``LEAST`` to ``MOST`` of the levels are not 0."""
    for mean in MEANS:
        net = random_net(model_name, image, bits, channels, float(mean))
        shares = densities(net)
        if min(shares) >= LEAST and max(shares) <= MOST:
            return net
    raise AssertionError(f"{model_name} {bits}: no biases leave {LEAST} to {MOST} of the levels")


def images_of(net: FrozenGraph, count: int) -> np.ndarray:
    """Random pixels."""
    shape = net.graph.edges[net.graph.nodes[0].name].shape
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def densities(net: FrozenGraph) -> list[float]:
    """The share of levels that are not 0, of what each layer with weights reads; of neither pixels nor their means."""
    edges = oracle.run(net, images_of(net, 4))
    found, summed = [], set()
    for node in net.graph.nodes:
        if isinstance(node, SumPool) or (len(node.inputs) == 1 and not isinstance(node, Synapse)
                                         and node.inputs[0] in summed):  # fmt: skip
            summed.add(node.name)
        elif isinstance(node, Synapse) and node.inputs[0] not in summed:
            found.append(float((edges[node.inputs[0]] != 0).mean()))
    return found[1:]


def macs(net: FrozenGraph) -> int:
    """Products of one image."""
    nodes = (node for node in net.graph.nodes if isinstance(node, Synapse))
    return sum(node.macs(net.graph.input_edge(node)) * net.graph.edges[node.name].T for node in nodes)
