"""The functions of a program as they are written: one for each root, with everything on the way in local variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from math import prod

from bitspike.backends.c.memory import CType, element_type
from bitspike.backends.c.packing import LANES
from bitspike.backends.c.plan import Plan
from bitspike.backends.c.text import Text, comment, number
from bitspike.backends.c.weights import Constants
from bitspike.intmath import half
from bitspike.ir import Node, Range

__all__ = ["Code"]


class Code:
    """Writes the functions, by the rows of the table, which are given this to write with.

    ``c`` is the channel, ``p`` the place in its plane, ``t`` the step, in all that is written. ``i`` is
    the number of a place in its block, and ``first`` the first channel whose sums are there.

    Args:
        plan: what is stored.

    Attributes:
        text: the lines. constants: the numbers that they read, and the kernels that they call.
        states: what is kept from one step to the next, by name in C: type, elements, and the number of each at first.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.text = Text()
        self.constants = Constants(plan)
        self.states: dict[str, tuple[CType, int, int]] = {}
        for root in plan.roots:
            self._function(root)

    def _function(self, root: Node) -> None:
        writer = self.plan.writers[root.name]
        self.text.line(f"/* {type(root).__name__.lower()} {comment(root.name)} */")
        self.text.line(f"BITSPIKE_LAYER {self.plan.symbols[root.name]}_run({writer.parameter(self.plan, root)})")
        with self.text.block():
            writer.layer(self, root)
        self.text.line("")

    # Loops

    @contextmanager
    def elements(self, root: Node, made: Node | None = None) -> Iterator[None]:
        """Over the places of ``root`` and their channels: the elements ``(c, p)`` of ``made`` (``root`` itself).

        What sums on the way to them is gathered and computed for a block of places at once.
        """
        made = made or root
        channels, *sides = self.plan.graph.edges[root.name].shape
        summed = self.plan.summed(made)
        if not sides or not summed:
            self.gathered(summed)
            with self.places(root), self.block_of(summed, channels):
                yield
            return
        count, block = prod(sides), self.plan.together(summed[0])
        with self.text.block(f"for (int32_t place = 0; place < {count}; place += {block})"):
            self.text.line(f"const int32_t many = {count} - place < {block} ? {count} - place : {block};")
            with self.text.loop("i", "many"):
                self.text.line(f"const int32_t row = (place + i) / {sides[-1]}, column = (place + i) % {sides[-1]};")
                self.gathered(summed)
            with self.block_of(summed, channels, "const int32_t p = place + i;"):
                yield

    def gathered(self, summed: Sequence[Node]) -> None:
        """The windows of ``summed``, at ``row`` and ``column``, for place ``i`` of a block."""
        for node in summed:
            self.plan.writers[node.name].gather(self, node)

    @contextmanager
    def block_of(self, summed: Sequence[Node], channels: int, place: str = "") -> Iterator[None]:
        """Over all channels, and before it over the block's places, of which ``place`` says where they are."""
        if not summed:
            with self.text.loop("i", "many") if place else nullcontext():
                if place:
                    self.text.line(place)
                with self.text.loop("c", channels):
                    yield
            return
        with self.text.block(f"for (int32_t first = 0; first < {channels}; first += {LANES})"):
            for node in summed:
                self.plan.writers[node.name].sum(self, node)
            end = f"first + {LANES}"
            if channels % LANES:
                end = "last"
                self.text.line(f"const int32_t last = {channels} - first < {LANES} ? {channels} : first + {LANES};")
            over = f"for (int32_t c = first; c < {end}; c++)"
            if not place:
                with self.text.block(over):
                    yield
                return
            with self.text.loop("i", "many"):
                self.text.line(place)
                with self.text.block(over):
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

    def store(self, root: Node, value: str, place: str = "p") -> None:
        """Writes the element of a root at ``place`` to memory."""
        kind = self.plan.buffers[root.name].stored.type.name
        self.text.line(f"{self.plan.symbols[root.name]}[{self.index(root.name, place)}] = ({kind})({value});")

    def narrowed(self, node: Node, value: str, kind: CType) -> str:
        """The value of ``node`` in a type that its range fits, as it may be computed in a wider one."""
        return f"({kind.name}){value}" if self.plan.kind(node).bytes > kind.bytes else value

    def see(self, node: Node, value: str, place: str) -> None:
        """Shows a trace the value at ``place`` of an op that nothing stores."""
        shown = self.plan.seen_on_the_way(node)
        self.text.line(f"BITSPIKE_SEE({shown.symbol}[{self.index(node.name, place)}], ({shown.type.name}){value});")

    def state(self, node: Node, part: str, held: Range, name: str | None = None, first: int = 0) -> str:
        """Memory of an op from step to step, as many elements as an edge has (its own): the array's name in C."""
        array = f"{self.plan.symbols[node.name]}_{part}"
        self.states[array] = (element_type(held), self.plan.graph.edges[name or node.name].size, first)
        return array

    def keep(self, array: str, at: str, value: str) -> None:
        """Writes an element of what is kept."""
        self.text.line(f"{array}[{at}] = ({self.states[array][0].name})({value});")

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
