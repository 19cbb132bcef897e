"""What of a network is stored, and where; what is computed on the way, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.protocol import writer_of
from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.row import Part
from bitspike.backends.verilog.table import ROWS
from bitspike.ir import Conv, Edge, FrozenGraph, Input, Linear, Node, Pool, Readout
from bitspike.ir.ranges import Range

__all__ = ["Memory", "Place", "Plan"]


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

    Attributes:
        parts: what is computed, by name, in order; what nobody reads is not.
        stored: names of the edges in memory. places: where they lie. memories: that they lie in.
        constants: numbers for each channel, one array behind the other.
        layers: in order.

    Raises:
        UserError: an op that no row of the table is for, or a value too wide.
    """

    def __init__(self, net: FrozenGraph) -> None:
        for node in net.graph.nodes:
            _check_there_is_hardware(node, *net.graph.read(node))
        self.net = net
        self.parts = self._parts()
        self.last = next(reversed(self.parts))
        self.stored = self._stored()
        self.roots = [part for name, part in self.parts.items() if name in self.stored and part.row.computed]
        self.memories: list[Memory] = []
        self.places = self._places()
        self.constants: NDArray[np.int64] = np.zeros(0, np.int64)
        self.layers = [Layer(self, root) for root in self.roots]

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
        wanted = {self.net.readout.name, graph.nodes[0].name}
        for name, part in reversed(found.items()):
            if name in wanted:
                wanted.update(part.node.inputs)
        return {name: part for name, part in found.items() if name in wanted}

    def _stored(self) -> set[str]:
        """Edges that are looked into from elsewhere, or twice; and all windows of a layer but its first's."""
        read = [name for part in self.parts.values() for name in part.node.inputs]
        stored = {name for name, part in self.parts.items() if part.row.stored or read.count(name) != 1}
        stored |= {name for part in self.parts.values() if part.row.sees for name in part.node.inputs}
        # A pool that is held: its window is swept once, and neurons read it at every step.
        stored |= {name for name, part in self.parts.items() if isinstance(part.node, Pool) and part.edge.T == 1}
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

    def reads(self, part: Part) -> set[str]:
        """The edges in memory that the layer of a root reads."""
        return {name for one in self._chain(part, self.stored) for name in one.node.inputs if name in self.stored}

    def _places(self) -> dict[str, Place]:
        """Every stored edge in a memory of its width, for as long as a layer reads it, by whatever name."""
        same: dict[str, str] = {}  # as which edge an edge lies in memory
        for name, part in self.parts.items():
            alias = name in self.stored and not part.row.computed and part.node.inputs
            same[name] = same[part.node.inputs[0]] if alias else name
        until = {name: index for index, root in enumerate(self.roots) for name in map(same.get, self.reads(root))}
        places: dict[str, Place] = {}
        order = {root.node.name: index for index, root in enumerate(self.roots)}
        for name, part in self.parts.items():
            if name in self.stored and same[name] == name and name != self.last:
                number, first = self._memory(part.range), order.get(name, -1)
                size = part.edge.size * part.edge.T
                places[name] = Place(number, self.memories[number].lend(size, first, until.get(name, first)))
        return {name: places[same[name]] for name in self.parts if same[name] in places}

    def _memory(self, found: Range) -> int:
        """The memory of integers of such a range; a new one where there is none of its width."""
        kind = (max(1, found.signed_bits - (found.lo >= 0)), found.lo < 0)
        kinds = [(memory.bits, memory.signed) for memory in self.memories]
        if kind not in kinds:
            self.memories.append(Memory(*kind))
        return [*kinds, kind].index(kind)


def _check_there_is_hardware(node: Node, *read: Edge) -> None:
    """Refuses what a row of the table would take for something else.

    Raises:
        UserError: an input that is no image, an answer that is no sum over time, or a layer over other axes.
    """
    if isinstance(node, Input) and (node.edge.T > 1 or len(node.edge.shape) != 3):
        raise node.refuse(str(node.sample), "the backend verilog takes images (C, H, W)")
    if isinstance(node, Readout) and node.over != "sum":
        raise node.refuse(node.over, "the backend verilog answers with the sum over time")
    if isinstance(node, Linear) and len(read[0].shape) != 1:
        raise node.refuse(read[0].shape, "the backend verilog has layers of flat edges")
    if isinstance(node, Conv | Pool) and len(read[0].shape) != 3:
        raise node.refuse(read[0].shape, "the backend verilog has windows of (C, H, W)")
