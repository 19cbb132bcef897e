"""Counting conventions by name: which layers a count includes, and which widths it gives them.

``exact`` counts everything that runs, at the width it runs: the first layer reads 8-bit pixels once, a sum of spikes is
wider than a spike. The papers leave layers out and give every layer the network's own spike bits and steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from bitspike.costs.activity import SynapseActivity
from bitspike.errors import UserError, closest
from bitspike.ir import Affine, Conv, Fire, Graph, Input, Synapse

__all__ = ["CONSTANT_BITS", "COUNTINGS", "Counting", "biases", "counting", "norm_constants"]

CONSTANT_BITS = 32
"""Bits of a bias, or of one of the two numbers of a folded batch norm."""


class Counting(Protocol):
    """A convention."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def left_out(self, graph: Graph) -> frozenset[str]:
        """Ops that the count leaves out of MACs, S-ACE, NS-ACE and SOPs (never out of the size)."""

    def widths(self, graph: Graph, node: Synapse) -> tuple[int, int]:
        """Spike bits and steps at which the layer is counted."""

    def sops(self, macs: int, s: int, t: int, activity: SynapseActivity, images: int) -> float:
        """Synaptic operations of one image."""

    def ns_ace(self, w: int, s: int, sops: float) -> float:
        """NS-ACE of one image, from its synaptic operations."""

    def constant_bits(self) -> int:
        """Bits of each constant that is not a weight (bias, batch norm); 0 leaves them out of the size."""


@dataclass(frozen=True)
class Exact:
    """Everything that runs, as it runs."""

    name: str = "exact"
    about: str = "every layer, at the width and for the steps that it runs; constants at 32 bits"

    def left_out(self, graph: Graph) -> frozenset[str]:
        return frozenset()

    def widths(self, graph: Graph, node: Synapse) -> tuple[int, int]:
        edge = graph.input_edge(node)
        return edge.bits, edge.T

    def sops(self, macs: int, s: int, t: int, activity: SynapseActivity, images: int) -> float:
        return activity.sops / images

    def ns_ace(self, w: int, s: int, sops: float) -> float:
        return w * s * sops

    def constant_bits(self) -> int:
        return CONSTANT_BITS


@dataclass(frozen=True)
class Paper:
    """A paper's own count: uniform widths, some layers left out, ``SOPs = fr*n*b_s*T`` (000, Eq. 9), weights only."""

    name: str
    about: str
    omits: Callable[[Graph], frozenset[str]]

    def left_out(self, graph: Graph) -> frozenset[str]:
        return self.omits(graph)

    def widths(self, graph: Graph, node: Synapse) -> tuple[int, int]:
        edge = graph.input_edge(node)
        before = _neuron_before(graph, node.inputs[0])
        neuron = before or next(graph.neurons(), None)
        if neuron is None:  # a network that does not spike
            return edge.bits, edge.T
        return graph.edges[neuron.name].bits, edge.T if before else neuron.T  # one step of a squeezed map

    def sops(self, macs: int, s: int, t: int, activity: SynapseActivity, images: int) -> float:
        return activity.events / activity.elements * macs * s * t

    def ns_ace(self, w: int, s: int, sops: float) -> float:
        return w * sops

    def constant_bits(self) -> int:
        return 0


def _neuron_before(graph: Graph, name: str) -> Fire | None:
    """The neuron whose spikes arrive at the op ``name``; of several, the one with the widest alphabet."""
    found: list[Fire] = []
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        node = graph[ahead.pop()]
        if isinstance(node, Fire):
            found.append(node)
        elif node.name not in seen:  # branches meet again: each op is looked at once
            seen.add(node.name)
            ahead += node.inputs
    return max(found, key=lambda neuron: neuron.hi - neuron.lo, default=None)


def _first_conv(graph: Graph) -> frozenset[str]:
    first = next(graph.synapses(), None)
    reads_images = isinstance(first, Conv) and isinstance(graph[first.inputs[0]], Input)
    return frozenset({first.name}) if first and reads_images else frozenset()


def _first_conv_except_wide(graph: Graph) -> frozenset[str]:
    return frozenset() if graph.name.removeprefix("pre-") in ("resnet19", "resnet20") else _first_conv(graph)


_ALL: tuple[Counting, ...] = (
    Exact(),
    Paper("paper-000", "Bit Budget paper: weights only, without the first convolution", _first_conv),
    Paper(
        "paper-001",
        "adaptive bit allocation: weights only; no first convolution, but ResNet19 and ResNet20 keep it",
        _first_conv_except_wide,
    ),
)
COUNTINGS: Mapping[str, Counting] = MappingProxyType({rule.name: rule for rule in _ALL})


def counting(name: str) -> Counting:
    """The convention called ``name``."""
    if name not in COUNTINGS:
        raise UserError("counting", name, closest(name, COUNTINGS))
    return COUNTINGS[name]


def biases(graph: Graph) -> int:
    """Biases of all layers with weights."""
    return sum(node.out_channels for node in graph.synapses() if node.bias)


def norm_constants(graph: Graph) -> int:
    """Two numbers for each batch-normed channel."""
    return 2 * sum(graph.edges[node.name].shape[0] for node in graph.nodes if isinstance(node, Affine))
