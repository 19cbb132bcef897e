"""What a later op sent one step before: the only op that closes a loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitspike.ir.edge import Edge
from bitspike.ir.ops.node import Node
from bitspike.ir.ranges import Bounds, Int, Range, Tensors

__all__ = ["Delay"]


@dataclass(frozen=True, kw_only=True)
class Delay(Node):
    """The output of a later op, one step later: how a recurrent network reads itself while its graph stays in order.

    Equation: ``y[t] = x[t-1]``, where ``x`` is the output of ``of``, and 0 at ``t = 0``.

    Units: those of ``of``.

    Range: ``lo .. hi`` of ``edge``, which has 0 and all that is proven of ``of``.

    Args:
        of: name of the later op.
        edge: what that op sends: shape, ``T``, levels and scale are said here, as they are not known yet.
    """

    op: ClassVar[str] = "delay"
    arity: ClassVar[int | None] = 0

    of: str
    edge: Edge

    def __post_init__(self) -> None:
        if self.edge.T == 1:
            raise self.refuse("one step", "want at least 2: of one step nothing comes back")
        if self.edge.bounds is not None and not self.edge.bounds.each == self.edge.bounds.each.including(0):
            raise self.refuse(tuple(self.edge.bounds.each), "want levels with 0, which is what the first step reads")

    def infer(self, *edges: Edge) -> Edge:
        return self.edge

    def check_loop(self, earlier: Mapping[str, Edge], edges: Mapping[str, Edge]) -> None:
        """That what it says of the op it delays is so.

        Args:
            earlier: output edges of the ops before it. edges: of all ops.

        Raises:
            UserError: there is no such op, or it is an earlier one, or its edge is another.
        """
        if self.of not in edges or self.of in earlier or self.of == self.name:
            raise self.refuse(self.of, "want the name of a later op")
        sent = edges[self.of]
        known = self.edge if sent.bounds is not None else self.edge.unquantized()
        if known != sent:
            raise self.refuse(self.edge, f"want the edge of {self.of}, {sent}")

    def check_range(self, proven: Bounds) -> None:
        """That all which is proven of the op it delays is within what it says of that.

        Raises:
            UserError: it is not.
        """
        said = self.range({})
        if said.joined(proven.each) != said:
            raise self.refuse(tuple(said), f"want a range that has all of {self.of}, {tuple(proven.each)}")

    def carried(self, *edges: Edge) -> Edge | None:
        return self.edge.at_one_step()

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        if self.edge.bounds is None:
            raise self.refuse(type(self).__name__, "has no meaning in integers")
        return self.edge.bounds.each

    def met(self, tensors: Tensors, proven: Range, *x: Bounds) -> Range:
        return proven

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        """All steps, given those of ``of``, which a graph with loops has once it ran step by step."""
        return np.concatenate([np.zeros_like(x[0][:1]), x[0][:-1]])

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        """Its output is its state: what carries it on is whoever has the step of ``of``."""
        if state is None:
            return np.zeros((1, len(x[0]), *self.edge.shape), dtype=proven.dtype), None
        return state, None
