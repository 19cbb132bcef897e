"""One step of a neuron as data: a straight-line program of integer primitives.

Whoever runs neurons reads it: the oracle executes it, the proof of ranges walks it (`bitspike.ir.ops.proof`), and C and
ONNX have a writer for each primitive. So a neuron with a state of its own is written once, as a function of integers::

    def program(self, lo, hi):
        step = Step(v=0)
        u = step.named("u", step.x + step.v)
        level = step.named("level", (u >> 8).clip(lo, hi))
        return step.ends(level, v=u - (level << 8), potentials=("u",))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from bitspike.errors import UserError
from bitspike.intmath import half, saturate, shift_right
from bitspike.ir.ranges import Int, Range

__all__ = ["PRIMITIVES", "Instruction", "Operand", "Program", "Quantizer", "Step", "Term"]

Operand = str | int
"""The name of an earlier value, or a constant."""

PRIMITIVES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "shift": lambda a, n: shift_right(a, n),
        "clip": lambda a, lo, hi: saturate(a, lo, hi),
        "select": lambda which, a, b: np.where(which != 0, a, b),
    }
)
"""What each primitive computes, element by element: ``shift`` is `bitspike.intmath.shift_right`, ``clip`` saturates to
``lo..hi``, ``select`` is ``a`` where ``which`` is not 0, and ``b`` elsewhere."""


@dataclass(frozen=True)
class Instruction:
    """``result = primitive(*operands)``."""

    result: str
    primitive: str
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        signs = {"add": "+", "sub": "-", "mul": "*", "shift": ">>"}
        if self.primitive in signs:
            return f"{self.result} = {self.operands[0]} {signs[self.primitive]} {self.operands[1]}"
        return f"{self.result} = {self.primitive}({', '.join(map(str, self.operands))})"


class Quantizer(NamedTuple):
    """``level = clip((u + c) >> n, lo, hi)``: the names of ``level`` and ``u``, and the numbers."""

    level: str
    u: str
    c: int
    n: int
    lo: int
    hi: int

    def of(self, u: int) -> int:
        """The level of one potential."""
        return min(max(u + self.c >> self.n, self.lo), self.hi)


@dataclass(frozen=True)
class Program:
    """One step: from the current ``x`` and the state to the level that is sent, and the state of the next step.

    Attributes:
        start: the state before the first step, a number by name.
        instructions: in order; each reads ``x``, the state, and results of earlier ones.
        level: what is sent.
        carried: what each part of the state becomes.
        potentials: values in units of the threshold's fixed point; the first is what is compared with thresholds.
        named: results whose names were given, and not made up.
    """

    start: Mapping[str, int]
    instructions: tuple[Instruction, ...]
    level: str
    carried: Mapping[str, Operand]
    potentials: tuple[str, ...]
    named: frozenset[str] = frozenset()

    @cached_property
    def quantizer(self) -> Quantizer | None:
        """The first ``clip((u + c) >> n, lo, hi)``: where a potential meets its thresholds."""
        made = {one.result: one for one in self.instructions}
        clip = next((one for one in self.instructions if one.primitive == "clip"), None)
        if clip is None:
            return None
        name, c, n = str(clip.operands[0]), 0, 0
        if (shift := made.get(name)) and shift.primitive == "shift":
            name, n = str(shift.operands[0]), int(shift.operands[1])
        if (above := made.get(name)) and above.primitive == "add" and isinstance(above.operands[1], int):
            name, c = str(above.operands[0]), above.operands[1]
        return Quantizer(clip.result, name, c, n, *(int(end) for end in clip.operands[1:]))

    def run(self, current: Int, steps: int, *names: str) -> list[Int]:
        """All steps from a fresh state, in the type of the current, which must hold all that the program has `met`.

        Args:
            current: ``[T, ...]``, or ``[1, ...]`` for one that is held.
            steps: ``T``.
            names: of values that are wanted.

        Returns:
            For each of them ``[T, ...]``.
        """
        state: dict[str, Any] = {name: current.dtype.type(value) for name, value in self.start.items()}
        wanted = [np.empty_like(current, shape=(steps, *current.shape[1:])) for _ in names]
        for t in range(steps):
            last = t == steps - 1  # nobody reads the state behind it
            asked = self.needed(*names) if last else self.instructions
            values = self.step(current[t if len(current) > 1 else 0], state, asked)
            for name, kept in zip(names, wanted, strict=True):
                kept[t] = values[name]
            if not last:
                state = {name: _value(values, source) for name, source in self.carried.items()}
        return wanted

    def advance(self, current: Int, state: Mapping[str, Int] | None) -> tuple[Int, dict[str, Int]]:
        """One step: the level that is sent, and the state of the next step; ``None`` is that before the first."""
        fresh: dict[str, Any] = {name: current.dtype.type(value) for name, value in self.start.items()}
        values = self.step(current, fresh if state is None else state)
        level = np.broadcast_to(values[self.level], current.shape)  # one level for all, if all there is is a constant
        return level, {name: _value(values, source) for name, source in self.carried.items()}

    def step(
        self, current: Int, state: Mapping[str, Int], instructions: Iterable[Instruction] | None = None
    ) -> dict[str, Any]:
        """Every value of one step, by name, or those that some of the instructions make."""
        values: dict[str, Any] = {"x": current, **state}
        for made in self.instructions if instructions is None else instructions:
            operands = (_value(values, operand) for operand in made.operands)
            values[made.result] = PRIMITIVES[made.primitive](*operands)
        return values

    def met(self, values: Mapping[str, Range]) -> Range:
        """The range of all values and constants together, given those of the values."""
        operands = [part for made in self.instructions for part in made.operands]
        constants = [part for part in (*operands, *self.carried.values()) if isinstance(part, int)]
        return Range(0, 0).including(*constants).joined(*values.values())

    def membrane(self, values: Mapping[str, Range]) -> Range:
        """The range of the potentials together, given those of all values."""
        first, *others = (values[name] for name in self.potentials)
        return first.including(*(end for found in others for end in found))

    def on_the_way_to(self, name: str) -> str:
        """The first value with a name of its own that a value is computed for, or the value itself."""
        behind = [made.result for made in self.instructions]
        behind = behind[behind.index(name) :] if name in behind else []
        return next((result for result in behind if result in self.named), name)

    def needed(self, *results: Operand) -> list[Instruction]:
        """The instructions that these results are made by, in order."""
        wanted = set(results)
        kept: list[Instruction] = []
        for made in reversed(self.instructions):
            if made.result in wanted:
                wanted.update(made.operands)
                kept.append(made)
        return kept[::-1]


def _value(values: Mapping[str, Any], operand: Operand) -> Any:
    return values[operand] if isinstance(operand, str) else values["x"].dtype.type(operand)


class Term:
    """A value of a program that is being written; its operators add instructions."""

    def __init__(self, step: Step, name: str) -> None:
        self.step, self.name = step, name

    def __add__(self, other: Term | int) -> Term:
        return self if _is(other, 0) else self.step.make("add", self, other)

    def __sub__(self, other: Term | int) -> Term:
        return self if _is(other, 0) else self.step.make("sub", self, other)

    def __mul__(self, other: Term | int) -> Term:
        return self if _is(other, 1) else self.step.make("mul", self, other)

    def __rshift__(self, distance: int) -> Term:
        """``floor(self / 2^distance)``."""
        return self.step.make("shift", self, distance) if distance else self

    def __lshift__(self, distance: int) -> Term:
        return self * (1 << distance)

    def clip(self, lo: int, hi: int) -> Term:
        return self.step.make("clip", self, lo, hi)

    def select(self, a: Term | int, b: Term | int) -> Term:
        """``a`` where this is not 0, ``b`` elsewhere."""
        return self.step.make("select", self, a, b)

    def rounded(self, distance: int) -> Term:
        """``self / 2^distance``, rounded half up."""
        return self + half(distance) >> distance


class Step:
    """Writes a `Program`.

    Args:
        start: the state, a number by name: what each part is before the first step.
    """

    def __init__(self, **start: int) -> None:
        self.start = start
        self.instructions: list[Instruction] = []
        self.given = {"x", *start}
        self.x = Term(self, "x")

    def __getattr__(self, name: str) -> Term:
        """The part of the state that is called so."""
        if name in self.__dict__.get("start", ()):
            return Term(self, name)
        raise AttributeError(name)

    def make(self, primitive: str, *operands: Term | int) -> Term:
        """The result of one more instruction."""
        given = tuple(part.name if isinstance(part, Term) else int(part) for part in operands)
        name = f"{primitive}{len(self.instructions)}"
        self.instructions.append(Instruction(name, primitive, given))
        return Term(self, name)

    def named(self, name: str, term: Term) -> Term:
        """The same value under a name that C, ONNX and refusals show. A name is given once."""
        if name in self.given or any(name == made.result for made in self.instructions):
            raise UserError("program value", name, "the name is taken; give it another")
        if term.name in self.given:  # it keeps that name too
            term = self.make("add", term, 0)
        self.given.add(name)
        rename = {term.name: name}
        self.instructions = [
            Instruction(
                rename.get(made.result, made.result),
                made.primitive,
                tuple(rename.get(part, part) if isinstance(part, str) else part for part in made.operands),
            )
            for made in self.instructions
        ]
        term.name = name
        return term

    def ends(self, level: Term, potentials: Iterable[str], **carried: Term | int) -> Program:
        """The program that sends ``level`` and carries on what is given for each part of the state."""
        if carried.keys() != self.start.keys():
            raise UserError("carried state", sorted(carried), f"want {', '.join(sorted(self.start)) or 'none'}")
        kept = {name: part.name if isinstance(part, Term) else part for name, part in carried.items()}
        named = frozenset(self.given)
        return Program(dict(self.start), tuple(self.instructions), level.name, kept, tuple(potentials), named)


def _is(value: Term | int, number: int) -> bool:
    return not isinstance(value, Term) and value == number
