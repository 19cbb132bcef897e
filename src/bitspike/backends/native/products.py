"""Products of two activations, and axes in another order: what reads memory by the axes of an edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native.code import Code
from bitspike.backends.native.edges import Stored
from bitspike.backends.native.elements import gathered
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Kind
from bitspike.backends.native.structs import MatMul as Terms
from bitspike.ir import Graph, MatMul, Permute

__all__ = ["ProductOfEdges", "Turned"]


class Turned(Row[Permute]):
    """The same elements at other places."""

    def gathers(self, graph: Graph, node: Permute) -> bool:
        return True

    def write(self, code: Code, node: Permute) -> int:
        places = _places(code.stored[node.inputs[0]]).transpose(node.axes)
        return gathered(code, node, places.reshape(len(places), -1))


class ProductOfEdges(Row[MatMul]):
    """A sum of products for each element."""

    def gathers(self, graph: Graph, node: MatMul) -> bool:
        return True

    def write(self, code: Code, node: MatMul) -> int:
        left, right = (code.stored[name] for name in node.inputs)
        shape = code.net.graph.edges[node.name].shape
        x, y = _places(left)[..., :1], _places(right)[..., :1, :]  # of the first term
        begins = [np.broadcast_to(part, shape).reshape(shape[0], -1) for part in (x, y)]
        struct = Terms(
            inner=node.inner,
            left_channel=_apart(begins[0], axis=0),
            right_channel=_apart(begins[1], axis=0),
            left_step=_apart(_places(left), axis=-1),
            right_step=_apart(_places(right), axis=-2),
        )
        arrays = {name: part[0].astype(np.int32) for name, part in zip(("left", "right"), begins, strict=True)}
        return code.emit(Kind.MATMUL, edge=left.name, n=right.index, data=(struct, arrays))


def _places(edge: Stored) -> NDArray[np.int64]:
    """Where each element lies in its image, in the shape of the edge."""
    rows, columns = edge.sides
    c, r, k = np.meshgrid(np.arange(edge.channels), np.arange(rows), np.arange(columns), indexing="ij")
    places: NDArray[np.int64] = edge.first + r * edge.row + k * edge.channels + c
    return places.reshape(edge.shape)


def _apart(places: NDArray[np.int64], axis: int) -> int:
    """Elements from one to the next along an axis; 0 where there is one."""
    first = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)[:, 0]
    return int(first[1] - first[0]) if len(first) > 1 else 0
