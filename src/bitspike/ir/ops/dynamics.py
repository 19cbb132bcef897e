"""How frozen neurons live: the integers of each kind, and one step of it as a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args, get_type_hints

from bitspike.errors import UserError
from bitspike.intmath import half
from bitspike.ir.edge import STRICT
from bitspike.ir.limits import MOST_FRACTION_BITS, MOST_STEP, MOST_STORE_SHIFT, MOST_TRACED
from bitspike.ir.ops.program import Program, Step, Term
from bitspike.registry import Registry

__all__ = ["DYNAMICS", "AnyDynamics", "Dynamics", "LeakyDynamics", "Store"]


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
class AnyDynamics:
    """What every kind of frozen neuron says of itself: one step as a program, and what must hold of its `Fire`.

    A kind is a dataclass of integers, registered in `DYNAMICS`, with the name that its file form has.
    """

    kind: ClassVar[str]
    __pydantic_config__ = STRICT

    def program(self, lo: int, hi: int, top: int) -> Program:
        """One step of a neuron whose levels are ``lo..hi`` and whose stored membrane has the codes ``-top..top``."""
        raise NotImplementedError

    def check_levels(self, lo: int, hi: int) -> None:
        """Refuses levels that such neurons cannot have.

        Raises:
            UserError: they cannot.
        """

    def check_membrane(self, membrane_bits: int | None) -> None:
        """Refuses another membrane than such neurons have.

        Raises:
            UserError: it is another.
        """
        if membrane_bits is not None:
            raise UserError("membrane", f"membrane_bits={membrane_bits}", "want none: its membrane has no codes")

    @property
    def most_sent(self) -> int | None:
        """What the levels of any first steps add up to at most, 0 being the least; ``None`` where nothing bounds it."""
        return None


@dataclass(frozen=True, kw_only=True)
class Dynamics(AnyDynamics):
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

    kind: ClassVar[str] = "threshold"

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

    def program(self, lo: int, hi: int, top: int) -> Program:
        step = Step(v=self.v_init) if self.tracer is None else Step(v=self.v_init, sent=0)
        kept = step.v
        if self.leak_multiplier != 1 << self.leak_shift:
            kept = step.named("leak", step.v * self.leak_multiplier >> self.leak_shift)
        u = step.named("membrane", kept + step.x)
        raised = u + half(self.fraction_bits) if self.rounds else u
        level = (raised >> self.fraction_bits).clip(lo, hi)
        also: dict[str, Term] = {}
        if self.tracer is not None:
            also["sent"] = (step.sent + level).clip(0, self.tracer)
            level = also["sent"] - step.sent
        level = step.named("level", level)
        v = u - (level << self.fraction_bits) if self.v_reset is None else level.select(self.v_reset, u)
        v = step.named("reset", v)
        if self.store is not None:
            code = (v * self.store.multiplier).rounded(self.store.shift).clip(-top, top)
            v = step.named("store", (code * self.store.step).rounded(self.store.step_shift))
        return step.ends(level, ("membrane", "reset", "v"), v=v, **also)

    def check_levels(self, lo: int, hi: int) -> None:
        if self.tracer is not None and not lo <= 0 <= hi:
            raise UserError("levels", (lo, hi), "wants level 0 among its levels, as it has a tracer")

    def check_membrane(self, membrane_bits: int | None) -> None:
        if (self.store is None) != (membrane_bits is None):
            missing = "a store in its dynamics" if self.store is None else "the membrane_bits of its store"
            raise UserError("membrane", f"membrane_bits={membrane_bits}", f"want {missing}")

    @property
    def most_sent(self) -> int | None:
        return self.tracer


@dataclass(frozen=True, kw_only=True)
class LeakyDynamics(AnyDynamics):
    """A neuron that fires above its threshold and not at it, and is reset by what its potential was a step before.

    One step, with ``v = 0`` and ``over = 0`` before the first, current ``x``, and ``one = 2^fraction_bits``::

        kept  = (v * leak_multiplier) >> leak_shift
        u     = kept + x - over * one                             subtract, subtract-at-once
        u     = kept + x, of which kept is 0 where over != 0      zero
        u     = kept + x                                          none
        level = clip((u - 1) >> fraction_bits, 0, 1)
        v     = u - (level - over) * one                          subtract-at-once
        v     = u                                                 otherwise
        over  = clip((v - 1) >> fraction_bits, 0, 1)

    Units: ``v``, ``u`` and ``x`` in ``2^-fraction_bits`` of the threshold.

    Range: of ``u`` and ``v`` together, over the steps of the `Fire`, interval by interval.

    Args:
        fraction_bits: bits of a potential after the point, 0 to 30.
        leak_multiplier: over ``2^leak_shift``, what a step keeps of the potential: 0 to all of it.
        leak_shift: 0 to 30.
        reset: what a spike takes from the potential, and when.
    """

    fraction_bits: int
    leak_multiplier: int
    leak_shift: int
    reset: Literal["subtract", "subtract-at-once", "zero", "none"]

    kind: ClassVar[str] = "leaky"

    def __post_init__(self) -> None:
        for name in ("fraction_bits", "leak_shift"):
            if not 0 <= getattr(self, name) <= MOST_FRACTION_BITS:
                raise UserError(name, getattr(self, name), f"want 0 to {MOST_FRACTION_BITS}")
        if not 0 <= self.leak_multiplier <= 1 << self.leak_shift:
            wanted = f"want 0 to {1 << self.leak_shift}: a membrane does not grow by itself"
            raise UserError("leak_multiplier", self.leak_multiplier, wanted)
        if self.reset not in (known := get_args(get_type_hints(type(self))["reset"])):
            raise UserError("reset", self.reset, f"want {', '.join(known)}")

    def program(self, lo: int, hi: int, top: int) -> Program:
        if self.reset == "none":
            step = Step(v=0)
            over = None
        else:
            step = Step(v=0, over=0)
            over = step.over
        kept = step.v
        if self.leak_multiplier != 1 << self.leak_shift:
            kept = step.named("leak", step.v * self.leak_multiplier >> self.leak_shift)
        if over is not None and self.reset == "zero":
            kept = step.named("kept", over.select(0, kept))
        u = kept + step.x
        if over is not None and self.reset.startswith("subtract"):
            u = u - (over << self.fraction_bits)
        u = step.named("membrane", u)
        level = step.named("level", (u + -1 >> self.fraction_bits).clip(lo, hi))
        if over is None:
            return step.ends(level, ("membrane", "v"), v=u)
        if self.reset != "subtract-at-once":
            return step.ends(level, ("membrane", "v"), v=u, over=level)
        v = step.named("reset", u - (level - over << self.fraction_bits))
        then = step.named("again", (v + -1 >> self.fraction_bits).clip(0, 1))
        return step.ends(level, ("membrane", "reset", "v"), v=v, over=then)

    def check_levels(self, lo: int, hi: int) -> None:
        if (lo, hi) != (0, 1):
            raise UserError("levels", (lo, hi), "wants 0..1: such neurons send one bit")


DYNAMICS = Registry[type[AnyDynamics]]("dynamics")
"""Kinds of frozen neurons, by the name that ``kind`` has in a file; where a file says none it is the first."""
DYNAMICS.register(Dynamics.kind, Dynamics)
DYNAMICS.register(LeakyDynamics.kind, LeakyDynamics)
