"""Rules of what attention is made of: products of two activations, axes in another order, a number as a factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bitspike.frontend import MatMul as MatMulOf
from bitspike.frontend import Permute as PermuteOf
from bitspike.frontend import Times as TimesOf
from bitspike.frontend import Transpose
from bitspike.ir import Accumulate, Difference, MatMul, Node, Permute, Times
from bitspike.layers import Accumulate as AccumulateLayer
from bitspike.layers import Difference as DifferenceLayer
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.behaviour import passes_integers
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.values import Integers, Joined, Kind, Value, Whole


def _matmul(m: MatMulOf, at: Place) -> Node:
    a, b = at.edges
    if not at.alike or len(a.shape) != len(b.shape) or len(a.shape) < 2:
        wanted = "wants two inputs of as many axes, two or three behind the batch: (heads, M, K) and (heads, K, N)"
        raise at.refuse("matmul", (a.shape, b.shape), wanted)
    return MatMul(name=at.name, inputs=at.inputs, inner=a.shape[-1])


def _freeze_matmul(freezer: Freezer, node: MatMul, a: Integers, b: Integers) -> Value:
    freezer.emit(node, a.name, b.name)
    return Integers(node.name, a.scale * b.scale, node.inner * a.reach * b.reach)


def _permute(m: PermuteOf, at: Place) -> Node:
    rank = at.axes + len(at.edge.shape)
    axes = [axis + rank if axis < 0 else axis for axis in m.axes]
    return _in_order(at, "permute", m.axes, axes)


def _transpose(m: Transpose, at: Place) -> Node:
    rank = at.axes + len(at.edge.shape)
    first, second = (axis + rank if axis < 0 else axis for axis in (m.first, m.second))
    axes = [second if axis == first else first if axis == second else axis for axis in range(rank)]
    return _in_order(at, "transpose", (m.first, m.second), axes)


def _in_order(at: Place, word: str, seen: object, axes: list[int]) -> Node:
    lead = [*range(at.axes)]
    if axes[: at.axes] != lead or sorted(axes) != [*range(at.axes + len(at.edge.shape))]:
        reads = (Reads.MERGED, Reads.STEPS)[at.axes - 1].value
        raise at.refuse(word, seen, f"it reads {reads}; want the first {at.axes} left alone, and each other axis once")
    return Permute(name=at.name, inputs=at.inputs, axes=tuple(axis - at.axes for axis in axes[at.axes :]))


def _freeze_permute(freezer: Freezer, node: Permute, value: Whole) -> Value:
    if isinstance(value, Integers):
        freezer.emit(node, value.name)
        return replace(value, name=node.name)
    return value.permuted(node.axes)


def _times(m: TimesOf, at: Place) -> Node:
    return Times(name=at.name, inputs=at.inputs, factor=m.factor)


def _freeze_times(freezer: Freezer, node: Times, value: Value) -> Value:
    if isinstance(value, Joined):
        return replace(value, parts=tuple(replace(part, scale=part.scale * node.factor) for part in value.parts))
    if isinstance(value, Integers):
        return replace(value, scale=value.scale * node.factor)
    return value.scaled(np.full_like(value.beta, node.factor), np.zeros_like(value.beta))


def _accumulate(m: AccumulateLayer, at: Place) -> Node:
    return Accumulate(name=at.name, inputs=at.inputs)


def _difference(m: DifferenceLayer, at: Place) -> Node:
    return Difference(name=at.name, inputs=at.inputs)


_BEHIND = "put it outside of an OverTime"
_PRODUCT: dict[Any, Maker] = {MatMulOf: Maker(_matmul, Reads.EITHER)}
RULES.register("matmul", Rule(MatMul, _PRODUCT, _freeze_matmul, reads=Kind.SPIKES, sends=Kind.SPIKES))
RULES.register(
    "permute",
    Rule(
        Permute,
        {PermuteOf: Maker(_permute, Reads.EITHER), Transpose: Maker(_transpose, Reads.EITHER)},
        _freeze_permute,
        linear=True,
        any_order=True,
    ),
)
RULES.register(
    "times",
    Rule(
        Times,
        {TimesOf: Maker(_times, Reads.EITHER)},
        _freeze_times,
        linear=True,
        any_order=True,
        by_parts=True,
    ),
)
RULES.register(
    "accumulate",
    Rule(
        Accumulate,
        {AccumulateLayer: Maker(_accumulate, Reads.STEPS, _BEHIND)},
        passes_integers(),
        reads=Kind.SPIKES,
        linear=True,
        by_parts=True,
    ),
)
RULES.register(
    "difference",
    Rule(
        Difference,
        {DifferenceLayer: Maker(_difference, Reads.STEPS, _BEHIND)},
        passes_integers(),
        reads=Kind.SPIKES,
        linear=True,
        by_parts=True,
    ),
)
