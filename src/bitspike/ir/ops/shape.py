"""The same elements in another order, under other axes, or of another value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import ClassVar

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream

__all__ = ["Permute", "Reshape", "Times"]


class _SameElements(Node):
    """What an op does that computes nothing."""

    same_elements: ClassVar[bool] = True

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return spikes[0]

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].total

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven


@dataclass(frozen=True, kw_only=True)
class Reshape(_SameElements):
    """The same elements in another shape.

    Equation: ``y = x``, element by element in row-major order, each step by itself.

    Units: the input's.

    Range: the input's.

    Args:
        shape: of one image at one step.
    """

    op: ClassVar[str] = "reshape"

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise self.refuse(self.shape, "wants a shape of at least one axis, each of at least one element")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if prod(self.shape) != edge.size:
            raise self.refuse(self.shape, f"wants {edge.size} elements, as its input {edge.shape}")
        return edge.reshaped(self.shape)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return x[0].reshape(*x[0].shape[:2], *self.shape)


@dataclass(frozen=True, kw_only=True)
class Permute(_SameElements):
    """The axes of one step in another order.

    Equation: ``y[p] = x[q]``, each step by itself, where ``q[axes[k]] = p[k]`` for each axis ``k``.

    Units: the input's.

    Range: the input's.

    Args:
        axes: for each axis of the output that of the input which it is, counted from 0.
    """

    op: ClassVar[str] = "permute"

    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.axes or sorted(self.axes) != [*range(len(self.axes))]:
            raise self.refuse(self.axes, "wants each axis once, from 0")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if len(self.axes) != len(edge.shape):
            raise self.refuse(self.axes, f"wants the {len(edge.shape)} axes of its input {edge.shape}")
        return edge.reshaped(tuple(edge.shape[axis] for axis in self.axes))

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return np.transpose(x[0], (0, 1, *(axis + 2 for axis in self.axes)))


@dataclass(frozen=True, kw_only=True)
class Times(_SameElements):
    """A number as a factor. It goes into the value of a level: in structural graphs alone, for freezing writes nothing.

    Args:
        factor: above 0.
    """

    op: ClassVar[str] = "times"

    factor: float

    def __post_init__(self) -> None:
        if not 0 < self.factor < inf:
            raise self.refuse(self.factor, "wants a factor above 0")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.scale is None:
            return edge
        return replace(edge, scale=self.worth(edge.scale * self.factor))
