"""Counting conventions by name: which layers a count includes, and which widths it gives them.

``exact`` counts everything that runs, at the width it runs: the first layer reads 8-bit pixels once, a sum of spikes is
wider than a spike. The papers leave layers out and give every layer the network's own spike bits and steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bitspike.costs.activity import SynapseActivity
from bitspike.ir import Graph, Synapse
from bitspike.registry import Registry

__all__ = ["CONSTANT_BITS", "COUNTINGS", "Counting", "biases", "counting", "norm_constants"]

CONSTANT_BITS = 32
"""Bits of a bias, or of one of the two numbers of a folded batch norm."""
WIDE_STEM = 128
"""Channels of the first convolution of paper 001's ResNet19 and ResNet20; its other networks have 64."""


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
        spiking = graph.neurons_behind(node.inputs[0])
        before = max(spiking, key=lambda neuron: neuron.hi - neuron.lo, default=None)  # of several, the widest
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


def _products(graph: Graph) -> frozenset[str]:
    """Products of two activations, which have no weights."""
    return frozenset(node.name for node in graph.products())


def _first_conv(graph: Graph) -> frozenset[str]:
    """The first layer with weights, if it is a convolution of the images."""
    first = next(graph.synapses(), None)
    images = {node.name for node in graph.inputs()}
    if first is None or first.fully_connected(graph.input_edge(first)) or first.inputs[0] not in images:
        return frozenset()
    return frozenset({first.name})


def _first_conv_and_products(graph: Graph) -> frozenset[str]:
    return _first_conv(graph) | _products(graph)


def _without_attention(graph: Graph) -> frozenset[str]:
    """Also the layers that a product reads, and that read one, with no other layer between: q, k, v and proj."""
    products = _products(graph)
    layers = products | {node.name for node in graph.synapses()}
    near: dict[str, frozenset[str]] = {}
    left_out = set(_first_conv_and_products(graph))
    for node in graph.nodes:
        read = frozenset[str]().union(*(near[name] for name in node.inputs))
        if node.name in products:
            left_out |= read
        elif node.name in layers and read & products:
            left_out.add(node.name)
        near[node.name] = frozenset({node.name}) if node.name in layers else read
    return frozenset(left_out)


def _narrow_first_conv_and_products(graph: Graph) -> frozenset[str]:
    narrow = frozenset(name for name in _first_conv(graph) if graph.edges[name].shape[0] < WIDE_STEM)
    return narrow | _products(graph)


COUNTINGS = Registry[Counting]("counting")
for _rule in (
    Exact(),
    Paper(
        "paper-000",
        "Bit Budget paper: weights only, no first convolution, no attention products",
        _first_conv_and_products,
    ),
    Paper(
        "paper-000-without-attention",
        "Bit Budget paper, its Spikformers of one or two steps: no q, k, v, proj either",
        _without_attention,
    ),
    Paper(
        "paper-001",
        "adaptive bit allocation: weights only; no first convolution, but ResNet19 and ResNet20 keep it",
        _narrow_first_conv_and_products,
    ),
):
    COUNTINGS.register(_rule.name, _rule)


def counting(name: str) -> Counting:
    """The convention called ``name``."""
    return COUNTINGS.find(name)


def biases(graph: Graph) -> int:
    """Biases of all layers with weights."""
    return sum(node.constants(*graph.read(node)) for node in graph.synapses())


def norm_constants(graph: Graph) -> int:
    """Numbers of the ops without weights: two for each batch-normed channel."""
    return sum(node.constants(*graph.read(node)) for node in graph.nodes) - biases(graph)
