"""Neurons: the program of a step (`bitspike.ir.ops.program`) as vector instructions, the state in registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bitspike.backends.native.code import Code
from bitspike.backends.native.lif import one_step
from bitspike.backends.native.row import Row
from bitspike.backends.native.structs import Kind, Type
from bitspike.ir import Fire, Instruction, Operand
from bitspike.ir.ops import program

__all__ = ["PRIMITIVES", "Neurons"]


class R(NamedTuple):
    """A register; a constant is an integer."""

    number: int


Value = R | int


class Neurons(Row[Fire]):
    """The instructions of each step; then what is carried on."""

    def narrow(self, code: Code, node: Fire) -> bool:
        values = code.net.values[node.name]
        without = {name for fused in _fused(code, node).values() for name in fused.without}
        return all(found.signed_bits <= 32 for name, found in values.items() if name not in without)

    def write(self, code: Code, node: Fire) -> int:
        step, steps = node.program, self.steps(code.net.graph, node)
        fused = _fused(code, node)
        current = R(code.value(node.inputs[0]))
        whole = one_step(step, 8 * code.type.bytes) if steps > 1 and not fused else None
        if whole is not None:
            (start,) = step.start.values()
            return code.emit(Kind.FIRE, a=current.number, b=code.state(start), data=(whole, {}))
        state: dict[str, Value] = dict(step.start)
        if steps > 1:
            state = {name: R(code.state(value)) for name, value in step.start.items()}
        values: dict[str, Value] = {"x": current, **state}
        carried = step.carried if steps > 1 else {}
        without = {name for one in fused.values() for name in one.without}
        for made in step.needed(step.level, *carried.values()):
            if made.result in fused:
                values[made.result] = _scaled(code, fused[made.result], values)
            elif made.result not in without:
                values[made.result] = _made(code, made, values)
        level = values[step.level]
        if isinstance(level, int):
            level = R(code.emit(Kind.FILL, x=level))
        elif level in values.values() and level.number in code.states:
            level = R(code.emit(Kind.COPY, a=level.number))
        _carry(
            code,
            {name: values[source] if isinstance(source, str) else source for name, source in carried.items()},
            state,
        )
        return level.number


def _carry(code: Code, carried: Mapping[str, Value], start: Mapping[str, Value]) -> None:
    """Every part of the state becomes what it is carried on as, all at once."""
    states = [part for part in start.values() if isinstance(part, R)]
    moved = {}
    for name, source in carried.items():
        if source in states and source != start[name]:
            moved[name] = R(code.emit(Kind.COPY, a=source.number))
    for name, source in {**carried, **moved}.items():
        state = start[name]
        assert isinstance(state, R)
        if isinstance(source, int):
            code.emit(Kind.FILL, to=state.number, x=source)
        elif source != state:
            code.emit(Kind.COPY, to=state.number, a=source.number)


class Fused(NamedTuple):
    """``(a * factor + added) >> n`` in one instruction through 64 bits, and the results that it does without."""

    a: Operand
    factor: int
    added: int
    n: int
    without: tuple[str, ...]


def _fused(code: Code, node: Fire) -> dict[str, Fused]:
    """By its result, each shift of a product with a constant that 32 bits may not hold."""
    step, values = node.program, code.net.values[node.name]
    made = {one.result: one for one in step.instructions}
    uses = [part for one in step.instructions for part in one.operands if isinstance(part, str)]
    uses += [step.level, *(source for source in step.carried.values() if isinstance(source, str))]
    found: dict[str, Fused] = {}
    for shift in step.instructions:
        if shift.primitive != "shift":
            continue
        product, added, without = made.get(str(shift.operands[0])), 0, []
        if product and product.primitive == "add" and isinstance(product.operands[1], int):
            without, added = [product.result], product.operands[1]
            product = made.get(str(product.operands[0]))
        if product is None or product.primitive != "mul" or not isinstance(product.operands[1], int):
            continue
        without.append(product.result)
        if all(uses.count(name) == 1 for name in without) and any(values[n].signed_bits > 32 for n in without):
            a, factor = product.operands
            found[shift.result] = Fused(a, int(factor), added, int(shift.operands[1]), tuple(without))
    return found


def _scaled(code: Code, fused: Fused, values: Mapping[str, Value]) -> Value:
    value = values[fused.a] if isinstance(fused.a, str) else fused.a
    if isinstance(value, int):
        return value * fused.factor + fused.added >> fused.n
    return R(code.emit(Kind.SCALE, a=value.number, x=fused.factor, y=fused.added, n=fused.n))


def _made(code: Code, made: Instruction, values: Mapping[str, Value]) -> Value:
    operands = [values[part] if isinstance(part, str) else part for part in made.operands]
    if not any(isinstance(part, R) for part in operands):
        return int(program.PRIMITIVES[made.primitive](*operands))
    return PRIMITIVES[made.primitive](code, *operands)


def _register(code: Code, value: Value) -> int:
    return value.number if isinstance(value, R) else code.emit(Kind.FILL, x=value)


def _add(code: Code, a: Value, b: Value) -> Value:
    if isinstance(a, int):
        a, b = b, a
    assert isinstance(a, R)
    if isinstance(b, R):
        return R(code.emit(Kind.ADD, a=a.number, b=b.number))
    return R(code.emit(Kind.PLUS, a=a.number, x=b)) if b else a


def _sub(code: Code, a: Value, b: Value) -> Value:
    if isinstance(b, int):
        return _add(code, a, -b)
    if isinstance(a, int):
        return R(code.emit(Kind.FROM, a=b.number, x=a))
    return R(code.emit(Kind.SUB, a=a.number, b=b.number))


def _mul(code: Code, a: Value, b: Value) -> Value:
    if isinstance(a, int):
        a, b = b, a
    assert isinstance(a, R)
    if isinstance(b, R):
        return R(code.emit(Kind.MUL, a=a.number, b=b.number))
    return R(code.emit(Kind.TIMES, a=a.number, x=b)) if b != 1 else a


def _shift(code: Code, a: Value, n: Value) -> Value:
    assert isinstance(n, int)
    most = 31 if code.type == Type.I32 else 63  # what is shifted farther is its sign
    return R(code.emit(Kind.SHIFT, a=_register(code, a), n=min(n, most))) if n else a


def _clip(code: Code, a: Value, lo: Value, hi: Value) -> Value:
    assert isinstance(lo, int)
    assert isinstance(hi, int)
    end = 2 ** (8 * code.type.bytes - 1)
    lo, hi = (min(max(limit, -end), end - 1) for limit in (lo, hi))
    return R(code.emit(Kind.CLIP, a=_register(code, a), x=lo, y=hi))


def _select(code: Code, which: Value, a: Value, b: Value) -> Value:
    if isinstance(which, int):
        return a if which else b
    match a, b:
        case int(), int():
            return R(code.emit(Kind.PICK_XY, a=which.number, x=a, y=b))
        case int(), R():
            return R(code.emit(Kind.PICK_X, a=which.number, x=a, c=b.number))
        case R(), int():
            return R(code.emit(Kind.PICK_Y, a=which.number, b=a.number, y=b))
    assert isinstance(a, R)
    assert isinstance(b, R)
    return R(code.emit(Kind.SELECT, a=which.number, b=a.number, c=b.number))


PRIMITIVES: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {"add": _add, "sub": _sub, "mul": _mul, "shift": _shift, "clip": _clip, "select": _select}
)
"""What each primitive is, of registers and constants."""
