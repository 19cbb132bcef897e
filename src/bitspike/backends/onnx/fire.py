"""Neurons in ONNX: `bitspike.ir.Dynamics`, unrolled over their steps."""

from __future__ import annotations

from math import ldexp

from bitspike.backends.onnx.model import FLOAT64, Model, check
from bitspike.intmath import half, shift_right
from bitspike.ir import Fire

__all__ = ["fire"]


def fire(model: Model, node: Fire) -> None:
    """Leak, fire and reset of every step, in float64: a shift is a product with a power of two, and Floor."""
    d, op, number = node.dynamics, model.op, model.number
    assert d is not None  # a FrozenGraph has them
    raised = half(d.fraction_bits) if d.rounds else 0
    leaks = node.T > 1 and d.leak_multiplier != 1 << d.leak_shift
    _check(model, node, raised, leaks)
    sent = number(0)
    v = number(int(shift_right(d.v_init * d.leak_multiplier, d.leak_shift)))
    for t in range(node.T):
        if t and leaks:
            v = op("Floor", op("Mul", v, number(ldexp(d.leak_multiplier, -d.leak_shift))))
        u = op("Add", v, model.step(node.inputs[0], t, "float64"))
        above = op("Add", u, number(raised)) if raised else u
        level = op("Floor", op("Mul", above, number(ldexp(1, -d.fraction_bits))))
        ends = number(node.lo), number(node.hi)
        if d.tracer is None:
            level = model.emit(node, t, "float64", "Clip", level, *ends)
        else:
            wanted = op("Add", sent, op("Clip", level, *ends))
            after = op("Clip", wanted, number(0), number(d.tracer))
            level, sent = model.emit(node, t, "float64", "Sub", after, sent), after
        if t + 1 == node.T:
            break
        if d.v_reset is None:
            v = op("Sub", u, op("Mul", level, number(1 << d.fraction_bits)))
        else:
            v = op("Where", op("Equal", level, number(0)), u, number(d.v_reset))
        if d.store is not None:
            code = model.product(v, number(d.store.multiplier), d.store.shift)
            code = op("Clip", code, number(-node.top), number(node.top))
            v = model.product(code, number(d.store.step), d.store.step_shift)


def _check(model: Model, node: Fire, raised: int, leaks: bool) -> None:
    """Refuses neurons whose potentials, or products with them, are beyond float64."""
    d, membrane = node.dynamics, model.net.membranes[node.name]
    assert d is not None
    reach = max(membrane.hi, -membrane.lo)
    check(node, max(reach + raised, reach * d.leak_multiplier * leaks), FLOAT64)
    if d.store is not None:
        scaled = reach * d.store.multiplier + half(d.store.shift)
        stored = node.top * d.store.step + half(d.store.step_shift)
        check(node, max(scaled, stored) * (node.T > 1), FLOAT64)
