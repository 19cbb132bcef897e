"""A graph with its integers: everything that a backend needs, checked and with ranges proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bitspike.bits import FULL_PRECISION, signed_range
from bitspike.errors import UserError
from bitspike.ir.graph import Graph
from bitspike.ir.ops import Affine, Conv, Fire, Input, MaxPool, Node, Readout, Release, SumPool, Synapse
from bitspike.ir.ranges import Range, membrane_range, ranges_and_sums

__all__ = ["FrozenGraph", "largest_array", "tensor_shapes"]

Tensor = NDArray[np.int64]
MOST_ELEMENTS, MOST_STEPS, MOST_LEVEL = 2**30, 1024, 2**16
"""Beyond these a graph is refused before anything of its size is allocated."""
MOST_STEPS_OF_ALL = 2**16
"""Steps of all layers of neurons together: their membranes are proven step by step."""


@dataclass(frozen=True, eq=False)
class FrozenGraph:
    """A network in integers.

    Args:
        graph: every `Fire` with `Dynamics`, every `Affine` with its fraction bits, no float-only op.
        tensors: ``NAME.weight`` for each synapse (codes, ``[C_out, C_in/groups, kh, kw]`` or ``[C_out, C_in]``),
            ``NAME.multiplier`` and ``NAME.offset`` for each affine (``[C]``); int64, read-only.
        dataset: that the network was trained on, as `bitspike data list` calls it; empty where it is not known.

    Attributes:
        ranges: range of every edge. membranes: of the potential of every neuron layer.

    Raises:
        UserError: a tensor is missing, unknown, of another shape or out of range, or a value could overflow.
    """

    graph: Graph
    tensors: Mapping[str, Tensor]
    dataset: str = ""
    ranges: Mapping[str, Range] = field(init=False, repr=False)
    membranes: Mapping[str, Range] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wanted = {name: shape for node in self.graph.nodes for name, shape in tensor_shapes(self.graph, node).items()}
        for name in sorted(wanted.keys() ^ self.tensors.keys()):
            raise UserError("tensor", name, "it is missing" if name in wanted else "no op of the graph has it")
        _check_graph(self.graph, self.dataset)
        own: dict[str, Tensor] = {}
        for name, shape in wanted.items():
            given = self.tensors[name]
            if tuple(given.shape) != shape or not np.can_cast(given.dtype, np.int64):
                raise UserError(f"tensor {name}", (given.dtype.name, tuple(given.shape)), f"want int64 {shape}")
            own[name] = np.array(given, dtype=np.int64)
            own[name].flags.writeable = False
        for node in self.graph.nodes:
            _check(node, own)
            _check_size(self.graph, node)
        ranges, sums = ranges_and_sums(self.graph, own)
        membranes = {}
        for n in self.graph.neurons():
            (x,) = n.inputs
            held = self.graph.edges[x].T != n.T
            membranes[n.name] = membrane_range(n, ranges[x], ranges[x].repeated(n.T) if held else sums[x])
        object.__setattr__(self, "tensors", MappingProxyType(own))
        object.__setattr__(self, "ranges", MappingProxyType(ranges))
        object.__setattr__(self, "membranes", MappingProxyType(membranes))


def tensor_shapes(graph: Graph, node: Node) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the integers of one op."""
    if isinstance(node, Synapse):
        return {f"{node.name}.weight": node.weight_shape(graph.input_edge(node))}
    if isinstance(node, Affine):
        channels = (graph.edges[node.name].shape[0],)
        return {f"{node.name}.multiplier": channels, f"{node.name}.offset": channels}
    return {}


def largest_array(graph: Graph, node: Node) -> int:
    """Elements of the largest array that an op is computed with, for one image over all steps.

    That is its edge; or its input with padding; or, of a pool, that input window by window.
    """
    made = graph.edges[node.name]
    sizes = [made.size * made.T]
    if isinstance(node, Conv | SumPool | MaxPool):
        edge = graph.input_edge(node)
        rows, columns = (side + 2 * pad for side, pad in zip(edge.shape[1:], node.padding, strict=True))
        sizes.append(edge.shape[0] * edge.T * rows * columns)
    if isinstance(node, SumPool | MaxPool):
        sizes.append(made.size * made.T * prod(node.kernel_size))
    return max(sizes)


def _check_graph(graph: Graph, dataset: str) -> None:
    """What every backend is written for: one input of pixels, first; one readout of logits, last; names to print."""
    for thing, text in {"graph name": graph.name, "graph dataset": dataset}.items():
        if not text.isprintable():
            raise UserError(thing, text, "want printable text")
    steps = sum(node.T for node in graph.neurons())
    if steps > MOST_STEPS_OF_ALL:
        raise UserError("graph", f"{steps} steps", f"want at most {MOST_STEPS_OF_ALL}, over all layers of neurons")
    kinds = [type(node) for node in graph.nodes]
    if kinds.count(Input) != 1 or kinds.count(Readout) != 1 or kinds[0] is not Input or kinds[-1] is not Readout:
        seen = " ".join(kind.__name__.lower() for kind in kinds[:1] + kinds[-1:]) or "no op"
        raise UserError("graph", seen, "want one input, first, and one readout, last")
    edge = graph.edges[graph.nodes[0].name]
    if len(edge.shape) != 3 or edge.T != 1 or edge.lo is None or edge.hi != edge.lo + 255:
        raise graph.nodes[0].refuse((edge.shape, edge.T, edge.lo, edge.hi), "want (C, H, W), T=1 and 256 levels")
    if len(graph.edges[graph.nodes[-1].name].shape) != 1:
        raise graph.nodes[-1].refuse(graph.edges[graph.nodes[-1].name].shape, "want logits of shape (K,)")


def _check_size(graph: Graph, node: Node) -> None:
    shape = graph.edges[node.name].shape
    if len(shape) > 3:
        raise node.refuse(f"{len(shape)} axes", "want (C, H, W) or fewer")
    elements = largest_array(graph, node)
    if elements > MOST_ELEMENTS:
        raise node.refuse(elements, f"an edge, and what windows see of it, may have {MOST_ELEMENTS} elements at most")


def _check(node: Node, tensors: Mapping[str, Tensor]) -> None:
    if isinstance(node, Synapse):
        codes, top = tensors[f"{node.name}.weight"], signed_range(node.weight_bits)[1]
        if node.weight_bits >= FULL_PRECISION:
            raise node.refuse(f"{node.weight_bits} weight bits", f"want fewer than {FULL_PRECISION}: those are floats")
        lowest, highest = int(codes.min()), int(codes.max())
        if lowest < -top or highest > top or (node.weight_bits == 1 and (codes == 0).any()):
            raise UserError(f"tensor {node.name}.weight", (lowest, highest), f"want codes of {node.weight_bits} bits")
        if node.bias:
            raise node.refuse("a bias", "a frozen synapse has none: it belongs into the affine after it")
    elif isinstance(node, Affine) and node.fraction_bits is None:
        raise node.refuse(None, "want its fraction bits")
    elif isinstance(node, Release) and node.T > MOST_STEPS:
        raise node.refuse(node.T, f"want T to {MOST_STEPS}")
    elif isinstance(node, Fire):
        if node.dynamics is None:
            raise node.refuse(None, "want the integers of a frozen neuron (dynamics)")
        if (node.dynamics.store is None) != (node.membrane_bits is None):
            missing = "a store in its dynamics" if node.dynamics.store is None else "the membrane_bits of its store"
            raise node.refuse(f"membrane_bits={node.membrane_bits}", f"want {missing}")
        if node.T > MOST_STEPS or max(abs(node.lo), abs(node.hi)) > MOST_LEVEL:
            raise node.refuse((node.T, node.lo, node.hi), f"want T to {MOST_STEPS}, levels within +-{MOST_LEVEL}")
