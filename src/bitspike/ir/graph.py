"""The network as data: ops in order, edges by name, verified when it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.ops import Fire, Node, Synapse

__all__ = ["Graph"]


@dataclass(frozen=True)
class Graph:
    """Ops in an order in which each one's inputs come before it. An op's output edge has the op's name.

    Args:
        name: of the network.
        nodes: the ops.

    Attributes:
        edges: output edge of every op, inferred and checked here.

    Raises:
        UserError: a name occurs twice, an input is missing or comes later, or shapes, steps or arity do not fit.
    """

    name: str
    nodes: tuple[Node, ...]
    edges: Mapping[str, Edge] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        edges: dict[str, Edge] = {}
        for node in self.nodes:
            if node.name in edges:
                raise UserError("op", node.name, "the name is taken by an earlier op")
            if len(node.inputs) != node.arity:
                raise node.refuse(node.inputs, f"wants {node.arity} inputs")
            for source in node.inputs:
                if source not in edges:
                    raise node.refuse(source, "its input is not an earlier op")
            edges[node.name] = node.infer(*(edges[source] for source in node.inputs))
        object.__setattr__(self, "edges", MappingProxyType(edges))

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def input_edge(self, node: Node) -> Edge:
        """The edge that a one-input op reads."""
        return self.edges[node.inputs[0]]

    def synapses(self) -> Iterator[Synapse]:
        """Ops with weights, in order."""
        return (node for node in self.nodes if isinstance(node, Synapse))

    def neurons(self) -> Iterator[Fire]:
        """Layers of neurons, in order."""
        return (node for node in self.nodes if isinstance(node, Fire))
