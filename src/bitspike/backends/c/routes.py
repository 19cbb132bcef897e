"""Routes: channels that lie beside each other, copied from where they are stored to where they are read."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from bitspike.backends.c.writer import Writer
from bitspike.ir import Concat, Node, Slice, Upsample

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code

__all__ = ["Enlarged", "Joined", "Sliced"]


class Joined(Writer[Concat]):
    """The channels of each edge, one edge after the other."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Concat) -> None:
        edge, first = code.plan.graph.edges[root.name], 0
        places = prod(edge.shape[1:])
        with code.text.loop("t", edge.T), code.text.loop("p", places):
            for name in root.inputs:
                source = code.plan.graph.edges[name]
                place = f"(t * {places} + p)" if source.T > 1 else "p"
                _copy(code, root, name, (f"(t * {places} + p)", place), (first, 0, source.shape[0]))
                first += source.shape[0]


class Sliced(Writer[Slice]):
    """A range of the channels of each place."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Slice) -> None:
        edge = code.plan.graph.edges[root.name]
        with code.text.loop("p", edge.T * prod(edge.shape[1:])):
            _copy(code, root, root.inputs[0], ("p", "p"), (0, root.start, edge.shape[0]))


class Enlarged(Writer[Upsample]):
    """The channels of the nearest place."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Upsample) -> None:
        graph, (source,), (down, across) = code.plan.graph, root.inputs, root.factor
        channels, rows, columns = graph.edges[root.name].plane
        steps = graph.edges[root.name].T
        with code.text.loop("row", steps * rows), code.text.loop("column", columns):
            code.text.line(f"const int32_t p = row * {columns} + column;")
            nearest = f"(row / {down} * {columns // across} + column / {across})"
            _copy(code, root, source, ("p", nearest), (0, 0, channels))


def _copy(code: Code, root: Node, source: str, places: tuple[str, str], channels: tuple[int, int, int]) -> None:
    """So many channels of a place: to which and from which places, as C; from which channels on, and how many."""
    (here, there), (to, start, count) = places, channels
    kind, symbols = code.plan.buffers[root.name].stored.type.name, code.plan.symbols
    wide, narrow = (code.plan.graph.edges[name].shape[0] for name in (root.name, source))
    with code.text.loop("c", count):
        into = f"{symbols[root.name]}[{here} * {wide} + {to} + c]"
        code.text.line(f"{into} = ({kind}){symbols[source]}[{there} * {narrow} + {start} + c];")
