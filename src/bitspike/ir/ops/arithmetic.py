"""Element-wise arithmetic: a factor and an offset for each channel, sums of two edges, the positive part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitspike.intmath import half, shift_right
from bitspike.ir.edge import Edge
from bitspike.ir.limits import MOST_FRACTION_BITS
from bitspike.ir.ops.node import Node
from bitspike.ir.ranges import INT64, Bounds, Int, Range, Tensors
from bitspike.ir.stream import Stream

__all__ = ["Add", "Affine", "Relu"]


@dataclass(frozen=True, kw_only=True)
class Affine(Node):
    """One multiplication and one addition per channel: batch norm in a structural graph, fixed point in a frozen one.

    Equation: ``y[c] = ((m[c] * x[c] + half) >> shift) + b[c]``, with the tensors ``m = NAME.multiplier`` and
    ``b = NAME.offset``, and ``half = 2^(shift - 1)`` if ``shift > 0``, else 0: the product is rounded half up. ``c`` is
    the first axis of the shape. Where ``steps`` is given, ``b`` is added at the steps ``t < steps`` only.

    Units: ``2^-fraction_bits`` of what reads it: of a neuron's threshold, a logit, or a level.

    Range: smallest and largest ``y`` of any channel, with ``x`` at either end of the input's range.

    Args:
        fraction_bits: bits of ``y`` after the point; ``None`` until frozen.
        shift: bits that the multiplier has after the point beyond those, so that a large ``x`` does not magnify its
            rounding; 0 to 30.
        steps: how many steps the offset is there for; ``None`` for all.
    """

    op: ClassVar[str] = "affine"

    fraction_bits: int | None = None
    shift: int = 0
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.fraction_bits is not None and not 0 <= self.fraction_bits <= MOST_FRACTION_BITS:
            raise self.refuse(self.fraction_bits, f"wants fraction_bits 0 to {MOST_FRACTION_BITS}")
        if not 0 <= self.shift <= MOST_FRACTION_BITS:
            raise self.refuse(self.shift, f"wants a shift of 0 to {MOST_FRACTION_BITS}")

    def infer(self, *edges: Edge) -> Edge:
        if self.steps is not None and not 1 <= self.steps <= edges[0].T:
            raise self.refuse(f"steps={self.steps}", f"wants 1 to the {edges[0].T} steps of its input")
        return edges[0].unquantized()

    def constants(self, *edges: Edge) -> int:
        return 2 * edges[0].shape[0]

    def tensor_shapes(self, *edges: Edge) -> dict[str, tuple[int, ...]]:
        channels = (edges[0].shape[0],)
        return {"multiplier": channels, "offset": channels}

    def check(self, tensors: Tensors) -> None:
        if self.fraction_bits is None:
            raise self.refuse(None, "want its fraction bits")

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        multipliers, offsets = tensors["multiplier"].tolist(), tensors["offset"].tolist()
        channels = [*zip(multipliers, offsets, strict=True)]
        if self.steps not in (None, x[0].T):  # the offset ends before the input does
            channels += [(m, 0) for m in multipliers]
        terms = [(m * end + half(self.shift), b) for m, b in channels for end in x[0].each]
        largest = max(*map(abs, multipliers), *(abs(part) for term in terms for part in term))
        if largest >= INT64:
            raise self.refuse(largest, "its multiplier, product or offset could overflow 64 bits")
        ends = [(product >> self.shift) + b for product, b in terms]
        return Range(min(ends), max(ends))

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        if self.shift:  # what is rounded at each step does not add up
            return None
        m, b = (tensors[part].astype(object) for part in ("multiplier", "offset"))
        steps = (1, self.steps or x[0].T)
        ends = [m * end + b * times for end in x[0].total for times in steps]
        return Range(min(e.min() for e in ends), max(e.max() for e in ends))

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        numbers = [int(end) for part in tensors.values() for end in (part.min(), part.max())]
        raised = [m * end + more for m in numbers[:2] for end in x[0].each for more in (0, half(self.shift))]
        return proven.joined(x[0].each).including(*numbers, *raised, *(end >> self.shift for end in raised))

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        per_channel = (-1, *(1 for _ in x[0].shape[3:]))
        multiplier, offset = (tensors[part].reshape(per_channel) for part in ("multiplier", "offset"))
        y = shift_right(x[0] * multiplier + half(self.shift), self.shift)
        y[: self.steps] += offset
        return y

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        there = self.steps is None or t < self.steps
        given = tensors if there else {**tensors, "offset": np.zeros_like(tensors["offset"])}
        return self.step(given, proven, *x), None


@dataclass(frozen=True, kw_only=True)
class Add(Node):
    """Addition. Spikes of one scale add up to wider integers; anything else is unquantized until freezing.

    Equation: ``y[t] = x0[t] + x1[t]``; an input of one step is held, as `Fire` holds it.

    Units: those of both inputs, which must be the same.

    Range: sum of the two ranges, end by end.
    """

    op: ClassVar[str] = "add"
    arity: ClassVar[int | None] = 2
    adds_paths: ClassVar[bool] = True

    def infer(self, *edges: Edge) -> Edge:
        a, b = edges
        T = max(a.T, b.T)
        if a.shape != b.shape or {a.T, b.T} - {1, T}:
            raise self.refuse((a.shape, a.T, b.shape, b.T), "wants two inputs of one shape and T")
        if a.bounds is None or b.bounds is None or a.scale is None or a.scale != b.scale:
            return Edge(shape=a.shape, T=T)
        lo, hi = self.range({}, a.bounds, b.bounds)
        return Edge(shape=a.shape, T=T, lo=lo, hi=hi, scale=a.scale)

    def stream(self, edges: Sequence[Edge], spikes: Sequence[Stream], seen: float | None) -> Stream:
        T = max(edge.T for edge in edges)
        a, b = (sent.repeated(T // edge.T) for sent, edge in zip(spikes, edges, strict=True))  # held: sent at each step
        return a + b

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return x[0].each + x[1].each

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        return x[0].total + x[1].total if x[0].T == x[1].T else None

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each, x[1].each)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return x[0] + x[1]


@dataclass(frozen=True, kw_only=True)
class Relu(Node):
    """The positive part of a current; in a frozen graph that is fixed point, as an ``affine`` makes it.

    Equation: ``y = max(x, 0)``.

    Units: the input's.

    Range: the input's, where an end below 0 becomes 0.
    """

    op: ClassVar[str] = "relu"

    def infer(self, *edges: Edge) -> Edge:
        return edges[0].unquantized()

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        lo, hi = x[0].each
        return Range(max(lo, 0), max(hi, 0))

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return np.maximum(x[0], 0)
