"""What of a network is stored, and what is computed on the way: the plan that its program is written after."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from bitspike.backends.c.memory import Buffer, CType, Stored, arena_sizes, element_type, place
from bitspike.backends.c.table import WRITERS
from bitspike.backends.c.text import symbol
from bitspike.backends.c.writer import Writer
from bitspike.backends.protocol import writer_of
from bitspike.ir import Delay, FrozenGraph, Node
from bitspike.ir.steps import check_steps, one_step, steps_of

__all__ = ["Plan", "Seen"]

LARGEST_BLOCK = 16
"""Places; with more, what a chunk of weights is multiplied with leaves the nearest cache."""
SHORTEST_CHUNK, LONGEST_CHUNK = 16, 576
"""Taps; each takes the bytes of a row for four channels."""


@dataclass(frozen=True)
class Seen:
    """An edge that a trace shows: ``symbol`` points to its elements."""

    name: str
    symbol: str
    type: CType
    elements: int


class Plan:
    """What is decided before a line is written.

    Args:
        net: the network.
        name: of it in C, which everything that is declared outside of a function begins with.
        by_steps: whether the program takes one step at a time; one with loops has to.
        scratch: bytes to compute sums in; None is by what edges take. What one place wants is taken in any case.

    Attributes:
        graph: that of the network; of a program by steps that of one step.
        steps: how often the functions are called for an image.
        writers: row of the table for each op, by the op's name.
        symbols: the op's name as an identifier of C.
        poured: by the name of an op, the neurons before it whose levels it takes as they are sent.
        roots: the stored edges' ops, in order; each has a function.
        order: place of each root among them.
        buffers: where each stored edge lies.
        slots: of each op that sums, which of its layer's arrays it has.
        chunk: taps whose weights are unpacked together.

    Raises:
        UserError: an op that no row of the table is for, or one that cannot take a step at a time.
    """

    def __init__(self, net: FrozenGraph, name: str, by_steps: bool = False, scratch: int | None = None) -> None:
        self.net, self.name = net, name
        self.by_steps = by_steps or any(net.graph.delays())
        if self.by_steps:
            check_steps(net.graph)
        self.graph = one_step(net.graph) if self.by_steps else net.graph
        self.steps = steps_of(net.graph) if self.by_steps else 1
        nodes = self.graph.nodes
        self.writers: dict[str, Writer[Any]] = {node.name: writer_of(WRITERS, "c", node) for node in nodes}
        self.symbols = {node.name: symbol(name, index, node.name) for index, node in enumerate(nodes)}
        self.readers = {n.name: [reader for reader in nodes if n.name in _read(reader)] for n in nodes}
        self.poured = {pool.name: node for node in nodes if (pool := self._poured_into(node))}
        self.roots = [node for node in nodes if self._is_stored(node)]
        self.order = {root.name: index for index, root in enumerate(self.roots)}
        in_memory = [root for root in self.roots if not self.writers[root.name].answers]
        self.buffers: dict[str, Buffer] = place([self._stored(root) for root in in_memory])
        edges = sum(kind.bytes * count for kind, count in arena_sizes(self.buffers).items())
        # A block takes as much, and a piece of unpacked weights half of it.
        self._spare = max(edges // 8, edges // 4 - 512) if scratch is None else scratch * 2 // 3
        self.chunk = max(SHORTEST_CHUNK, min(LONGEST_CHUNK, self._spare // 16 // 32 * 32))
        self.slots: dict[str, int] = {}
        self._blocks: dict[str, int] = {}
        for root in self.roots:
            summed = self.summed(root)
            self.slots |= {node.name: slot for slot, node in enumerate(summed)}
            self._blocks |= dict.fromkeys((node.name for node in summed), self._block(root))

    def kind(self, node: Node) -> CType:
        """A type for the op's result and for everything on the way to it."""
        return self.writers[node.name].kind(self, node)

    @property
    def t(self) -> str:
        """The step that is computed, as C."""
        return f"{self.name}_taken" if self.by_steps else "t"

    def keeps(self, node: Node) -> bool:
        """Whether what an op carries from step to step is kept between two calls: that of an edge that changes."""
        edges = self.net.graph.edges
        return self.by_steps and any(edges[name].T > 1 for name in (node.name, *node.inputs))

    def chain(self, root: Node) -> list[Node]:
        """``root`` and what is computed on the way to it, in order."""
        found = {root.name}
        for node in reversed(self.graph.nodes):
            if node.name in found:
                found |= {name for name in node.inputs if name not in self.order}
        return [node for node in self.graph.nodes if node.name in found]

    def summed(self, root: Node) -> list[Node]:
        """What on the way to ``root`` is computed for a block of places at once."""
        return [node for node in self.chain(root) if self.writers[node.name].sums]

    def together(self, node: Node) -> int:
        """Places of a block: as many as there is room to compute in, unless a single one wants more."""
        return self._blocks[node.name]

    def reads_in_place(self, root: Node) -> bool:
        """Whether the way to ``root`` reads elements at its own place, as a shortcut does."""
        here = (node for node in self.chain(root) if not self.writers[node.name].gathers)
        return any(name in self.order for node in here for name in node.inputs)

    def seen(self, root: Node) -> list[Seen]:
        """What a trace shows after ``root``: spikes that were poured into it, and its own edge."""
        shown = [self.seen_on_the_way(self.poured[root.name])] if root.name in self.poured else []
        return [*shown, self._seen(root, self.symbols[root.name])] if root.name in self.buffers else shown

    def seen_on_the_way(self, node: Node) -> Seen:
        """What a trace shows of an edge that is never stored."""
        return self._seen(node, f"{self.symbols[node.name]}_trace")

    def _seen(self, node: Node, symbol: str) -> Seen:
        edge = self.graph.edges[node.name]
        return Seen(node.name, symbol, element_type(self.net.ranges[node.name]), edge.size * edge.T)

    def _block(self, root: Node) -> int:
        summed = self.summed(root)
        wanted = sum(self.writers[node.name].place_bytes(self, node) for node in summed)
        _, *sides = self.graph.edges[summed[0].name].shape if summed else (0,)
        return max(1, min(LARGEST_BLOCK, self._spare // max(1, wanted), prod(sides)))

    def _poured_into(self, node: Node) -> Node | None:
        """The only reader of neurons, where that takes every level once."""
        readers = self.readers[node.name]
        if not self.writers[node.name].pours or len(readers) != 1:
            return None
        return readers[0] if self.writers[readers[0].name].takes(self, readers[0], node) else None

    def _is_stored(self, node: Node) -> bool:
        readers, writer = self.readers[node.name], self.writers[node.name]
        if any(self.poured.get(reader.name) is node for reader in readers):
            return False
        return writer.stored or len(readers) != 1 or self.writers[readers[0].name].gathers

    def _stored(self, root: Node) -> Stored:
        edge = self.graph.edges[root.name]
        last = max((self._root_of(reader) for reader in self.readers[root.name]), default=self.order[root.name])
        kind = element_type(self.net.ranges[root.name])
        if self.writers[root.name].closes:  # it holds what the step before left
            return Stored(root.name, kind, edge.size, 0, len(self.roots) - 1)
        return Stored(root.name, kind, edge.size * edge.T, self.order[root.name], last)

    def _root_of(self, node: Node) -> int:
        if self.writers[node.name].closes:
            return len(self.roots) - 1
        while node.name not in self.order:
            (node,) = self.readers[node.name]
        return self.order[node.name]


def _read(node: Node) -> tuple[str, ...]:
    return (node.of,) if isinstance(node, Delay) else node.inputs
