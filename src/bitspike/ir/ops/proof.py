"""Which integers a neuron's program can meet: every value of every step, for any currents within a range.

Intervals alone would lose that a neuron subtracts what it has just sent. Two relations are kept beside them:

- Behind a quantizer ``level = clip((u + c) >> n, lo, hi)`` a value that is made of ``u`` and ``level`` by sums, by
  products with constants and by a choice at level 0 is, between two thresholds, monotone in ``u``; and what happens at
  the thresholds changes by the same amount from each to the next. So its extremes lie at the ends of ``u``, on either
  side of the first and last threshold that ``u`` reaches, or beside level 0: it is evaluated there, and that is exact.
- ``clip(s + r, lo, hi) - s``, with ``s`` within ``lo..hi``, lies between 0 and ``r``: a bound holds back a part.

And one over all steps: where ``v + k s`` grows by just the current, for a state ``s`` that is bounded, ``v`` is bounded
by what the currents add up to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

from bitspike.errors import UserError
from bitspike.ir.ops.program import Instruction, Operand, Program, Quantizer
from bitspike.ir.ranges import INT64, Range

__all__ = ["value_ranges"]

Samples = list[int]
"""A value at the critical points of a potential: as it is at all of them, then again where a bound holds back all."""


def value_ranges(program: Program, steps: int, current: Range, total: Range | None = None) -> dict[str, Range]:
    """The range of ``x``, of each part of the state and of each result, over ``steps`` steps from the start.

    Args:
        program: of one step.
        steps: ``T``.
        current: of ``x`` at each step.
        total: what the currents of the first steps, however many, add up to; ``None`` where it is not known.

    Raises:
        UserError: a value could leave 64 bits; the refusal names it.
    """
    state = {name: Range(value, value) for name, value in program.start.items()}
    seen: dict[str, Range] = dict(state)
    for _ in range(steps):
        values = _Walk(program, current, state).values
        for name, found in values.items():
            if max(found.hi, -found.lo) >= INT64:
                wanted = program.on_the_way_to(name)
                raise UserError(wanted, tuple(found), f"the {wanted} could overflow 64 bits")
            seen[name] = seen[name].including(*found) if name in seen else found
        before = state
        state = {name: _range(values, source) for name, source in program.carried.items()}
        for name, found in state.items():
            seen[name] = seen[name].including(*found)
        if state == before:  # so are all steps from here on
            break
    if total is None:
        return seen
    bounds = {name: _by_sums(program, name, seen, total) for name in seen}
    return {name: found if (bound := bounds[name]) is None else found.within(bound) for name, found in seen.items()}


def _range(values: Mapping[str, Range], operand: Operand) -> Range:
    return values[operand] if isinstance(operand, str) else Range(operand, operand)


@dataclass
class _Walk:
    """Ranges of one step's values, in order."""

    program: Program
    current: Range
    state: Mapping[str, Range]
    values: dict[str, Range] = field(init=False)

    def __post_init__(self) -> None:
        self.values = {"x": self.current, **self.state}
        self.made = {made.result: made for made in self.program.instructions}
        self.samples: dict[str, Samples] = {}
        self.root = self.level = self.held_back = ""
        for made in self.program.instructions:
            self.values[made.result] = self._result(made)

    def _result(self, made: Instruction) -> Range:
        if (quantizer := self.program.quantizer) and made.result == quantizer.level:
            self._sample(quantizer)
        elif made.primitive == "sub" and not self.held_back and (held := self._held_back(made)):
            points = self.samples[held]
            self.held_back = made.result
            self.samples[made.result] = [*points[: len(points) // 2], *(0 for _ in points[len(points) // 2 :])]
        elif (combined := self._combined(made)) is not None:
            self.samples[made.result] = combined
        else:
            return self._interval(made)
        points = self.samples[made.result]
        return Range(min(points), max(points))

    def _sample(self, quantizer: Quantizer) -> None:
        """Evaluates a quantizer at the critical points of its potential."""
        ends = self.values[quantizer.u]
        first, last = (quantizer.of(end) for end in ends)
        points = set(ends)
        for crossed in (first + 1, last, -1, 0, 1, 2):
            threshold = (crossed << quantizer.n) - quantizer.c
            points |= {value for value in (threshold - 1, threshold) if ends.lo <= value <= ends.hi}
        twice = [*sorted(points), *sorted(points)]
        self.root, self.level = quantizer.u, quantizer.level
        self.samples[self.root] = twice
        self.samples[self.level] = [quantizer.of(value) for value in twice]

    def _held_back(self, made: Instruction) -> str:
        """``r`` of ``clip(s + r, lo, hi) - s`` where ``s`` is within ``lo..hi``."""
        clip, s = self.made.get(str(made.operands[0])), made.operands[1]
        sum_ = self.made.get(str(clip.operands[0])) if clip and clip.primitive == "clip" else None
        if clip is None or sum_ is None or sum_.primitive != "add" or s not in sum_.operands or s not in self.values:
            return ""
        lo, hi = (int(end) for end in clip.operands[1:])
        inside = lo <= self.values[str(s)].lo and self.values[str(s)].hi <= hi
        (other,) = [part for part in sum_.operands if part != s] or [""]
        return str(other) if inside and other in self.samples else ""

    def _combined(self, made: Instruction) -> Samples | None:
        """Samples of what is made of sampled values and constants by a primitive that keeps the relation."""
        operands = made.operands
        sampled = [part for part in operands if part in self.samples]
        if not sampled or any(isinstance(part, str) and part not in self.samples for part in operands):
            return None
        count = len(self.samples[self.root])
        columns = [self.samples[part] if isinstance(part, str) else [part] * count for part in operands]
        rows = list(zip(*columns, strict=True))
        match made.primitive:
            case "add":
                return [a + b for a, b in rows]
            case "sub":
                return [a - b for a, b in rows]
            case "mul" if len(sampled) == 1:
                return [a * b for a, b in rows]
            case "select" if operands[0] in (self.level, self.held_back):
                return [a if which else b for which, a, b in rows]
        return None

    def _interval(self, made: Instruction) -> Range:
        a, *others = (_range(self.values, part) for part in made.operands)
        match made.primitive:
            case "add":
                return a + others[0]
            case "sub":
                return Range(a.lo - others[0].hi, a.hi - others[0].lo)
            case "mul":
                products = [left * right for left in a for right in others[0]]
                return Range(min(products), max(products))
            case "shift":
                return Range(*(end >> others[0].lo for end in a))
            case "clip":
                return Range(*(min(max(end, others[0].lo), others[1].hi) for end in a))
            case "select":
                chosen = [others[0]] * (a != (0, 0)) + [others[1]] * (a.lo <= 0 <= a.hi)
                return chosen[0].including(*(end for one in chosen for end in one))
        raise UserError("primitive", made.primitive, "it has no range")


def _by_sums(program: Program, name: str, seen: Mapping[str, Range], total: Range) -> Range | None:
    """What the sums of the currents say of a value that is linear in a state which gathers them.

    Where one step makes ``v + k s`` larger by ``x`` and nothing else, it is what it was at the start plus all currents
    so far. A value ``v + x + rest`` is that sum, plus the rest, minus ``k s``; ``v`` itself is it too.
    """
    forms = _linear(program)
    for v, s in permutations(program.start, 2):
        v_after, s_after = (_form(forms, program.carried[state]) for state in (v, s))
        k = v_after[s]
        if not k or _sum(v_after, s_after, k) != Counter({v: 1, s: k, "x": 1}):
            continue
        form = forms[name]
        if form[v] != 1 or form["x"] != int(name != v):
            continue
        rest = _sum(form, Counter({v: 1, "x": form["x"], s: k}), -1)
        first = program.start[v] + k * program.start[s]
        bound = Range(first, first) + total
        for part, times in rest.items():
            ends = sorted(times * end for end in seen[part]) if part else (times, times)
            bound += Range(*ends)
        return bound.including(program.start[v]) if name == v else bound
    return None


def _form(forms: Mapping[str, Counter[str]], operand: Operand) -> Counter[str]:
    return forms[operand] if isinstance(operand, str) else Counter({"": operand})


def _sum(a: Mapping[str, int], b: Mapping[str, int], factor: int = 1) -> Counter[str]:
    """``a + factor * b``, without what is 0."""
    return Counter({part: n for part in {*a, *b} if (n := a.get(part, 0) + factor * b.get(part, 0))})


def _linear(program: Program) -> dict[str, Counter[str]]:
    """Every value as a sum of ``x``, states, and results that are not linear; ``""`` counts the constant."""
    forms: dict[str, Counter[str]] = {name: Counter({name: 1}) for name in ("x", *program.start)}
    for made in program.instructions:
        parts = [_form(forms, operand) for operand in made.operands]
        match made.primitive:
            case "add":
                forms[made.result] = _sum(parts[0], parts[1])
            case "sub":
                forms[made.result] = _sum(parts[0], parts[1], -1)
            case "mul" if isinstance(made.operands[1], int):
                forms[made.result] = _sum({}, parts[0], made.operands[1])
            case _:
                forms[made.result] = Counter({made.result: 1})
    return forms
