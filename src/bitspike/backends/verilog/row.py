"""What a row of the table says: how one op becomes part of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from bitspike.backends.verilog.micro import Value
from bitspike.ir import Edge, FrozenGraph, Node
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.verilog.layer import Layer
    from bitspike.backends.verilog.plan import Plan

__all__ = ["Pair", "Part", "Row", "Sweep", "sides"]

Op = TypeVar("Op", bound=Node)
Pair = tuple[int, int]


class Part(NamedTuple):
    """An op as the plan has it: with its row, its edge, and its range."""

    node: Node
    row: Row[Any]
    edge: Edge
    range: Range


class Walk(NamedTuple):
    """Another way through an edge than a window's: how far it goes for the next row, column, group and tap."""

    source: str
    row: int
    column: int
    group: int
    tap: int


@dataclass(frozen=True)
class Sweep:
    """Where the windows of a layer are, and what is made of what they see.

    Args:
        mode: ``synapse`` (levels times weights), ``added`` or ``largest`` (of a pool, each channel by itself), or
            ``product`` (levels times levels).
        source: the edge that they see.
        groups: of channels that see only themselves. channels: of the source, of one group. made: channels that come
            of one group.
        kernel, stride, padding, dilation: of the window, rows and columns.
        weights: the op whose weights they are multiplied with, row-major ``[groups * made, channels, *kernel]``.
        walks: ways through one edge, or through the two factors of a product, that are no windows.
    """

    mode: str
    source: str
    groups: int
    channels: int
    made: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    weights: str = ""
    walks: tuple[Walk, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The edges that it reads."""
        return tuple(walk.source for walk in self.walks) or (self.source,)

    @property
    def taps(self) -> int:
        return self.channels * prod(self.kernel)


class Row(Generic[Op]):
    """How one op becomes hardware: by instructions on one element, by the windows of a layer, or in memory alone.

    Attributes:
        stored: its edge is in memory whoever reads it.
        computed: a layer makes its edge; else it is in memory without one: as the image is, or as its input is.
        sees: it has windows, or other places than its own: its input must be in memory.
        sums: it has windows, of which a layer has those of one op.
        alone: its sums are made one by one; held ones are not kept from step to step, but stored.
    """

    stored: ClassVar[bool] = False
    computed: ClassVar[bool] = True
    sees: ClassVar[bool] = False
    sums: ClassVar[bool] = False
    alone: ClassVar[bool] = False

    def parts(self, net: FrozenGraph, node: Op, fresh: str) -> Sequence[Part]:
        """What it is made of: itself, or itself behind another part, which may be called ``fresh``."""
        return [Part(node, self, net.graph.edges[node.name], net.ranges[node.name])]

    def sweep(self, plan: Plan, node: Op) -> Sweep:
        """The windows of one that has some.

        Raises:
            UserError: it has none.
        """
        raise node.refuse(type(node).__name__, "has no windows in Verilog")

    def value(self, layer: Layer, node: Op) -> Value:
        """Writes the instructions that make an element of it.

        Raises:
            UserError: the op has no such form.
        """
        raise node.refuse(type(node).__name__, "has no instructions in Verilog")


def sides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, rows and columns of an edge: a signal ``(C, L)`` is one row; a flat edge has channels alone."""
    channels, *places = shape
    rows, columns = (*(1 for _ in range(2 - len(places))), *places)
    return channels, rows, columns
