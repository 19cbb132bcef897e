"""The functions of a program as they are written: one for each root, with everything on the way in local variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from bitspike.backends.c.memory import CType
from bitspike.backends.c.plan import Plan
from bitspike.backends.c.text import Text, comment, number
from bitspike.backends.c.weights import Constants
from bitspike.intmath import half
from bitspike.ir import Node

__all__ = ["Code"]


class Code:
    """Writes the functions, by the rows of the table, which are given this to write with.

    ``c`` is the channel, ``p`` the place in its plane, ``t`` the step, in all that is written.

    Args:
        plan: what is stored.

    Attributes:
        text: the lines. constants: the numbers that they read, and the kernels that they call.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.text = Text()
        self.constants = Constants(plan)
        for root in plan.roots:
            self._function(root)

    def _function(self, root: Node) -> None:
        writer = self.plan.writers[root.name]
        self.text.line(f"/* {type(root).__name__.lower()} {comment(root.name)} */")
        self.text.line(f"static void {self.plan.symbols[root.name]}_run({writer.parameter(self.plan.name)})")
        with self.text.block():
            writer.layer(self, root)
        self.text.line("")

    # Loops

    @contextmanager
    def channels(self, root: Node, made: Node | None = None) -> Iterator[None]:
        """Over the channels of ``root``; what the way to ``made`` (``root`` itself) does once for each is written."""
        with self.text.loop("c", self.plan.graph.edges[root.name].shape[0]):
            for node in self.plan.chain(made or root):
                self.plan.writers[node.name].prepare(self, node)
            yield

    @contextmanager
    def places(self, root: Node) -> Iterator[None]:
        """Over the places of a plane of ``root``."""
        _, *sides = self.plan.graph.edges[root.name].shape
        if not sides:
            yield  # one place
            return
        with self.text.loop("row", prod(sides[:-1])), self.text.loop("column", sides[-1]):
            self.text.line(f"const int32_t p = row * {sides[-1]} + column;")
            yield

    @contextmanager
    def element(self, root: Node) -> Iterator[str]:
        """The value of ``root`` at ``(c, p)`` for each step ``t``; what is the same at all of them is computed once."""
        on_the_way = [node for node in self.plan.chain(root) if node is not root]
        held = [node for node in on_the_way if self.plan.graph.edges[node.name].T == 1]
        writer = self.plan.writers[root.name]
        writer.begin(self, root)
        for node in held:
            self.plan.writers[node.name].value(self, node)
        with self.text.loop("t", writer.steps(self.plan, root)):
            for node in on_the_way:
                if node not in held:
                    self.plan.writers[node.name].value(self, node)
            yield writer.made(self, root)
            writer.end(self, root)

    # Elements

    def local(self, node: Node) -> str:
        """The local variable of an op's value."""
        return f"v_{self.plan.symbols[node.name]}"

    def read(self, name: str) -> str:
        """An element of an input: from memory, or the local variable that it has just been computed into."""
        if name in self.plan.order:
            return f"{self.plan.symbols[name]}[{self.index(name)}]"
        return self.local(self.plan.graph[name])

    def store(self, root: Node, value: str) -> None:
        """Writes the element of a root to memory."""
        kind = self.plan.buffers[root.name].stored.type.name
        self.text.line(f"{self.plan.symbols[root.name]}[{self.index(root.name)}] = ({kind})({value});")

    def narrowed(self, node: Node, value: str, kind: CType) -> str:
        """The value of ``node`` in a type that its range fits, as it may be computed in a wider one."""
        return f"({kind.name}){value}" if self.plan.kind(node).bytes > kind.bytes else value

    def see(self, node: Node, value: str, place: str) -> None:
        """Shows a trace the value at ``place`` of an op that nothing stores."""
        shown = self.plan.seen_on_the_way(node)
        self.text.line(f"BITSPIKE_SEE({shown.symbol}[{self.index(node.name, place)}], ({shown.type.name}){value});")

    def index(self, name: str, p: str = "p") -> str:
        """Where an edge's element ``(t, p, c)`` lies."""
        edge = self.plan.graph.edges[name]
        channels, *sides = edge.shape
        if not sides:
            return "c" if edge.T == 1 else f"t * {channels} + c"
        place = p if edge.T == 1 else f"(t * {prod(sides)} + {p})"
        return f"{place} * {channels} + c"

    def rounded(self, made: str, x: str, factor: str, shift: int, kind: CType) -> str:
        """``x * factor / 2^shift``, rounded half up; the product is a constant of its own."""
        self.text.line(f"const {kind.name} {made} = {x} * {factor} + {number(half(shift), kind)};")
        return f"BITSPIKE_SHIFT_RIGHT({made}, {shift})"
