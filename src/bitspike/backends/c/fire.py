"""Neurons: `bitspike.ir.Dynamics`, one neuron over all of its steps, its state in local variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitspike.backends.c.memory import CType, number_type
from bitspike.backends.c.text import number
from bitspike.backends.c.writer import Writer
from bitspike.intmath import half
from bitspike.ir import Dynamics, Fire
from bitspike.ir.ranges import INT64, Range

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["Neurons"]


class Neurons(Writer[Fire]):
    """Leak, fire and reset for each step. What reads the level comes between firing and the reset."""

    stored = True
    pours = True

    def kind(self, plan: Plan, node: Fire) -> CType:
        d, u = _dynamics(node), plan.net.membranes[node.name]
        levels = (level << d.fraction_bits for level in (node.lo, node.hi, 1))
        leaked = (min(max(end * d.leak_multiplier, -INT64), INT64) for end in u)  # of v, it is proven less
        sent = (node.lo, node.hi + (d.tracer or 0))
        raised = u.hi + half(d.fraction_bits)
        current = plan.net.ranges[node.inputs[0]]
        return number_type(u.including(*current, *levels, *leaked, *sent, raised, *_stored_ends(node, u)))

    def begin(self, code: Code, node: Fire) -> None:
        d, kind = _dynamics(node), code.plan.kind(node)
        code.text.line(f"{kind.name} v = {number(d.v_init)};")
        if d.tracer is not None:
            code.text.line(f"{kind.name} sent = 0;")

    def made(self, code: Code, node: Fire) -> str:
        d, kind, line = _dynamics(node), code.plan.kind(node), code.text.line
        leaked = f"BITSPIKE_SHIFT_RIGHT(leaked, {d.leak_shift})" if d.leak_shift else "leaked"
        line(f"const {kind.name} leaked = v * {number(d.leak_multiplier, kind)};")
        line(f"const {kind.name} u = {leaked} + {code.read(node.inputs[0])};")
        shifted = "u"
        if d.rounds and d.fraction_bits:
            shifted = "shifted"
            line(f"const {kind.name} shifted = u + {number(half(d.fraction_bits), kind)};")
        line(f"const {kind.name} crossed = BITSPIKE_SHIFT_RIGHT({shifted}, {d.fraction_bits});")
        clipped = f"BITSPIKE_CLIP(crossed, {number(node.lo)}, {number(node.hi)})"
        if d.tracer is None:
            line(f"const {kind.name} level = {clipped};")
        else:
            line(f"const {kind.name} wanted = sent + {clipped};")
            line(f"const {kind.name} level = BITSPIKE_CLIP(wanted, 0, {number(d.tracer)}) - sent;")
        return "level"

    def end(self, code: Code, node: Fire) -> None:
        d, kind, line = _dynamics(node), code.plan.kind(node), code.text.line
        if d.tracer is not None:
            line("sent += level;")
        soft = f"v = u - level * {number(1 << d.fraction_bits, kind)};"
        line(soft if d.v_reset is None else f"v = level != 0 ? {number(d.v_reset, kind)} : u;")
        if d.store is not None:
            nearest = code.rounded("scaled", "v", number(d.store.multiplier, kind), d.store.shift, kind)
            line(f"const {kind.name} nearest = {nearest};")
            clipped = f"BITSPIKE_CLIP(nearest, {number(-node.top)}, {number(node.top)})"
            stored = code.rounded("stored", clipped, number(d.store.step, kind), d.store.step_shift, kind)
            line(f"v = {stored};")


def _dynamics(node: Fire) -> Dynamics:
    assert node.dynamics is not None  # a FrozenGraph has them
    return node.dynamics


def _stored_ends(node: Fire, u: Range) -> list[int]:
    """Ends of the products in `Store`, and of what is added to them."""
    store = _dynamics(node).store
    if store is None:
        return []
    raised, widest = half(store.shift), node.top * store.step
    scaled = [min(max(end * store.multiplier, -INT64), INT64) for end in u]  # of v, it is proven less
    return [*scaled, raised, max(scaled) + raised, -widest, widest + half(store.step_shift)]
