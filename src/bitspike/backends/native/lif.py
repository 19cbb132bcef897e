"""The commonest step of neurons, seen in its program: a leak, a sum, a quantizer, a reset. It is one instruction."""

from __future__ import annotations

from bitspike.backends.native.structs import Fire
from bitspike.ir import Instruction, Operand, Program

__all__ = ["one_step"]


def one_step(program: Program, bits: int) -> Fire | None:
    """The instruction that a program is; ``None`` of one that has other instructions, or in another order.

    Args:
        program: of one step.
        bits: of a register.
    """
    if len(program.start) != 1:
        return None
    (state,) = program.start
    ahead = _Ahead(program.needed(program.level, *program.carried.values()))
    found = Fire(factor=1, hard=1)
    kept: Operand = state
    if made := ahead.take("mul", kept):
        found.factor, kept = int(made.operands[1]), made.result
    if made := ahead.take("shift", kept):
        found.leak, kept = int(made.operands[1]), made.result
    sum_ = ahead.take("add", kept, "x")
    if sum_ is None:
        return None
    u: Operand = sum_.result
    raised = u
    if made := ahead.take("add", raised):
        found.half, raised = int(made.operands[1]), made.result
    if made := ahead.take("shift", raised):
        found.shift, raised = int(made.operands[1]), made.result
    clip = ahead.take("clip", raised)
    if clip is None or clip.result != program.level:
        return None
    found.lo, found.hi = (int(end) for end in clip.operands[1:])
    end = _reset(ahead, found, clip.result, u)
    whole = end is not None and not ahead.left and program.carried[state] == end
    fits = max(found.leak, found.shift) < bits and max(abs(found.lo), abs(found.hi)) < 1 << bits - 2
    return found if whole and fits else None


def _reset(ahead: _Ahead, found: Fire, level: str, u: Operand) -> str | None:
    """What the state becomes."""
    if (made := ahead.take("select", level)) and isinstance(made.operands[1], int) and made.operands[2] == u:
        found.reset = made.operands[1]
        return made.result
    found.hard, taken = 0, level
    if made := ahead.take("mul", level):
        if made.operands[1] != 1 << found.shift:
            return None
        taken = made.result
    elif found.shift:
        return None
    made = ahead.take("sub", u, taken)
    return None if made is None else made.result


class _Ahead:
    """Instructions that are still to come."""

    def __init__(self, left: list[Instruction]) -> None:
        self.left = left

    def take(self, primitive: str, *operands: Operand) -> Instruction | None:
        """The next one, if it is this; operands that are not given are constants."""
        if not self.left or self.left[0].primitive != primitive:
            return None
        made = self.left[0]
        rest = made.operands[len(operands) :]
        constant = all(isinstance(part, int) for part in rest) or primitive == "select"
        if made.operands[: len(operands)] != operands or not constant:
            return None
        return self.left.pop(0)
