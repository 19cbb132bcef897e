"""Products of two activations, as attention computes them: neither is a weight."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod
from typing import ClassVar

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.ops.linear import exact_type
from bitspike.ir.ops.node import Node
from bitspike.ir.ranges import INT64, Bounds, Int, Range, Tensors

__all__ = ["MatMul"]


@dataclass(frozen=True, kw_only=True)
class MatMul(Node):
    """The matrix product of two edges, each step by itself, and each part of a leading axis (the heads) by itself.

    Equation: ``y[t,h,m,n] = sum_k x0[t,h,m,k] * x1[t,h,k,n]``, without ``h`` where both have two axes; an input of one
    step is held, as `Fire` holds it.

    Units: the product of the units of both.

    Range: ``inner`` times the smallest and the largest product of an integer of each range, and 0. (0 is what a sum
    begins with: partial sums stay in the range too.)

    Args:
        inner: terms of each sum: the last axis of the first input, and the last but one of the second.
    """

    op: ClassVar[str] = "matmul"
    arity: ClassVar[int | None] = 2

    inner: int

    def __post_init__(self) -> None:
        if self.inner < 1:
            raise self.refuse(self.inner, "wants sums of at least one term")

    def infer(self, *edges: Edge) -> Edge:
        a, b = edges
        T = max(a.T, b.T)
        if len(a.shape) != len(b.shape) or len(a.shape) not in (2, 3) or {a.T, b.T} - {1, T}:
            wanted = "wants (heads, M, K) and (heads, K, N), or (M, K) and (K, N), of one T"
            raise self.refuse((a.shape, a.T, b.shape, b.T), wanted)
        if {a.shape[-1], b.shape[-2]} != {self.inner} or a.shape[:-2] != b.shape[:-2]:
            raise self.refuse(
                (a.shape, b.shape), f"wants (.., M, {self.inner}) and (.., {self.inner}, N), of as many heads"
            )
        made = Edge(shape=(*a.shape[:-1], b.shape[-1]), T=T)
        if a.bounds is None or b.bounds is None or a.scale is None or b.scale is None:
            return made
        lo, hi = self.range({}, a.bounds, b.bounds)
        return Edge(shape=made.shape, T=T, lo=lo, hi=hi, scale=self.worth(a.scale * b.scale))

    def macs(self, *edges: Edge) -> int:
        """Multiply-accumulates of one image at one step."""
        return prod(edges[0].shape) * edges[1].shape[-1]

    def gate(self, *edges: Edge) -> int:
        """Which input lets the other one through: that of fewer levels, as an event of it adds what it meets."""
        a, b = (inf if edge.highest is None else edge.highest for edge in edges)
        return int(b < a)

    def fan(self, *edges: Edge) -> int:
        """Outputs that an element of the gate feeds."""
        return edges[0].shape[-2] if self.gate(*edges) else edges[1].shape[-1]

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        products = [a * b for a in x[0].each for b in x[1].each]
        lo, hi = Range(min(products), max(products)).including(0)
        made = Range(self.inner * lo, self.inner * hi)
        if made.reach >= INT64:  # here already: products of products would grow without end
            raise self.refuse(f"{made.reach.bit_length()} bits", "a product could overflow 64 bits")
        return made

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven.joined(x[0].each, x[1].each)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        a, b = (edge.astype(exact_type(proven)) for edge in x)  # a factor is no larger than a product, unless that is 0
        product: Int = np.matmul(a, b).astype(x[0].dtype)
        return product
