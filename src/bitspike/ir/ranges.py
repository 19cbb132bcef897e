"""Which integers can occur on each edge of a frozen graph. What is proven here cannot overflow later.

Every op has the rule for its own output (`bitspike.ir.ops`); here is what a rule reads and makes, and the walk through
the graph. All of it is in Python's integers, which have no end: what is beyond 64 bits is seen, and not wrapped around.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bitspike.ir.graph import Graph

__all__ = ["INT64", "Bounds", "Int", "Range", "Tensors", "edge_bounds", "edge_ranges"]

Int = NDArray[np.signedinteger[Any]]
Tensors = Mapping[str, Int]
INT64 = 2**62
"""No intermediate may come near the end of int64."""


class Range(NamedTuple):
    """Smallest and largest integer that can occur, both included."""

    lo: int
    hi: int

    @property
    def signed_bits(self) -> int:
        """Width of a two's complement integer that holds every value of the range."""
        return 1 + max(self.hi, -self.lo - 1).bit_length()

    @property
    def dtype(self) -> np.dtype[np.signedinteger[Any]]:
        """NumPy's narrowest signed type that holds every value of the range."""
        return np.dtype(f"int{max(8, 1 << (self.signed_bits - 1).bit_length())}")

    @property
    def reach(self) -> int:
        """The largest distance from 0."""
        return max(self.hi, -self.lo)

    def __add__(self, other: object) -> Range:
        if not isinstance(other, Range):
            return NotImplemented
        return Range(self.lo + other.lo, self.hi + other.hi)

    def including(self, *values: int) -> Range:
        return Range(min(self.lo, *values), max(self.hi, *values))

    def joined(self, *others: Range) -> Range:
        """The range of whatever is in this one or in one of the others."""
        return self.including(*(end for other in others for end in other))

    def within(self, other: Range) -> Range:
        """What two proofs leave together."""
        return Range(max(self.lo, other.lo), min(self.hi, other.hi))

    def repeated(self, steps: int) -> Range:
        """What 1 to ``steps`` values of the range add up to."""
        return Range(min(self.lo, self.lo * steps), max(self.hi, self.hi * steps))


@dataclass(frozen=True)
class Bounds:
    """What is proven of an edge.

    Attributes:
        T: its steps.
        each: any element, at any step.
        total: what the first steps of an element, 1 to ``T`` of them, add up to. This is what bounds a network of
            neurons with a tracer: however long it runs, each has sent 0 to ``tracer``.
    """

    T: int
    each: Range
    total: Range

    @classmethod
    def of_any_steps(cls, T: int, each: Range) -> Bounds:
        """Nothing is known of a step but its range."""
        return cls(T, each, each.repeated(T))


def edge_bounds(graph: Graph, tensors: Tensors) -> dict[str, Bounds]:
    """What is proven of every op's output (a synapse's is its accumulator).

    Args:
        graph: the ops.
        tensors: of all of them, by ``NAME.part``.

    Raises:
        UserError: an op that has no integers, or a value that could leave int64.
    """
    found: dict[str, Bounds] = {}
    for node in graph.nodes:
        own, read = graph.tensors_of(node, tensors), [found[name] for name in node.inputs]
        each = node.range(own, *read)
        if each.reach >= INT64:
            raise node.refuse(tuple(each), "a value could overflow 64 bits")
        made = Bounds.of_any_steps(graph.edges[node.name].T, each)
        total = node.total(own, *read) if made.T > 1 else None  # one step adds up to itself
        found[node.name] = made if total is None else Bounds(made.T, each, total.within(made.total))
    for delay in graph.delays():  # what it says held at each step, so it holds at the next
        delay.check_range(found[delay.of])
    return found


def edge_ranges(graph: Graph, tensors: Tensors) -> dict[str, Range]:
    """The range of every op's output, as `edge_bounds` proves it."""
    return {name: bounds.each for name, bounds in edge_bounds(graph, tensors).items()}
