"""Shape: the same elements in another order or under other axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream

__all__ = ["Reshape"]


@dataclass(frozen=True, kw_only=True)
class Reshape(Node):
    """The same elements in another shape.

    Equation: ``y = x``, element by element in row-major order, each step by itself.

    Units: the input's.

    Range: the input's.

    Args:
        shape: of one image at one step.
    """

    op: ClassVar[str] = "reshape"
    same_elements: ClassVar[bool] = True

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise self.refuse(self.shape, "wants a shape of at least one axis, each of at least one element")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if prod(self.shape) != edge.size:
            raise self.refuse(self.shape, f"wants {edge.size} elements, as its input {edge.shape}")
        return edge.reshaped(self.shape)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return spikes[0]

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].total

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return x[0].reshape(*x[0].shape[:2], *self.shape)
