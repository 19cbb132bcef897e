"""A layer of neurons. How they live, and what a step of theirs is, stands in `dynamics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.ir.edge import Edge
from bitspike.ir.limits import MOST_LEVEL, MOST_MEMBRANE_BITS, MOST_STEPS
from bitspike.ir.ops.dynamics import DYNAMICS, AnyDynamics
from bitspike.ir.ops.node import Node
from bitspike.ir.ops.program import Program
from bitspike.ir.ops.proof import value_ranges
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.registry import Registry

__all__ = ["Fire"]


@dataclass(frozen=True, kw_only=True)
class Fire(Node):
    """A layer of neurons over ``T`` steps: currents in, levels out. An input of one step is held over all ``T``.

    Equation: ``y[t] = level`` of step ``t`` of `Dynamics` with the current ``x[t]``, or ``x[0]`` if it is held; every
    neuron by itself, from a fresh state for each image.

    Units: ``x`` in ``2^-fraction_bits`` of the threshold, ``y`` in levels of value ``scale``.

    Range: ``lo .. hi``. (Its potentials: Range of `Dynamics`.)

    Args:
        T: steps.
        lo: lowest level.
        hi: highest level.
        scale: value of one level; ``None`` where it is not one known number.
        membrane_bits: ``b_u``, bits of a potential between two steps; ``None`` where it is not quantized.
        dynamics: integers of the neuron; ``None`` until frozen.
    """

    op: ClassVar[str] = "fire"

    T: int
    lo: int
    hi: int
    scale: float | None = None
    membrane_bits: int | None = None
    dynamics: AnyDynamics | None = None

    kinds: ClassVar[Mapping[str, Registry[type[Any]]]] = {"dynamics": DYNAMICS}

    def __post_init__(self) -> None:
        if self.T < 1 or self.lo > self.hi:
            raise self.refuse((self.T, self.lo, self.hi), "wants T >= 1 and lo <= hi")
        if self.membrane_bits is not None and not 2 <= self.membrane_bits <= MOST_MEMBRANE_BITS:
            raise self.refuse(self.membrane_bits, f"wants membrane_bits 2 to {MOST_MEMBRANE_BITS}")
        if self.dynamics is not None:
            self._allowed(lambda d: d.check_levels(self.lo, self.hi))

    @property
    def top(self) -> int:
        """``Q``: the stored membrane has the codes ``-Q .. Q``; 0 where it is not quantized."""
        return 0 if self.membrane_bits is None else signed_range(self.membrane_bits)[1]

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        if edge.T not in (1, self.T):
            raise self.refuse(f"{edge.T} steps", f"wants T={self.T}, or one step that is held")
        return Edge(shape=edge.shape, T=self.T, lo=self.lo, hi=self.hi, scale=self.scale)

    def check(self, tensors: Tensors) -> None:
        if self.dynamics is None:
            raise self.refuse(None, "want the integers of a frozen neuron (dynamics)")
        self._allowed(lambda d: d.check_membrane(self.membrane_bits))
        if self.T > MOST_STEPS or max(abs(self.lo), abs(self.hi)) > MOST_LEVEL:
            raise self.refuse((self.T, self.lo, self.hi), f"want T to {MOST_STEPS}, levels within +-{MOST_LEVEL}")

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return Range(self.lo, self.hi)

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        most = None if self.dynamics is None else self.dynamics.most_sent
        if most is None or x[0].T != self.T:  # what is held is bounded at each step alone
            return None
        return Range(0, most)

    @property
    def program(self) -> Program:
        """One step of its neurons.

        Raises:
            UserError: it is not frozen.
        """
        if self.dynamics is None:
            raise self.refuse(None, "want the integers of a frozen neuron (dynamics)")
        return _program(self.dynamics, self.lo, self.hi, self.top)

    def values(self, current: Bounds) -> dict[str, Range]:
        """Which integers each value of `program` can be, from currents within these bounds.

        Raises:
            UserError: it is not frozen, or a value could overflow.
        """
        total = current.total if current.T == self.T else current.each.repeated(self.T)
        try:
            return value_ranges(self.program, self.T, current.each, total)
        except UserError as wrong:
            raise self.refuse(wrong.seen, wrong.would_do) from None

    def fire(self, current: Int) -> tuple[Int, Int]:
        """All steps, each image from a fresh state.

        Args:
            current: ``[T, N, *shape]``, or one step that is held.

        Returns:
            The levels sent, and the potentials that they were sent at: ``[T, N, *shape]`` both, int64.
        """
        program = self.program
        levels, potentials = program.run(current.astype(np.int64), self.T, program.level, program.potentials[0])
        return levels, potentials

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        (levels,) = self.program.run(x[0], self.T, self.program.level)
        return levels

    def advance(self, tensors: Tensors, proven: Range, t: int, state: Any, *x: Int) -> tuple[Int, Any]:
        return self.program.advance(x[0], state)

    def _allowed(self, check: Callable[[AnyDynamics], None]) -> None:
        """What its dynamics refuse is refused under the op's name."""
        try:
            if self.dynamics is not None:
                check(self.dynamics)
        except UserError as wrong:
            raise self.refuse(wrong.seen, wrong.would_do) from None


@lru_cache(maxsize=1024)
def _program(dynamics: AnyDynamics, lo: int, hi: int, top: int) -> Program:
    return dynamics.program(lo, hi, top)
