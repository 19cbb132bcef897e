"""Time: an edge that is held as a train of steps, and steps added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.limits import MOST_STEPS
from bitspike.ir.ops.node import Node
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream

__all__ = ["Accumulate", "Difference", "Release", "StepSum", "SumTime"]


@dataclass(frozen=True, kw_only=True)
class Release(Node):
    """A held edge as a train of ``T`` steps that is there for the first ``steps`` of them, and then 0.

    Equation: ``y[t] = x[0]`` where ``t < steps``, else 0.

    Units: the input's, divided by the ``parts``.

    Range: the input's, with 0 where ``steps < T``.

    Args:
        T: steps of the output.
        steps: how many of them carry the input, 1 to ``T``.
        parts: how many steps make up the input's whole value; known to ``scale`` alone.
    """

    op: ClassVar[str] = "release"

    T: int
    steps: int
    parts: int

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= self.T or self.parts < 1:
            raise self.refuse((self.T, self.steps, self.parts), "wants steps 1 to T, and parts of at least 1")

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.T != 1:
            raise self.refuse(f"{edge.T} steps", "wants an input that is held")
        if edge.bounds is None:
            return Edge(shape=edge.shape, T=self.T)
        lo, hi = self.range({}, edge.bounds)
        scale = None if edge.scale is None else edge.scale / self.parts
        return Edge(shape=edge.shape, T=self.T, lo=lo, hi=hi, scale=scale)

    def check(self, tensors: Tensors) -> None:
        if self.T > MOST_STEPS:
            raise self.refuse(self.T, f"want T to {MOST_STEPS}")

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each.including(0) if self.steps < self.T else x[0].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each.repeated(self.steps)

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        y = np.zeros((self.T, *x[0].shape[1:]), dtype=x[0].dtype)
        y[: self.steps] = x[0]
        return y

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        return x[0] if t < self.steps else np.zeros_like(x[0]), None


@dataclass(frozen=True, kw_only=True)
class StepSum(Node):
    """A sum over the steps of its input, whatever comes of it. One step comes out.

    Equation: ``y = sum_t x[t]``, over the steps that its input has.

    Range: the input's times the steps of the input.
    """

    adds_steps: ClassVar[bool] = True

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        steps, (lo, hi) = x[0].T, x[0].each
        return Range(lo * steps, hi * steps).within(x[0].total)

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each, x[0].total)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        total: Int = x[0].sum(0, x[0].dtype, keepdims=True)
        return total

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        """The sum so far."""
        so_far = x[0] if state is None else state + x[0]
        return so_far, so_far


@dataclass(frozen=True, kw_only=True)
class SumTime(StepSum):
    """The mean over time as a sum over the steps; the divisor goes into the scale. One step comes out, held.

    Units: the input's, divided by the steps of the input.
    """

    op: ClassVar[str] = "sum_time"

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.bounds is None:
            return Edge(shape=edge.shape, T=1)
        lo, hi = self.range({}, edge.bounds)
        return Edge(shape=edge.shape, T=1, lo=lo, hi=hi, scale=None if edge.scale is None else edge.scale / edge.T)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        return Stream(seen, self.infer(*edges).highest, None)


@dataclass(frozen=True, kw_only=True)
class Accumulate(Node):
    """The running sum over time: what a train has sent so far. An input of one step is its own sum.

    Equation: ``y[t] = x[0] + ... + x[t]``, from 0 for each image.

    Units: the input's.

    Range: what the first steps of the input, however many, add up to.
    """

    op: ClassVar[str] = "accumulate"

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.bounds is None:
            return edge
        lo, hi = edge.bounds.total
        return replace(edge, lo=lo, hi=hi)

    def carried(self, *edges: Edge) -> Edge | None:
        made = self.infer(*edges)
        return None if made.T == 1 else replace(made, T=1)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].total

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        so_far: Int = x[0].cumsum(0, dtype=x[0].dtype)
        return so_far

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        so_far = x[0] if state is None else state + x[0]
        return so_far, so_far


@dataclass(frozen=True, kw_only=True)
class Difference(Node):
    """What each step has more than the one before it: the steps add up to the last of the input's.

    Equation: ``y[t] = x[t] - x[t-1]``, where ``x[-1] = 0``.

    Units: the input's.

    Range: the input's, and the distance between its ends, of either sign; in all the input's.
    """

    op: ClassVar[str] = "difference"

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.bounds is None:
            return edge
        lo, hi = self.range({}, edge.bounds)
        return replace(edge, lo=lo, hi=hi)

    def carried(self, *edges: Edge) -> Edge | None:
        (edge,) = edges
        return None if edge.T == 1 else replace(edge, T=1)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        lo, hi = x[0].each
        return Range(lo, hi) if x[0].T == 1 else Range(min(lo, lo - hi), max(hi, hi - lo))

    def total(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return np.diff(x[0], axis=0, prepend=0).astype(x[0].dtype, copy=False)

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        return x[0] if state is None else x[0] - state, x[0]
