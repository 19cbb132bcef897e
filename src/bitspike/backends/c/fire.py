"""Neurons: the program of a step (`bitspike.ir.ops.program`), one neuron over all of its steps, state in variables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from bitspike.backends.c.memory import CType, number_type
from bitspike.backends.c.text import number
from bitspike.backends.c.writer import Writer
from bitspike.ir import Fire, Operand, Range

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["PRIMITIVES", "Neurons"]

PRIMITIVES: Mapping[str, str] = MappingProxyType(
    {
        "add": "{} + {}",
        "sub": "{} - {}",
        "mul": "{} * {}",
        "shift": "BITSPIKE_SHIFT_RIGHT({}, {})",
        "clip": "BITSPIKE_CLIP({}, {}, {})",
        "select": "{} != 0 ? {} : {}",
    }
)
"""How each primitive is written; its operands are variables or constants."""


class Neurons(Writer[Fire]):
    """The instructions of each step, a constant for each. What reads the level comes before the state is carried on."""

    stored = True
    pours = True

    def kind(self, plan: Plan, node: Fire) -> CType:
        constants = (part for made in node.program.instructions for part in made.operands if isinstance(part, int))
        values = (end for found in plan.net.values[node.name].values() for end in found)
        return number_type(Range(0, 0).including(*constants, *values))

    def begin(self, code: Code, node: Fire) -> None:
        kind = code.plan.kind(node)
        for name, start in node.program.start.items():
            before = number(start, kind)
            if code.plan.keeps(node):
                kept = code.state(node, f"kept_{name}", code.plan.net.values[node.name][name], first=start)
                before = f"{kept}[{code.index(node.name)}]"
            code.text.line(f"{kind.name} {_variable(name)} = {before};")

    def made(self, code: Code, node: Fire) -> str:
        kind, program = code.plan.kind(node), node.program
        code.text.line(f"const {kind.name} {_variable('x')} = {code.read(node.inputs[0])};")
        for made in program.needed(program.level, *program.carried.values()):
            expression = PRIMITIVES[made.primitive].format(*(_operand(part, kind) for part in made.operands))
            code.text.line(f"const {kind.name} {_variable(made.result)} = {expression};")
        return _variable(program.level)

    def end(self, code: Code, node: Fire) -> None:
        kind, program = code.plan.kind(node), node.program
        moved = [name for name, source in program.carried.items() if source in program.start and source != name]
        for name in moved:  # a part of the state that becomes another one, read before any of them is written
            code.text.line(f"const {kind.name} moved_{name} = {_operand(program.carried[name], kind)};")
        for name, source in program.carried.items():
            after = f"moved_{name}" if name in moved else _operand(source, kind)
            if code.plan.keeps(node):
                code.keep(f"{code.plan.symbols[node.name]}_kept_{name}", code.index(node.name), after)
            else:
                code.text.line(f"{_variable(name)} = {after};")


def _operand(part: Operand, kind: CType) -> str:
    return _variable(part) if isinstance(part, str) else number(part, kind)


def _variable(name: str) -> str:
    """A value of the program in C: apart from all other variables of a layer."""
    return f"n_{name}"
