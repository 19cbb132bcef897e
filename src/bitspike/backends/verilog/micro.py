"""The program of a layer: what the arithmetic unit computes of the sums of one channel, an instruction a cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import add, mul, rshift, sub
from typing import NamedTuple

from bitspike.errors import UserError
from bitspike.ir.limits import MOST_STEPS
from bitspike.ir.ranges import Range

__all__ = ["FETCHED", "OPS", "Code", "Micro", "Value", "immediate"]

OPS = ("add", "sub", "mul", "shr", "min", "max", "clip", "move", "if_not_0", "if_below_0")
"""What an instruction does with ``a`` and ``b``. ``clip`` saturates ``a`` from its ``low`` to ``b``. The last two write
``b`` where ``a`` is so, and nothing elsewhere."""
FETCHED = ("constant", "edge", "state", "held")
"""Values that are read from a memory, the cycle before."""
OF_A = ("register", "sum", "step", "immediate")
OF_B = ("register", "immediate", *FETCHED)
EITHER_WAY = ("add", "mul", "min", "max")
NEUTRAL = {"add": 0, "sub": 0, "shr": 0, "mul": 1}
COMPUTED: dict[str, Callable[[int, int], int]] = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "shr": rshift,
    "min": min,
    "max": max,
}
WIDEST = 63


class Value(NamedTuple):
    """What an instruction reads, and which integers it can be.

    ``kind`` is one of `OF_A` and `OF_B`; ``number`` the register, the integer of an immediate, or where it is in
    memory. ``start`` is what a state is at the first step; ``held`` is the layer's sum there. ``place`` is the memory
    and the address of an edge, and whether it has every step.
    """

    kind: str
    number: int
    range: Range
    start: int = 0
    place: tuple[int, int, bool] = (0, 0, False)


@dataclass
class Micro:
    """One instruction: ``result = op(a, b)``, which may be stored to the layer's edge and kept as a state too."""

    op: str
    a: Value
    b: Value
    result: Value
    store: bool = False
    keep: int | None = None
    low: int = 0


def immediate(value: int) -> Value:
    return Value("immediate", value, Range(value, value))


@dataclass
class Code:
    """Writes the program of one layer. A register is written once, but by a choice.

    Attributes:
        micros: the instructions so far. states: the ranges of what is carried from step to step.
    """

    micros: list[Micro] = field(default_factory=list)
    states: list[Range] = field(default_factory=list)

    def make(self, op: str, a: Value, b: Value, made: Range) -> Value:
        """One instruction; constants are computed here."""
        if a.kind == b.kind == "immediate":
            return immediate(COMPUTED[op](a.number, b.number))
        if op in NEUTRAL and b == immediate(NEUTRAL[op]):
            return a
        if op in NEUTRAL and op in EITHER_WAY and a == immediate(NEUTRAL[op]):
            return b
        if op == "mul" and a.kind == "register" and b.kind == "immediate" and _bits(a) > _bits(b):
            a, b = b, a  # the multiplier's first side is as wide as the narrower factor
        if op in EITHER_WAY and (a.kind not in OF_A or b.kind not in OF_B) and b.kind in OF_A and a.kind in OF_B:
            a, b = b, a
        if a.kind not in OF_A or (a.kind == "immediate" and b.kind == "state"):  # whose start is an immediate too
            a = self.moved(a)
        if b.kind not in OF_B:
            b = self.moved(b)
        return self._emit(op, a, b, made)

    def moved(self, value: Value) -> Value:
        """The value in a register of its own."""
        if value.kind in OF_B:
            return self._emit("move", immediate(0), value, value.range)
        return self._emit("add", value, immediate(0), value.range)

    def in_register(self, value: Value) -> Value:
        return value if value.kind == "register" else self.moved(value)

    def clip(self, value: Value, lo: int, hi: int) -> Value:
        """Saturates, where the proven range says that it may be needed."""
        below, above = value.range.lo < lo, value.range.hi > hi
        made = Range(min(max(value.range.lo, lo), hi), max(min(value.range.hi, hi), lo))
        if value.kind != "immediate" and below and above:
            value = value if value.kind in OF_A else self.moved(value)
            clipped = self.make("min", value, immediate(hi), made)
            self.micros[-1].op, self.micros[-1].low = "clip", lo
            return clipped
        if below:
            value = self.make("max", value, immediate(lo), Range(made.lo, max(lo, value.range.hi)))
        return self.make("min", value, immediate(hi), made) if above else value

    def select(self, which: Value, a: Value, b: Value) -> Value:
        """``a`` where ``which`` is not 0, ``b`` elsewhere."""
        if which.kind == "immediate":
            return a if which.number else b
        return self._choice("if_not_0", which, a, b)

    def until(self, steps: int, value: Value, then: int = 0) -> Value:
        """The value at the first so many steps, ``then`` at the others."""
        return self._choice("if_below_0", self._early(steps), value, immediate(then))

    def after(self, steps: int, value: Value) -> Value:
        """0 at the first so many steps, the value at the others."""
        return self._choice("if_below_0", self._early(steps), immediate(0), value)

    def _early(self, steps: int) -> Value:
        """What is below 0 at the first so many steps."""
        reach = Range(-MOST_STEPS, MOST_STEPS)
        return self.make("sub", Value("step", 0, reach), immediate(steps), reach)

    def _choice(self, op: str, which: Value, a: Value, b: Value) -> Value:
        which = self.in_register(which) if which.kind not in OF_A else which
        a = self.moved(a) if a.kind not in OF_B else a
        made = a.range.joined(b.range)
        chosen = self.moved(b)._replace(range=made)
        self.micros.append(Micro(op, which, a, chosen))
        return chosen

    def state(self, start: int, found: Range) -> Value:
        """What is carried from step to step, as it is before this step."""
        self.states.append(found.including(start))
        return Value("state", len(self.states) - 1, self.states[-1], start)

    def held(self, value: Value) -> Value:
        """The sum of the first step, at every step."""
        self.states.append(value.range)
        self.moved(Value("held", len(self.states) - 1, value.range))
        self.micros[-1].keep = len(self.states) - 1
        return self.micros[-1].result

    def keep(self, state: Value, value: Value) -> None:
        """What the state is at the next step. It is written behind all that reads what it is at this one."""
        made = self._maker(value)
        behind = self.micros[self.micros.index(made) + 1 :] if made else []
        read = any(one.b.kind == "state" and one.b.number == state.number for one in behind)
        if made is None or made.keep is not None or read:
            self.moved(value)
            made = self.micros[-1]
        made.keep = state.number

    def store(self, value: Value) -> None:
        """What the layer's edge is."""
        made = self._maker(value)
        if made is None:
            self.moved(value)
            made = self.micros[-1]
        made.store = True

    def _maker(self, value: Value) -> Micro | None:
        """The instruction whose result the value is; none where a choice decides, or where it is no result."""
        found = [made for made in self.micros if made.result == value] if value.kind == "register" else []
        alone = len([made for made in self.micros if value.kind == "register" and _same(made.result, value)]) == 1
        return found[0] if found and alone else None

    def _emit(self, op: str, a: Value, b: Value, made: Range) -> Value:
        result = Value("register", len(self.micros), made)
        self.micros.append(Micro(op, a, b, result))
        return result

    def values(self) -> Iterator[Value]:
        """Everything that is read or made."""
        for made in self.micros:
            yield from (made.a, made.b, made.result)

    def _merge_shifts(self) -> None:
        """A shift of what was shifted, and is read there alone, is one shift."""
        for made in [*self.micros]:
            before = next((one for one in self.micros if _same(one.result, made.a) and made.a.kind == "register"), None)
            if before is None or before.op != "shr" or made.op != "shr" or before.store or before.keep is not None:
                continue
            reads = [v for one in self.micros for v in (one.a, one.b) if _same(v, before.result)]
            if before.b.kind == made.b.kind == "immediate" and len(reads) == 1:
                made.a, made.b = before.a, immediate(before.b.number + made.b.number)
                self.micros.remove(before)

    def finished(self) -> list[Micro]:
        """The instructions with as few registers as they need; first one that fetches, where the next reads an edge.

        Raises:
            UserError: a value is wider than the unit can be.
        """
        self._merge_shifts()
        widest = max((_bits(value) for value in self.values()), default=1)
        if widest > WIDEST:
            raise UserError("verilog", f"a value of {widest} bits", f"want {WIDEST} at most; fewer fraction bits do")
        last = {
            value.number: index
            for index, made in enumerate(self.micros)
            for value in (made.a, made.b, made.result)
            if value.kind == "register"
        }
        free: list[int] = []
        at: dict[int, int] = {}
        micros: list[Micro] = []
        if self.micros and self.micros[0].b.kind == "edge":
            micros.append(Micro("move", immediate(0), immediate(0), Value("none", 0, Range(0, 0))))
        for index, made in enumerate(self.micros):
            a, b = (
                value._replace(number=at[value.number]) if value.kind == "register" else value
                for value in (made.a, made.b)
            )
            done = {v.number for v in (made.a, made.b) if v.kind == "register" and last[v.number] == index}
            free = sorted([*free, *(at[number] for number in done)])
            number = made.result.number
            if number not in at:
                at[number] = free.pop(0) if free else max(at.values(), default=-1) + 1
            if last[number] == index and number not in done:  # only stored or kept
                free = sorted([*free, at[number]])
            micros.append(
                Micro(made.op, a, b, made.result._replace(number=at[number]), made.store, made.keep, made.low)
            )
        return micros


def _bits(value: Value) -> int:
    return value.range.including(value.start).signed_bits


def _same(one: Value, other: Value) -> bool:
    return one.kind == other.kind and one.number == other.number
