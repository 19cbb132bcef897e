"""What of a network is stored, and where; what is computed on the way, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.protocol import writer_of
from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.row import Part, sides
from bitspike.backends.verilog.table import ROWS
from bitspike.errors import UserError
from bitspike.ir import Delay, FrozenGraph, Node
from bitspike.ir.ranges import Range
from bitspike.ir.steps import check_steps, steps_of

__all__ = ["Memory", "Place", "Plan", "planned"]


class Place(NamedTuple):
    """Where an edge lies: the number of its memory, and the address of its first element."""

    memory: int
    address: int


@dataclass
class Memory:
    """Edges of one width, which take turns in it. ``lent`` is what is in use: from, to, and until which layer."""

    bits: int
    signed: bool
    size: int = 1
    lent: list[tuple[int, int, int]] = field(default_factory=list)

    def lend(self, size: int, first: int, last: int) -> int:
        """The lowest address where so many words are free from layer ``first`` to layer ``last``."""
        self.lent = sorted(one for one in self.lent if one[2] >= first)
        address = 0
        for begin, end, _ in self.lent:
            if address + size <= begin:
                break
            address = max(address, end)
        self.lent.append((address, address + size, last))
        self.size = max(self.size, address + size)
        return address


class Plan:
    """What is decided before a line is written.

    Args:
        net: the network.
        stepwise: whether a step of all layers comes before the next step. A network with a loop, where a layer reads
            what a later one sent, has no other way.

    Attributes:
        parts: what is computed, by name, in order; what nobody reads is not.
        stored: names of the edges in memory. places: where they lie. memories: that they lie in.
        constants: numbers for each channel, one array behind the other.
        layers: in order.
        stepwise: edges in memory have one step, and membranes are of each neuron; else edges have all steps, and
            membranes are of a channel, for a layer runs all steps of a place.

    Raises:
        UserError: an op that no row of the table is for, a value too wide, or other outputs than logits.
    """

    def __init__(self, net: FrozenGraph, stepwise: bool = False) -> None:
        if not net.classifies:
            seen = ", ".join(str(edge.shape) for edge in net.graph.outputs)
            raise UserError("verilog", f"outputs {seen}", "its hardware has one output, the logits (K,) of classes")
        self.net = net
        self.parts = self._parts()
        self.stepwise = stepwise or any(isinstance(part.node, Delay) for part in self.parts.values())
        self.last = next(reversed(self.parts))
        self.stored = self._stored()
        self.roots = [part for name, part in self.parts.items() if name in self.stored and part.row.computed]
        self.memories: list[Memory] = []
        self.places = self._places()
        self.constants: NDArray[np.int64] = np.zeros(0, np.int64)
        self.layers = [Layer(self, root) for root in self.roots]

    @property
    def states(self) -> list[tuple[int, int]]:
        """Of each layer: where its states begin, and words of one. Layers that run one after another share them."""
        begins, found = 0, []
        for layer in self.layers:
            words = layer.root.edge.size if self.stepwise else sides(layer.root.edge.shape)[0]
            found.append((begins, words))
            begins += words * len(layer.code.states) * self.stepwise
        return found

    @property
    def state_words(self) -> int:
        """Words of all states."""
        ends = (at + words * len(one.code.states) for (at, words), one in zip(self.states, self.layers, strict=True))
        return max(1, *ends)

    @property
    def memory_bits(self) -> int:
        """Of edges and states, which depend on the order of steps."""
        widest = max((kept.including(0).signed_bits for one in self.layers for kept in one.code.states), default=1)
        return sum(memory.bits * memory.size for memory in self.memories) + self.state_words * widest

    def so_far(self, name: str) -> Range:
        """What the first steps of an edge add up to."""
        return self.net.totals[name].joined(self.net.ranges[name])

    def constant(self, values: NDArray[Any]) -> int:
        """Where these numbers stand among the constants, one for each channel."""
        self.constants = np.concatenate([self.constants, values])
        return len(self.constants) - len(values)

    def _parts(self) -> dict[str, Part]:
        graph = self.net.graph
        names = {node.name for node in graph.nodes}
        found: dict[str, Part] = {}
        for node in graph.nodes:
            fresh = f"{node.name} so far"
            while fresh in names:
                fresh += "'"
            names.add(fresh)
            row = writer_of(ROWS, "verilog", node)
            found |= {part.node.name: part for part in row.parts(self.net, node, fresh)}
        wanted = {graph.nodes[0].name}
        ahead = [self.net.readout.name]
        while ahead:
            if (name := ahead.pop()) not in wanted:
                wanted.add(name)
                ahead += _read(found[name].node)
        return {name: part for name, part in found.items() if name in wanted}

    def _stored(self) -> set[str]:
        """Edges that are looked into from elsewhere, or twice; and all windows of a layer but its first's."""
        read = [name for part in self.parts.values() for name in part.node.inputs]
        stored = {name for name, part in self.parts.items() if part.row.stored or read.count(name) != 1}
        stored |= {name for part in self.parts.values() if part.row.sees for name in part.node.inputs}
        stored |= {part.node.of for part in self.parts.values() if isinstance(part.node, Delay)}
        # A pool that is held: its window is swept once, and neurons read it at every step.
        stored |= {name for name, part in self.parts.items() if part.row.alone and part.edge.T == 1}
        for name in list(self.parts):
            if name in stored:
                sums = [part.node.name for part in self._chain(self.parts[name], stored) if part.row.sums]
                stored.update(sums[1:])
        return stored

    def _chain(self, part: Part, stored: set[str]) -> Iterator[Part]:
        """A part, and what is computed on the way to it."""
        yield part
        for name in part.node.inputs:
            if name not in stored:
                yield from self._chain(self.parts[name], stored)

    def reads(self, part: Part) -> tuple[str, ...]:
        """The edges in memory that the layer of a root reads, in the order of its ops: the text follows it."""
        read = (name for one in self._chain(part, self.stored) for name in _read(one.node))
        return tuple(dict.fromkeys(name for name in read if name in self.stored))

    def steps_of(self, name: str) -> int:
        """Steps of an edge that are in memory together."""
        return 1 if self.stepwise else self.parts[name].edge.T

    def _places(self) -> dict[str, Place]:
        """Every stored edge in a memory of its width, for as long as a layer reads it, by whatever name."""
        same: dict[str, str] = {}  # as which edge an edge lies in memory
        for name, part in self.parts.items():
            alias = name in self.stored and not part.row.computed and part.node.inputs
            same[name] = same[part.node.inputs[0]] if alias else name
        until = {name: index for index, root in enumerate(self.roots) for name in map(same.get, self.reads(root))}
        delayed = {same[part.node.of] for part in self.parts.values() if isinstance(part.node, Delay)}
        stay = {name for name, part in self.parts.items() if part.edge.T == 1} | delayed if self.stepwise else set()
        places: dict[str, Place] = {}
        order = {root.node.name: index for index, root in enumerate(self.roots)}
        for name in sorted(self.parts, key=lambda name: name not in stay):  # what others must go round comes first
            part = self.parts[name]
            if name in self.stored and same[name] == name and name != self.last:
                number, first = self._memory(part.range), order.get(name, -1)
                size, last = part.edge.size * self.steps_of(name), until.get(name, first)
                first, last = (-1, len(self.roots)) if name in stay else (first, last)
                places[name] = Place(number, self.memories[number].lend(size, first, last))
        return {name: places[same[name]] for name in self.parts if same[name] in places}

    def _memory(self, found: Range) -> int:
        """The memory of integers of such a range; a new one where there is none of its width."""
        kind = (max(1, found.signed_bits - (found.lo >= 0)), found.lo < 0)
        kinds = [(memory.bits, memory.signed) for memory in self.memories]
        if kind not in kinds:
            self.memories.append(Memory(*kind))
        return [*kinds, kind].index(kind)


def planned(net: FrozenGraph) -> Plan:
    """The plan that needs less memory, of a network that can run in either order."""
    plan = Plan(net)
    if plan.stepwise or steps_of(net.graph) == 1:
        return plan
    try:
        check_steps(net.graph)
    except UserError:  # a sum over steps, on the way
        return plan
    return min(plan, Plan(net, stepwise=True), key=lambda one: one.memory_bits)


def _read(node: Node) -> tuple[str, ...]:
    """The edges that an op reads, now or a step later."""
    return (*node.inputs, node.of) if isinstance(node, Delay) else node.inputs
