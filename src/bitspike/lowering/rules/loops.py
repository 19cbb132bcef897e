"""The rule of a delay, which a recurrent layer is read with (`bitspike.lowering.structure`)."""

from __future__ import annotations

from bitspike.ir import Delay
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.rule import RULES, Rule
from bitspike.lowering.values import Integers, Kind


def _freeze_delay(freezer: Freezer, node: Delay) -> Integers:
    edge = node.edge
    if edge.lo is None or edge.hi is None or edge.scale is None:
        raise node.refuse(node.of, "cannot be frozen: its levels have no one value for all steps")
    freezer.emit(node)
    return Integers(node.name, edge.scale, max(edge.hi, -edge.lo))


RULES.register("delay", Rule(Delay, freeze=_freeze_delay, sends=Kind.SPIKES))
