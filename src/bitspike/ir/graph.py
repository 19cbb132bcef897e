"""The network as data: ops in order, edges by name, verified when it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.ops import Delay, Fire, Input, Int, MatMul, Node, Readout, Synapse
from bitspike.ir.ranges import Tensors

__all__ = ["Graph"]

Kind = TypeVar("Kind", bound=Node)


@dataclass(frozen=True)
class Graph:
    """Ops in an order in which each one's inputs come before it. An op's output edge has the op's name.

    Args:
        name: of the network.
        nodes: the ops.

    Attributes:
        edges: output edge of every op, inferred and checked here.

    Raises:
        UserError: a name occurs twice, an input is missing or comes later, shapes, steps or arity do not fit, or a
            delay says another edge than that of the op it delays.
    """

    name: str
    nodes: tuple[Node, ...]
    edges: Mapping[str, Edge] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        edges: dict[str, Edge] = {}
        for node in self.nodes:
            if node.name in edges:
                raise UserError("op", node.name, "the name is taken by an earlier op")
            if len(node.inputs) < 2 if node.arity is None else len(node.inputs) != node.arity:
                wanted = "two or more" if node.arity is None else node.arity
                raise node.refuse(node.inputs, f"wants {wanted} inputs")
            for source in node.inputs:
                if source not in edges:
                    raise node.refuse(source, "its input is not an earlier op")
            edges[node.name] = node.infer(*(edges[source] for source in node.inputs))
        earlier: dict[str, Edge] = {}
        for node in self.nodes:
            if isinstance(node, Delay):
                node.check_loop(earlier, edges)
            earlier[node.name] = edges[node.name]
        object.__setattr__(self, "edges", MappingProxyType(edges))

    def __reduce__(self) -> Any:  # its edges are inferred, not copied
        return type(self), (self.name, self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def input_edge(self, node: Node) -> Edge:
        """The edge that a one-input op reads."""
        return self.edges[node.inputs[0]]

    def read(self, node: Node) -> tuple[Edge, ...]:
        """The edges that an op reads, in the order of its inputs."""
        return tuple(self.edges[name] for name in node.inputs)

    def tensors_of(self, node: Node, tensors: Tensors) -> dict[str, Int]:
        """Of the tensors of a whole network, by ``NAME.part``, those of one op, by part."""
        return {part: tensors[f"{node.name}.{part}"] for part in node.tensor_shapes(*self.read(node))}

    def of(self, kind: type[Kind]) -> Iterator[Kind]:
        """Ops of one class, in order."""
        return (node for node in self.nodes if isinstance(node, kind))

    def synapses(self) -> Iterator[Synapse]:
        """Ops with weights, in order."""
        return self.of(Synapse)

    def products(self) -> Iterator[MatMul]:
        """Products of two activations, in order."""
        return self.of(MatMul)

    def neurons(self) -> Iterator[Fire]:
        """Layers of neurons, in order."""
        return self.of(Fire)

    def neurons_behind(self, name: str) -> list[Fire]:
        """The layers of neurons whose spikes arrive at an op, through whatever is no layer of neurons; or itself."""
        neurons = {node.name: node for node in self.neurons()}
        read = {node.name: node.inputs for node in self.nodes}
        read |= {node.name: (node.of,) for node in self.of(Delay)}
        ahead, seen = [name], set[str]()
        found = []
        while ahead:
            op = ahead.pop()
            if op in seen:  # branches meet again: each op is looked at once
                continue
            seen.add(op)
            if op in neurons:
                found.append(neurons[op])
            else:
                ahead += read[op]
        return found

    def delays(self) -> Iterator[Delay]:
        """What closes the loops, in order."""
        return self.of(Delay)

    def inputs(self) -> Iterator[Input]:
        """Where images come in."""
        return self.of(Input)

    def readouts(self) -> Iterator[Readout]:
        """Where answers go out, in order."""
        return self.of(Readout)

    @property
    def outputs(self) -> tuple[Edge, ...]:
        """What goes out, in order."""
        return tuple(self.edges[node.name] for node in self.readouts())

    @property
    def classes(self) -> int | None:
        """How many classes its only output, logits ``(K,)``, tells apart; ``None`` where it has others."""
        shapes = [edge.shape for edge in self.outputs]
        return shapes[0][0] if len(shapes) == 1 and len(shapes[0]) == 1 else None
