"""A frozen network for images of another size: the same integers, where none of them depends on it."""

from __future__ import annotations

from dataclasses import replace

from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.frozen import FrozenGraph
from bitspike.ir.graph import Graph
from bitspike.ir.ops import Delay, Input, Node, Reshape, SumPool

__all__ = ["resized"]


def resized(net: FrozenGraph, size: tuple[int, int]) -> FrozenGraph:
    """The network for images ``(C, H, W)`` of another ``size``.

    Its convolutions, pools, neurons and routes are those that it has, and its outputs are as much larger as the image.

    Args:
        net: a network whose input is an image, or a train of such.
        size: rows and columns.

    Raises:
        UserError: it reads no images, the size is none, or an op depends on it, by name: a shape that is said in
            numbers, a mean over the whole map, a delay; or sides that do not fit each other any more.
    """
    first = next(net.graph.inputs())
    if len(first.edge.shape) != 3:
        raise first.refuse(first.edge.shape, "want an input of shape (C, H, W) to resize")
    if len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise UserError("size", size, "want rows and columns, whole numbers above 0")
    nodes: list[Node] = []
    edges: dict[str, Edge] = {}
    for node in net.graph.nodes:
        made: Node = node
        if isinstance(node, Input):
            made = replace(node, edge=replace(node.edge, shape=(node.edge.shape[0], *size)))
        read = [edges[name] for name in node.inputs]
        if [edge.shape for edge in read] != [edge.shape for edge in net.graph.read(node)]:
            _check(node, *net.graph.read(node))
        elif isinstance(node, Delay) and size != first.edge.shape[1:]:
            raise node.refuse(node.edge.shape, "its shape is said in numbers: a network with loops has one size")
        nodes.append(made)
        edges[node.name] = made.infer(*read)
        if edges[node.name].shape[0] != net.graph.edges[node.name].shape[0]:
            raise node.refuse(edges[node.name].shape, "its channels depend on the size of the image")
    return replace(net, graph=Graph(net.graph.name, tuple(nodes)))


def _check(node: Node, *was: Edge) -> None:
    """Refuses what reads an edge of another shape, and was made for the one that it had."""
    if isinstance(node, Reshape):
        raise node.refuse(node.shape, "its shape is said in numbers, of an image of one size")
    if isinstance(node, SumPool) and node.kernel_size == was[0].plane[1:] != (1, 1) == node.stride:
        raise node.refuse(node.kernel_size, "it is the mean over the whole map, of an image of one size")
