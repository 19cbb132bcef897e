"""What freezing may make of an op: a small set, of which most rules are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bitspike.lowering.freezer import Freezer
from bitspike.lowering.values import Integers, Joined, Sum, Value, Whole

__all__ = ["each_part", "joins_terms", "passes_integers", "passes_terms"]


def passes_integers(terms: Callable[[Freezer, Any], int] = lambda freezer, node: 1) -> Callable[..., Value]:
    """The op reads integers and sends integers: sums of ``terms`` of them, each as much as before in all.

    Args:
        terms: how many integers of its input one of its output is the sum of; the scale is divided by as many.
    """

    def freeze(freezer: Freezer, node: Any, read: Integers | Joined) -> Value:
        if isinstance(read, Joined):
            return each_part(freezer, node, read, freeze)
        count = terms(freezer, node)
        freezer.emit(node, read.name)
        return Integers(node.name, read.scale / count, read.reach * count, read.current)

    return freeze


def passes_terms(terms: Callable[[Freezer, Any], int] = lambda freezer, node: 1) -> Callable[..., Value]:
    """`passes_integers`; of a sum, it reads each term by itself. Channels of the result are runs of those it reads."""
    of_integers = passes_integers(terms)

    def freeze(freezer: Freezer, node: Any, read: Value) -> Value:
        if not isinstance(read, Sum):
            return of_integers(freezer, node, read)
        count = terms(freezer, node)
        run = freezer.edge(node).shape[0] // len(read.beta)
        parts = []
        for index, (source, alpha, reach) in enumerate(read.parts):
            part = replace(node, name=f"{node.name}.term{index}" if index else node.name)
            freezer.emit(part, source)
            most = reach if isinstance(reach, int) else np.repeat(reach, run)
            parts.append((part.name, np.repeat(alpha, run) / count, most * count))
        return Sum(tuple(parts), np.repeat(read.beta, run))

    return freeze


def each_part(freezer: Freezer, node: Any, read: Joined, freeze: Callable[..., Value]) -> Joined:
    """The op does to each part what it does to all: it leaves channels where they are."""
    made = [freeze(freezer, replace(node, name=f"{node.name}.part{k}"), part) for k, part in enumerate(read.parts)]
    parts = tuple(part for part in made if isinstance(part, Integers))
    return Joined(node.name, parts, read.channels)


def joins_terms(freezer: Freezer, node: Any, *values: Whole) -> Value:
    """The op adds what it reads: the terms of all are the terms of its edge, and nothing is emitted yet."""
    channels = freezer.edge(node).shape[0]
    terms = [value.terms(channels) for value in values]
    order = next((one.order for one in terms if not one.uniform), terms[0].order)
    first, *others = (freezer.laid(node, one, order) for one in terms)
    for other in others:
        first = replace(first, parts=first.parts + other.parts, beta=first.beta + other.beta)
    return first
