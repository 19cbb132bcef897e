"""Memory footprints: the bytes that a network takes while it runs, as paper 002 counts them and as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil

from bitspike.bits import FULL_PRECISION
from bitspike.costs.counting import CONSTANT_BITS, biases, norm_constants
from bitspike.errors import whole_number
from bitspike.ir import Edge, Graph

__all__ = ["Footprint", "footprints"]

FLOAT_BITS = 32
"""Bits of a weight or a membrane that is not quantized: in memory it is float32."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes of a network and of the images that it computes at once.

    Attributes:
        counting, about: the convention.
        batch: images at once. membranes, buffers: bytes of all of them. Membranes are all that is carried from step to
            step: potentials of neurons and, counted exactly, the sums of spiking max pools.
        weights, constants: bytes of what the images share.
        total: the sum.
    """

    counting: str
    about: str
    batch: int
    weights: float
    constants: float
    membranes: float
    buffers: float
    total: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.weights + self.constants + self.membranes + self.buffers)


def footprints(graph: Graph, batch: int = 1) -> tuple[Footprint, Footprint]:
    """What runs, counted whole (``exact``), and paper 002's Table 2 (``paper-002``).

    Both have weights at their width, where a float is 32 bits (`Total.size_bytes` counts 16), and batch norm at 32.

    Raises:
        UserError: a batch of no images.
    """
    batch = whole_number("batch", batch)
    weights = sum(n.weight_count(graph.input_edge(n)) * _float32(n.weight_bits) for n in graph.synapses()) / 8
    norms = norm_constants(graph) * CONSTANT_BITS / 8
    layers = {
        node.name: graph.edges[node.name].size * (node.membrane_bits or FLOAT_BITS) / 8 for node in graph.neurons()
    }
    carried = sum(layers[node.name] for node in graph.neurons() if node.T > 1)
    pools = sum(_bytes(edge) for node in graph.nodes if (edge := node.carried(*graph.read(node))))
    exact = Footprint(
        counting="exact",
        about="all that is in memory, running step after step",
        batch=batch,
        weights=weights,
        constants=norms + biases(graph) * CONSTANT_BITS / 8,
        membranes=float(batch * (carried + pools)),
        buffers=float(batch * _buffers(graph)),
    )
    largest = max(graph.neurons(), key=lambda node: (graph.edges[node.name].size, layers[node.name]), default=None)
    paper = Footprint(
        counting="paper-002",
        about="Q-SNN, Table 2: membranes of the largest layer only",
        batch=batch,
        weights=weights,
        constants=norms,
        membranes=batch * layers[largest.name] if largest else 0.0,
        buffers=0.0,
    )
    return exact, paper


def _float32(weight_bits: int) -> int:
    return FLOAT_BITS if weight_bits == FULL_PRECISION else weight_bits


def _bytes(edge: Edge) -> int:
    """Of the numbers of one step, packed; one that is on no integer grid is a float."""
    return ceil(edge.size * (FLOAT_BITS if edge.lo is None else edge.bits) / 8)


def _buffers(graph: Graph) -> int:
    """Bytes of levels in memory at the op at which they are most, for one image.

    What is the same at every step (``T = 1``) is computed first; then all the rest, one step after the other; behind
    sums over time both begin again. An edge of levels is in memory from its op to the last one that reads it. What
    steps read that it was not made in, as the images, stays until they end; what is made in steps and read when they
    have ended, as a sum over time, is there whole when they begin. A current is not in memory: whatever reads it
    computes it, element by element.
    """
    readers: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    stage: dict[str, int] = {}  # in which an op runs; an odd one runs step by step
    for node in graph.nodes:
        stage[node.name] = max((_ready(graph, source, stage) for source in node.inputs), default=0)
        stage[node.name] |= graph.edges[node.name].T > 1
        for source in node.inputs:
            readers[source].append(node.name)
    stored = {name: _bytes(edge) for name, edge in graph.edges.items() if edge.lo is not None}
    run = sorted((name for name in graph.edges if name in stored or not readers[name]), key=stage.__getitem__)
    at = {name: place for place, name in enumerate(run)}
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for place, name in enumerate(run):
        begins.setdefault(stage[name], place)
        ends[stage[name]] = place
    last: dict[str, int] = {}  # where an edge is read for the last time in its step, if need be through currents
    for node in reversed(graph.nodes):
        places = (at[name] if name in at else last[name] for name in readers[node.name])
        last[node.name] = max(places, default=at.get(node.name, 0))
    change = [0] * (len(run) + 1)
    for name, size in stored.items():
        own, read = stage[name], stage[run[last[name]]]
        sums = graph[name].adds_steps
        first, end = at[name], last[name]
        if own % 2 and (sums or read > own):
            first, size = begins[own], size * graph.edges[name].T
        if read % 2 and (sums or read > own):
            end = ends[read]
        change[first] += size
        change[end + 1] -= size
    return max(accumulate(change))


def _ready(graph: Graph, name: str, stage: dict[str, int]) -> int:
    """The first stage that may read an op: that of a sum over steps is the one after them."""
    return stage[name] + (stage[name] % 2 if graph[name].adds_steps else 0)
