"""A layer of the plan: one stored edge, and everything that is computed on the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from bitspike.backends.verilog.micro import Code, Value
from bitspike.backends.verilog.row import Part, Sweep
from bitspike.ir import Node
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.verilog.plan import Plan

__all__ = ["Layer"]


class Layer:
    """What the engine does in one go.

    Attributes:
        root: the op whose edge is stored. steps: that it runs over. at_last: it stores at the last of them alone.
        once: of a network that runs step by step, it runs at the first step alone.
        sweep: its windows, or none. held: its windows see one step, so that they are summed at the first alone.
        code: its program.
    """

    def __init__(self, plan: Plan, root: Part) -> None:
        self.plan, self.root = plan, root
        adds = root.node.adds_steps
        self.steps = plan.parts[root.node.inputs[0]].edge.T if adds else root.edge.T
        self.at_last = adds and self.steps > root.edge.T
        self.once = plan.stepwise and self.steps == 1
        self.sweep: Sweep | None = None
        self.held = False
        self.code = Code()
        self._made: dict[str, Value] = {}
        self.code.store(root.row.value(self, root.node))

    def read(self, name: str) -> Value:
        """The value of an op, from memory or computed here."""
        part = self.plan.parts[name]
        if name in self.plan.stored:
            return self.stored(name)
        if name not in self._made:
            self._made[name] = part.row.value(self, part.node)
        return self._made[name]

    def stored(self, name: str) -> Value:
        """The value of an edge in memory."""
        place, steps = self.plan.places[name], self.plan.steps_of(name)
        return Value("edge", 0, self.plan.parts[name].range, place=(place.memory, place.address, steps > 1))

    def sum(self, node: Node) -> Value:
        """What the windows of an op add up to."""
        part = self.plan.parts[node.name]
        self.sweep = part.row.sweep(self.plan, part.node)
        found = self.plan.parts[self.sweep.source].range if self.sweep.mode == "largest" else part.range
        self.held = self.steps > max(self.plan.parts[name].edge.T for name in self.sweep.sources)
        value = Value("sum", 0, found)
        return self.code.held(value) if self.held else value

    def running(self, node: Node) -> Value:
        """The sum of the op's input over the steps until now."""
        x = self.read(node.inputs[0])
        if self.plan.parts[node.inputs[0]].edge.T == 1:
            return x
        found = self.plan.parts[node.name].range.joined(self.plan.so_far(node.inputs[0]))
        before = self.code.state(0, found)
        total = self.code.make("add", x, before, found)
        self.code.keep(before, total)
        return total

    def constant(self, values: NDArray[Any]) -> Value:
        """One number for each channel."""
        found = Range(int(values.min()), int(values.max()))
        return Value("constant", self.plan.constant(values), found)
