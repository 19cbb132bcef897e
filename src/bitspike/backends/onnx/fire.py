"""Neurons in ONNX: the program of a step (`bitspike.ir.ops.program`), unrolled over their steps, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ldexp
from types import MappingProxyType

from bitspike.backends.onnx.model import FLOAT64, Model, check
from bitspike.ir import Fire, Instruction
from bitspike.ir.ops import program

__all__ = ["PRIMITIVES", "fire"]

Inputs = tuple[str, ...]
PRIMITIVES: Mapping[str, Callable[[Model, Inputs], tuple[str, Inputs]]] = MappingProxyType(
    {
        "add": lambda model, x: ("Add", x),
        "sub": lambda model, x: ("Sub", x),
        "mul": lambda model, x: ("Mul", x),
        "shift": lambda model, x: ("Floor", (model.op("Mul", *x),)),
        "clip": lambda model, x: ("Clip", x),
        "select": lambda model, x: ("Where", (model.op("Equal", x[0], model.number(0)), x[2], x[1])),
    }
)
"""The op of ONNX that each primitive ends in, and what that reads. A shift is a floored product with a power of two."""


def fire(model: Model, node: Fire) -> None:
    """The instructions of every step; in the last one, those of the level alone. What is constant is computed here."""
    step = node.program
    state: dict[str, str | int] = dict(step.start)
    for t in range(node.T):
        carried = step.carried.values() if t + 1 < node.T else ()
        values: dict[str, str | int] = {"x": model.step(node.inputs[0], t, "float64"), **state}
        for made in step.needed(step.level, *carried):
            found = model.net.values[node.name][made.result]
            check(node, max(found.hi, -found.lo), FLOAT64)
            values[made.result] = _written(model, node, t, made, values, made.result == step.level)
        state = {name: values[s] if isinstance(s, str) else s for name, s in step.carried.items() if carried}


def _written(
    model: Model, node: Fire, t: int, made: Instruction, values: Mapping[str, str | int], sent: bool
) -> str | int:
    operands = [values[part] if isinstance(part, str) else part for part in made.operands]
    if not any(isinstance(part, str) for part in operands):
        return int(program.PRIMITIVES[made.primitive](*operands))
    if made.primitive == "shift":
        operands[1] = model.number(ldexp(1, -int(operands[1])))
    inputs = tuple(part if isinstance(part, str) else model.number(part) for part in operands)
    kind, read = PRIMITIVES[made.primitive](model, inputs)
    return model.emit(node, t, "float64", kind, *read) if sent else model.op(kind, *read)
