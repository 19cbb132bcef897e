"""Routes through a network: edges joined along their channels, a range of the channels of one, one made larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ops.window import Pair, shape_of
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream

__all__ = ["Concat", "Slice", "Upsample"]


@dataclass(frozen=True, kw_only=True)
class Concat(Node):
    """Two or more edges as one, their channels one after the other. They may be of unlike ranges and scales.

    Equation: ``y[c] = x_k[c - C_k]`` for ``C_k <= c < C_k+1``, where ``C_k`` is the sum of the channels of the inputs
    before the ``k``-th; an input of one step is held, as `Fire` holds it. ``c`` is the first axis of the shape.

    Units: those of each input, for its own channels.

    Range: what is in any of the inputs' ranges.
    """

    op: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    def infer(self, *edges: Edge) -> Edge:
        T, behind = max(edge.T for edge in edges), {edge.shape[1:] for edge in edges}
        if len(behind) > 1 or {edge.T for edge in edges} - {1, T}:
            seen = tuple((edge.shape, edge.T) for edge in edges)
            raise self.refuse(seen, "wants inputs that differ in their channels alone, and of one T")
        shape = (sum(edge.shape[0] for edge in edges), *edges[0].shape[1:])
        bounds = [edge.bounds for edge in edges if edge.bounds is not None]
        if len(bounds) < len(edges):
            return Edge(shape=shape, T=T)
        lo, hi = self.range({}, *bounds)
        alike = {edge.scale for edge in edges}
        return Edge(shape=shape, T=T, lo=lo, hi=hi, scale=alike.pop() if len(alike) == 1 else None)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        T = max(edge.T for edge in edges)
        first, *others = (sent.repeated(T // edge.T) for sent, edge in zip(spikes, edges, strict=True))
        return sum(others, start=first)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each.joined(*(other.each for other in x[1:]))

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        alike = len({bounds.T for bounds in x}) == 1
        return x[0].total.joined(*(other.total for other in x[1:])) if alike else None

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        T = max(len(part) for part in x)
        return np.concatenate([np.broadcast_to(part, (T, *part.shape[1:])) for part in x], axis=2)


@dataclass(frozen=True, kw_only=True)
class Slice(Node):
    """A range of the channels of an edge.

    Equation: ``y[c] = x[start + c]`` for ``0 <= c < stop - start``; ``c`` is the first axis of the shape.

    Units: the input's.

    Range: the input's.

    Args:
        start, stop: the first of its channels, and the one behind the last.
    """

    op: ClassVar[str] = "slice"

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise self.refuse((self.start, self.stop), "wants 0 <= start < stop")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if self.stop > edge.shape[0]:
            raise self.refuse((self.start, self.stop), f"wants a range of the {edge.shape[0]} channels of its input")
        return edge.reshaped((self.stop - self.start, *edge.shape[1:]))

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return Stream(seen, edges[0].highest, None)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].total

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return x[0][:, :, self.start : self.stop]


@dataclass(frozen=True, kw_only=True)
class Upsample(Node):
    """An image, or a signal, with each of its places several times: the nearest one, of a whole factor.

    Equation: ``y[c,i,j] = x[c, floor(i / factor), the same of j]``.

    Units: the input's.

    Range: the input's.

    Args:
        factor: how often each row and each column is there; of a signal, which has one row, 1 and the columns.
    """

    op: ClassVar[str] = "upsample"

    factor: Pair

    def __post_init__(self) -> None:
        if min(self.factor) < 1:
            raise self.refuse(self.factor, "wants factors of at least 1")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if len(edge.shape) not in (2, 3):
            raise self.refuse(edge.shape, "wants an input of shape (C, H, W) or (C, L)")
        if len(edge.shape) == 2 and self.factor[0] != 1:
            raise self.refuse(self.factor, "wants one row of a signal (C, L)")
        rows, columns = (side * times for side, times in zip(edge.plane[1:], self.factor, strict=True))
        return edge.reshaped(shape_of(edge, edge.shape[0], (rows, columns)))

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return spikes[0].repeated(prod(self.factor))

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].total

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        rows, columns = self.factor
        y = x[0] if x[0].ndim == 4 else np.repeat(x[0], rows, axis=-2)
        return np.repeat(y, columns, axis=-1)
