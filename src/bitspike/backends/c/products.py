"""Products of two activations, and axes in another order: what reads memory by the axes of an edge."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bitspike.backends.c.memory import CType, number_type
from bitspike.backends.c.writer import Writer
from bitspike.ir import MatMul, Permute

if TYPE_CHECKING:
    from bitspike.backends.c.code import Code
    from bitspike.backends.c.plan import Plan

__all__ = ["ProductOfEdges", "Turned"]

AXES = ("a", "b", "d")
"""Indices of the axes of an edge, as C."""


class Turned(Writer[Permute]):
    """The same elements, moved to where memory has them with the axes in another order."""

    stored = True
    gathers = True

    def layer(self, code: Code, root: Permute) -> None:
        (source,), shape = root.inputs, code.plan.graph.edges[root.name].shape
        here = AXES[: len(shape)]
        there = [here[root.axes.index(axis)] for axis in range(len(shape))]
        with _loops(code, root.name, here):
            code.text.line(f"{_element(code, root.name, here)} = {_element(code, source, there)};")


class ProductOfEdges(Writer[MatMul]):
    """A sum of products for each element."""

    stored = True
    gathers = True

    def kind(self, plan: Plan, node: MatMul) -> CType:
        ends = (end for name in node.inputs for end in plan.net.ranges[name])
        return number_type(plan.net.ranges[node.name].including(*ends))

    def layer(self, code: Code, root: MatMul) -> None:
        kind, text = code.plan.kind(root).name, code.text
        left, right = root.inputs
        *head, row, column = AXES[: len(code.plan.graph.edges[root.name].shape)]
        with _loops(code, root.name, (*head, row, column)):
            text.line(f"{kind} sum = 0;")
            with text.loop("k", root.inner):
                x, y = _element(code, left, (*head, row, "k")), _element(code, right, (*head, "k", column))
                text.line(f"sum += ({kind}){x} * {y};")
            stored = code.plan.buffers[root.name].stored.type.name
            text.line(f"{_element(code, root.name, (*head, row, column))} = ({stored})sum;")


def _loops(code: Code, name: str, axes: Sequence[str]) -> ExitStack:
    """Loops over steps and axes of an edge, in the order of its memory."""
    edge, stack = code.plan.graph.edges[name], ExitStack()
    for index, count in zip(("t", *axes[1:], axes[0]), (edge.T, *edge.shape[1:], edge.shape[0]), strict=True):
        stack.enter_context(code.text.loop(index, count))
    return stack


def _element(code: Code, name: str, at: Sequence[str]) -> str:
    """An element of a stored edge by its axes, at step ``t``, as C."""
    edge = code.plan.graph.edges[name]
    place = "t" if edge.T > 1 else "0"
    for index, count in zip((*at[1:], at[0]), (*edge.shape[1:], edge.shape[0]), strict=True):
        place = index if place == "0" else f"({place}) * {count} + {index}"
    return f"{code.plan.symbols[name]}[{place}]"
