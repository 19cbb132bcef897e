"""What a row of the table says: how one op becomes C. `Writer` is the op of which nothing more is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from bitspike.backends.c.memory import CType, number_type
from bitspike.ir import Node

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["Each", "Writer"]

Op = TypeVar("Op", bound=Node)


class Writer(Generic[Op]):
    """How one op is written: by itself, element by element, or as a whole layer.

    A chain of ops is computed for one element ``(c, p)`` at a time (channel, place in its plane), over its steps ``t``,
    up to the op whose edge is stored: the root. A root has a function, which `layer` writes.

    Attributes:
        stored: its edge is stored whoever reads it. Any edge is that has several readers, or one that gathers.
        gathers: it reads its input at places other than its own, so the input must be in memory.
        pours: it sends one level after the other, which its only reader may take as they come (`takes`).
        answers: it writes to what the caller gave, and its edge needs no memory.
        sums: it is computed for a block of places at once, before what follows it is computed for each.
        closes: its function is called at the end of a step, for the next one.
    """

    stored: ClassVar[bool] = False
    gathers: ClassVar[bool] = False
    pours: ClassVar[bool] = False
    answers: ClassVar[bool] = False
    sums: ClassVar[bool] = False
    closes: ClassVar[bool] = False

    # What it needs

    def kind(self, plan: Plan, node: Op) -> CType:
        """A type for the op's result and for everything on the way to it."""
        return number_type(plan.net.ranges[node.name])

    def takes(self, plan: Plan, node: Op, source: Node) -> bool:
        """Whether it takes every level of ``source`` once, so that these need not be stored."""
        return False

    def steps(self, plan: Plan, node: Op) -> int:
        """Steps that it is computed over, as a root."""
        return plan.graph.edges[node.name].T

    def place_bytes(self, plan: Plan, node: Op) -> int:
        """Bytes that it computes in for each place of a block."""
        return 0

    # A block of places

    def gather(self, code: Code, node: Op) -> None:
        """Writes, of one that sums, what collects the window of place ``i`` of the block, at ``row`` and ``column``."""

    def sum(self, code: Code, node: Op) -> None:
        """Writes, of one that sums, what makes the sums of a block for the channels from ``first`` on."""

    # One element

    def begin(self, code: Code, node: Op) -> None:
        """Writes, of a root, what comes before the steps of an element."""

    def value(self, code: Code, node: Op) -> None:
        """Writes the local variable that holds the op's value at a step.

        Raises:
            UserError: the op has no element-wise form.
        """
        raise node.refuse(type(node).__name__, "has no element-wise form in C")

    def made(self, code: Code, node: Op) -> str:
        """Of a root: writes a step of an element, and returns its value."""
        self.value(code, node)
        return code.local(node)

    def end(self, code: Code, node: Op) -> None:
        """Of a root: writes what comes after a step, when its value has been read."""

    # A layer

    def parameter(self, plan: Plan, root: Op) -> str:
        """What the function of a root takes."""
        return "void"

    def argument(self, plan: Plan, root: Op) -> str:
        """What the function of a root is given by the program's."""
        return ""

    def layer(self, code: Code, root: Op) -> None:
        """Writes, of a root, the body of its function."""
        with code.elements(root), code.element(root) as made:
            code.store(root, made)


@dataclass(frozen=True)
class Each(Writer[Node]):
    """An op that makes one integer of the integers at the same place, with nothing on the way that is any larger.

    Args:
        expression: of C, given the op, the type to compute in, and the op's inputs. These may be of smaller types.
    """

    expression: Callable[..., str]

    def kind(self, plan: Plan, node: Node) -> CType:
        ends = (end for name in node.inputs for end in plan.net.ranges[name])
        return number_type(plan.net.ranges[node.name].including(*ends))

    def value(self, code: Code, node: Node) -> None:
        kind = code.plan.kind(node).name
        made = self.expression(node, kind, *(code.read(name) for name in node.inputs))
        code.text.line(f"const {kind} {code.local(node)} = {made};")
