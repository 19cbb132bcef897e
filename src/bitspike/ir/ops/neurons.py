"""Neurons: the integers by which they live, and a layer of them. What they do in a step is in `dynamics`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.ir.edge import STRICT, Edge
from bitspike.ir.limits import MOST_LEVEL, MOST_STEPS
from bitspike.ir.ops.arithmetic import MOST_FRACTION_BITS
from bitspike.ir.ops.dynamics import fire, membrane_range
from bitspike.ir.ops.node import Int, Node
from bitspike.ir.ranges import Bounds, Range, Tensors

__all__ = ["MOST_STORE_SHIFT", "Dynamics", "Fire", "Store"]

MOST_MEMBRANE_BITS = 16
MOST_TRACED = 1 << 26
"""As much as ``MOST_STEPS`` steps of ``MOST_LEVEL`` can send."""
MOST_STORE_SHIFT, MOST_STEP = 60, 1 << 46
"""The widest code times the largest step, and half of what is shifted out, stay within int64."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """How a potential is carried in the ``membrane_bits`` of the `Fire`: as a code, which is all that a step keeps.

    After the reset of each step, with ``Q = 2^(membrane_bits - 1) - 1``::

        code = clip((v * multiplier + half(shift)) >> shift, -Q, Q)
        v    = (code * step + half(step_shift)) >> step_shift

    where ``half(n) = 2^(n - 1)`` if ``n > 0``, else 0: both are rounded half up. ``v_init`` is not stored.

    Units: ``v`` in ``2^-fraction_bits`` of the threshold, ``code`` in levels of ``step / 2^step_shift`` of these.

    Range: ``code`` in ``-Q .. Q``, so ``v`` has ``2 * Q + 1`` values at most. The map is monotone: ends go to ends.

    Args:
        multiplier: over ``2^shift``, levels in one unit of ``v``: 1 to 2^30.
        shift: 0 to 60.
        step: over ``2^step_shift``, units of ``v`` in one level: 0 to 2^46, so that no code overflows.
        step_shift: 0 to 30.
    """

    multiplier: int
    shift: int
    step: int
    step_shift: int

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        limits = {
            "multiplier": (1, 1 << MOST_FRACTION_BITS),
            "shift": (0, MOST_STORE_SHIFT),
            "step": (0, MOST_STEP),
            "step_shift": (0, MOST_FRACTION_BITS),
        }
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise UserError(name, getattr(self, name), f"want {least} to {most}")


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """The integers by which a frozen neuron lives. Potentials are fixed point: the threshold is ``2^fraction_bits``.

    One step, with ``v = v_init`` and ``sent = 0`` before the first, current ``x``, ``lo`` and ``hi`` of the `Fire`::

        half  = 2^(fraction_bits - 1) if rounds and fraction_bits > 0, else 0
        u     = ((v * leak_multiplier) >> leak_shift) + x
        level = clip((u + half) >> fraction_bits, lo, hi)
        level = clip(sent + level, 0, tracer) - sent              where there is a tracer
        sent  = sent + level                                      where there is a tracer
        v     = u - (level << fraction_bits)                      where v_reset is None (soft reset)
        v     = v_reset where level != 0, u where level == 0      otherwise (hard reset)
        v     = what Store makes of v                             where there is a store

    Units: ``v``, ``u``, ``x``, ``v_reset`` and ``v_init`` in ``2^-fraction_bits`` of the threshold.

    Range: of ``u`` and ``v`` together, ``v_init`` included, over the steps of the `Fire`: interval by interval, with
    any current of the input's range at each step, and the exact extremes of the reset over the interval of ``u``.
    ``v`` counts before it is stored and after. With a tracer, a soft reset, no leak and no store, also no farther than
    ``v_init`` plus what the currents can add up to (`bitspike.ir.ranges`) minus 0 to ``tracer`` thresholds.

    Args:
        fraction_bits: bits of a potential after the point, 0 to 30.
        leak_multiplier: over ``2^leak_shift``, what a step keeps of the potential: 0 to all of it.
        leak_shift: 0 to 30.
        v_reset: potential after any level but 0 (hard reset); ``None`` subtracts what was sent (soft reset).
        v_init: potential before the first step.
        rounds: whether the level is the nearest one (half up) and not the one below.
        tracer: most that the levels sent so far may add up to, and 0 the least; ``None`` for no such limits.
        store: of a membrane that is quantized; ``None`` carries ``v`` as it is.
    """

    fraction_bits: int
    leak_multiplier: int
    leak_shift: int
    v_reset: int | None
    v_init: int = 0
    rounds: bool = False
    tracer: int | None = None
    store: Store | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for name in ("fraction_bits", "leak_shift"):
            if not 0 <= getattr(self, name) <= MOST_FRACTION_BITS:
                raise UserError(name, getattr(self, name), f"want 0 to {MOST_FRACTION_BITS}")
        if not 0 <= self.leak_multiplier <= 1 << self.leak_shift:
            wanted = f"want 0 to {1 << self.leak_shift}: a membrane does not grow by itself"
            raise UserError("leak_multiplier", self.leak_multiplier, wanted)
        for name in ("v_reset", "v_init"):
            if abs(getattr(self, name) or 0) >= 1 << 62:
                raise UserError(name, getattr(self, name), "want a potential within +-2^62")
        if self.tracer is not None and not 1 <= self.tracer <= MOST_TRACED:
            raise UserError("tracer", self.tracer, f"want 1 to {MOST_TRACED}")


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
    dynamics: Dynamics | None = None

    def __post_init__(self) -> None:
        if self.T < 1 or self.lo > self.hi:
            raise self.refuse((self.T, self.lo, self.hi), "wants T >= 1 and lo <= hi")
        if self.membrane_bits is not None and not 2 <= self.membrane_bits <= MOST_MEMBRANE_BITS:
            raise self.refuse(self.membrane_bits, f"wants membrane_bits 2 to {MOST_MEMBRANE_BITS}")
        if self.dynamics is not None and self.dynamics.tracer is not None and not self.lo <= 0 <= self.hi:
            raise self.refuse((self.lo, self.hi), "wants level 0 among its levels, as it has a tracer")

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
        if (self.dynamics.store is None) != (self.membrane_bits is None):
            missing = "a store in its dynamics" if self.dynamics.store is None else "the membrane_bits of its store"
            raise self.refuse(f"membrane_bits={self.membrane_bits}", f"want {missing}")
        if self.T > MOST_STEPS or max(abs(self.lo), abs(self.hi)) > MOST_LEVEL:
            raise self.refuse((self.T, self.lo, self.hi), f"want T to {MOST_STEPS}, levels within +-{MOST_LEVEL}")

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return Range(self.lo, self.hi)

    def total(self, tensors: Tensors, *x: Bounds) -> Range | None:
        d = self.dynamics
        if d is None or d.tracer is None or x[0].T != self.T:  # what is held is bounded at each step alone
            return None
        return Range(0, d.tracer)

    def membrane(self, current: Bounds) -> Range:
        """Every potential that its neurons can have, from currents within these bounds.

        Raises:
            UserError: it is not frozen, or a product could overflow.
        """
        total = current.total if current.T == self.T else current.each.repeated(self.T)
        return membrane_range(self, current.each, total)

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return fire(self, x[0])[0]
