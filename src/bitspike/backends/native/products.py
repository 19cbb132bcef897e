"""Products of two activations, and axes in another order: what reads memory by the axes of an edge."""

from __future__ import annotations

from math import gcd, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.native.code import Code
from bitspike.backends.native.edges import Stored
from bitspike.backends.native.elements import gathered
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Factor, Form, Kind
from bitspike.backends.native.structs import MatMul as Terms
from bitspike.ir import Graph, MatMul, Permute, Range, Reshape
from bitspike.native import Level

__all__ = ["ProductOfEdges", "Turned"]

VECTOR = 16
"""Lanes of the widest vector."""


class Turned(Row[Permute]):
    """The same elements at other places."""

    def gathers(self, graph: Graph, node: Permute) -> bool:
        return True

    def write(self, code: Code, node: Permute) -> int:
        places = _places(code.stored[node.inputs[0]]).transpose(node.axes)
        return gathered(code, node, places.reshape(len(places), -1))


class ProductOfEdges(Row[MatMul]):
    """A sum of products for each element.

    Channels lie beside each other. They are the heads, where there are any, and else the rows of the first factor, so
    that the two factors change their parts (csrc/product.h). Both are packed, and may be read in any order of axes.
    """

    def gathers(self, graph: Graph, node: MatMul) -> bool:
        return True

    def reads(self, graph: Graph, node: MatMul) -> tuple[str, ...]:
        return tuple(_seen(graph, name).edge for name in node.inputs)

    def write(self, code: Code, node: MatMul) -> int:
        graph = code.net.graph
        shape, seen = graph.edges[node.name].shape, [_seen(graph, name) for name in node.inputs]
        heads, rows, columns = shape if len(shape) == 3 else (1, *shape[::-1])
        row, lane = seen if len(shape) == 3 else seen[::-1]
        axes = ((-2, -1), (-1, -2)) if len(shape) == 3 else ((-1, -2), (-2, -1))
        form = _form(code, node, code.net.ranges[row.edge], code.net.ranges[lane.edge])
        width = heads - gcd(heads, VECTOR) + VECTOR if heads > 1 else 1
        stride = -(-columns * heads // VECTOR) * VECTOR + 2 * VECTOR  # two vectors are read at once
        sizes = [form.bytes * -(-node.inner // form.terms) * size for size in (rows * width, stride)]
        factors = (_factor(code, *each) for each in zip((row, lane), axes, sizes, strict=True))
        struct = Terms(*factors, stride, form, node.inner, rows, columns, heads, width)
        return code.emit(Kind.MATMUL, data=(struct, {}))


class _Seen(NamedTuple):
    """An edge, and what puts its elements into the order in which they are read."""

    edge: str
    turns: tuple[Permute | Reshape, ...]

    def ordered(self, graph: Graph, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Values of the edge's elements in that order."""
        for node in self.turns:
            if isinstance(node, Permute):
                values = values.transpose(node.axes)
            else:
                values = values.reshape(graph.edges[node.name].shape)
        return values


def _seen(graph: Graph, name: str) -> _Seen:
    """The first edge from which all others up to a factor are made by steps of one size along each axis."""
    turns: tuple[Permute | Reshape, ...] = ()
    seen, node = _Seen(name, turns), graph[name]
    while isinstance(node, Permute | Reshape):
        turns, (before,) = (node, *turns), node.inputs
        if all(_even(_Seen(before, turns).ordered(graph, part)) for part in _grid(graph.edges[before].shape)):
            seen = _Seen(before, turns)
        node = graph[before]
    return seen


def _even(values: NDArray[np.int64]) -> bool:
    """Whether values change by one size along each axis, wherever on the others."""
    steps = (_apart(values, axis) * np.arange(size) for axis, size in enumerate(values.shape))
    return bool((values == values.flat[0] + sum(np.ix_(*steps))).all())


def _factor(code: Code, seen: _Seen, axes: tuple[int, int], packed: int) -> Factor:
    """How a factor is read, its rows (or lanes) and its terms along these axes."""
    edge = code.stored[seen.edge]
    places = seen.ordered(code.net.graph, _places(edge))
    apart, term = (_apart(places, axis) for axis in axes)
    head = _apart(places, 0) if places.ndim == 3 else 0
    return Factor(0, packed, 0, edge.index, edge.steps == 1, int(places.flat[0]), apart, term, head)


def _form(code: Code, node: MatMul, row: Range, lane: Range) -> Form:
    """The form of the fewest bits that the levels fit and the instruction set multiplies."""
    level, bits = code.chooser.level, max(row.signed_bits, lane.signed_bits)
    if code.net.ranges[node.name].signed_bits > 32:
        return Form.LONGS
    for form, unsigned, signed in ((Form.BYTES, row, lane), (Form.BYTES_TURNED, lane, row)):
        fit = unsigned.lo >= 0 and unsigned.hi <= 255 and signed.signed_bits <= 8
        exact = level != Level.avx2 or 2 * unsigned.hi * signed.reach < 2**15  # it adds up two products in 16 bits
        if fit and exact and level in (Level.avx2, Level.avx512, Level.amx):
            return form
    return Form.SHORTS if bits <= 16 else Form.INTS


def _grid(shape: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Channel, row and column of each element of an edge, in its shape; what is no image is one row."""
    sides = shape[1:] if len(shape) == 3 else (1, prod(shape[1:]))
    return [part.reshape(shape) for part in np.indices((shape[0], *sides))]


def _places(edge: Stored) -> NDArray[np.int64]:
    """Where each element lies in its image, in the shape of the edge."""
    channel, row, column = _grid(edge.shape)
    return edge.first + row * edge.row + column * edge.channels + channel


def _apart(places: NDArray[np.int64], axis: int) -> int:
    """Elements from one to the next along an axis; 0 where there is one."""
    first = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)[:, 0]
    return int(first[1] - first[0]) if len(first) > 1 else 0
