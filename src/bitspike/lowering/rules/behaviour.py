"""What freezing may make of an op: a small set, of which most rules are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitspike.lowering.freezer import Freezer
from bitspike.lowering.values import Integers, Sum, Value

__all__ = ["joins_terms", "passes_integers"]


def passes_integers(terms: Callable[[Freezer, Any], int] = lambda freezer, node: 1) -> Callable[..., Value]:
    """The op reads integers and sends integers: sums of ``terms`` of them, each as much as before in all.

    Args:
        terms: how many integers of its input one of its output is the sum of; the scale is divided by as many.
    """

    def freeze(freezer: Freezer, node: Any, read: Integers) -> Value:
        count = terms(freezer, node)
        freezer.emit(node, read.name)
        return Integers(node.name, read.scale / count, read.reach * count, read.current)

    return freeze


def joins_terms(freezer: Freezer, node: Any, *values: Value) -> Value:
    """The op adds what it reads: the terms of all are the terms of its edge, and nothing is emitted yet."""
    channels = freezer.edge(node).shape[0]
    first, *others = (value.terms(channels) for value in values)
    for other in others:
        first = Sum(first.parts + other.parts, first.beta + other.beta)
    return first
