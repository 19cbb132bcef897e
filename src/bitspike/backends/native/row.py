"""What a row of the table says of an op: which stage it belongs to, and the instructions that it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from bitspike.ir import Graph, Node

if TYPE_CHECKING:
    from bitspike.backends.native.code import Code

__all__ = ["Row"]

Op = TypeVar("Op", bound=Node)


class Row(Generic[Op]):
    """An op that is computed element by element, at each step; others say what differs."""

    def gathers(self, graph: Graph, node: Op) -> bool:
        """Whether it reads other places than its own, so that its input must be stored."""
        return False

    def steps(self, graph: Graph, node: Op) -> int:
        """Steps of the loop that it is computed in."""
        return graph.edges[node.name].T

    def ends(self, graph: Graph, node: Op) -> bool:
        """Whether its output is there only after the last step."""
        return False

    def reads(self, graph: Graph, node: Op) -> tuple[str, ...]:
        """The edges that it reads, where not all of its inputs, or others."""
        return node.inputs

    def border(self, graph: Graph, node: Op) -> tuple[int, int]:
        """Rows and columns of zeros that it wants around what it reads."""
        return 0, 0

    def narrow(self, code: Code, node: Op) -> bool:
        """Whether registers of 32 bits hold all that it makes."""
        return code.net.ranges[node.name].signed_bits <= 32

    def store(self, code: Code, node: Op) -> bool:
        """Writes instructions that store its bytes without a register between; whether there are such."""
        return False

    def write(self, code: Code, node: Op) -> int:
        """Writes its instructions; the register of its output."""
        raise NotImplementedError
