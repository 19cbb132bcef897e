"""Ops that make one integer of those at the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitspike.backends.c.memory import CType, number_type
from bitspike.backends.c.writer import Each, Writer
from bitspike.intmath import half
from bitspike.ir import Affine
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["ADDED", "POSITIVE", "FixedPoint"]

ADDED = Each(lambda node, kind, left, right: f"({kind}){left} + {right}")
POSITIVE = Each(lambda node, kind, x: f"{x} > 0 ? {x} : 0")


class FixedPoint(Writer[Affine]):
    """A product with the channel's multiplier, shifted and rounded, plus the channel's offset."""

    def kind(self, plan: Plan, node: Affine) -> CType:
        multiplier, x = plan.net.integers(f"{node.name}.multiplier"), plan.net.ranges[node.inputs[0]]
        products = [int(m) * end for m in (multiplier.min(), multiplier.max()) for end in x]
        return number_type(_sums(plan, node).including(*x, *products, max(products) + half(node.shift)))

    def value(self, code: Code, node: Affine) -> None:
        kind = code.plan.kind(node)
        multiplier, offset = (code.constants.of_channels(node, part) for part in ("multiplier", "offset"))
        x, factor = f"({kind.name}){code.read(node.inputs[0])}", f"{multiplier}[c]"
        product = f"{x} * {factor}"
        if node.shift:
            product = code.rounded(f"raised_{code.plan.symbols[node.name]}", x, factor, node.shift, kind)
            kind = number_type(_sums(code.plan, node))
            product = f"({kind.name})({product})"
        at_all_steps = node.steps in (None, code.plan.net.graph.edges[node.name].T)
        added = f"{offset}[c]" if at_all_steps else f"({code.plan.t} < {node.steps} ? {offset}[c] : 0)"
        code.text.line(f"const {kind.name} {code.local(node)} = {product} + {added};")


def _sums(plan: Plan, node: Affine) -> Range:
    """The op's result, its offset, and its shifted product before that is added."""
    made, offset = plan.net.ranges[node.name], plan.net.integers(f"{node.name}.offset")
    lowest, highest = int(offset.min()), int(offset.max())
    return made.including(lowest, highest, made.lo - highest, made.hi - lowest)
