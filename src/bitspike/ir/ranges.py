"""Which integers can occur on each edge of a frozen graph. What is proven here cannot overflow later.

All of it is computed in Python's integers, which have no end: what is beyond 64 bits is seen, and not wrapped around.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitspike.ir.graph import Graph
from bitspike.ir.ops import (
    Add,
    Affine,
    Conv,
    Dynamics,
    Fire,
    Input,
    Linear,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    Store,
    SumPool,
    SumTime,
)

__all__ = ["Range", "edge_ranges", "membrane_range", "ranges_and_sums"]

Tensors = Mapping[str, NDArray[np.int64]]
INT64 = 2**62
"""No intermediate may come near the end of int64."""


class Range(NamedTuple):
    """Smallest and largest integer that can occur, both included."""

    lo: int
    hi: int

    @property
    def signed_bits(self) -> int:
        """Width of a two's complement integer that holds every value of the range."""
        return 1 + max(self.hi, -self.lo - 1).bit_length()

    def __add__(self, other: object) -> Range:
        if not isinstance(other, Range):
            return NotImplemented
        return Range(self.lo + other.lo, self.hi + other.hi)

    def including(self, *values: int) -> Range:
        return Range(min(self.lo, *values), max(self.hi, *values))

    def within(self, other: Range) -> Range:
        """What two proofs leave together."""
        return Range(max(self.lo, other.lo), min(self.hi, other.hi))

    def repeated(self, steps: int) -> Range:
        """What 1 to ``steps`` values of the range add up to."""
        return Range(min(self.lo, self.lo * steps), max(self.hi, self.hi * steps))


def edge_ranges(graph: Graph, tensors: Tensors) -> dict[str, Range]:
    """The range of every op's output (a synapse's is that of its accumulator).

    Raises:
        UserError: an op that has no integers, or a value that could leave int64.
    """
    return ranges_and_sums(graph, tensors)[0]


def ranges_and_sums(graph: Graph, tensors: Tensors) -> tuple[dict[str, Range], dict[str, Range]]:
    """`edge_ranges`, and for every edge what its first steps, however many, can add up to.

    The second is what bounds a network of neurons with a tracer: however long it runs, each has sent 0 to ``tracer``.
    """
    ranges: dict[str, Range] = {}
    sums: dict[str, Range] = {}
    for node in graph.nodes:
        found = _range(graph, node, tensors, [ranges[name] for name in node.inputs], sums)
        if max(found.hi, -found.lo) >= INT64:
            raise node.refuse(tuple(found), "a value could overflow 64 bits")
        ranges[node.name] = found
        sums[node.name] = _sum(graph, node, tensors, ranges, sums)
    return ranges, sums


def _sum(graph: Graph, node: Node, tensors: Tensors, ranges: Mapping[str, Range], sums: Mapping[str, Range]) -> Range:
    """What the steps up to any step add up to. All but neurons and releases are linear, or count as any steps."""
    edge = graph.edges[node.name]
    any_steps = ranges[node.name].repeated(edge.T)
    inputs = [sums[name] for name in node.inputs]
    if edge.T == 1 or any(graph.edges[name].T != edge.T for name in node.inputs if not isinstance(node, Release)):
        return any_steps
    match node:
        case Release():
            return ranges[node.inputs[0]].repeated(node.steps)
        case Fire(dynamics=d) if d is not None and d.tracer is not None:
            return Range(0, d.tracer).within(any_steps)
        case Affine(shift=0):
            m, b = (tensors[f"{node.name}.{part}"].astype(object) for part in ("multiplier", "offset"))
            products = (m * inputs[0].lo, m * inputs[0].hi)
            most = node.steps or edge.T
            ends = [p + b * steps for p in products for steps in (1, most)]
            return Range(min(e.min() for e in ends), max(e.max() for e in ends)).within(any_steps)
        case Conv() | Linear() | Add() | SumPool() | Reshape():
            return _range(graph, node, tensors, inputs, sums).within(any_steps)
    return any_steps


def _range(graph: Graph, node: Node, tensors: Tensors, inputs: list[Range], sums: Mapping[str, Range]) -> Range:
    edge = graph.edges[node.name]
    match node:
        case Input() | Fire() if edge.lo is not None and edge.hi is not None:
            return Range(edge.lo, edge.hi)
        case Conv() | Linear():
            return _accumulator(tensors[f"{node.name}.weight"], inputs[0].including(0))  # 0: what padding adds
        case Affine():
            return _affine(node, tensors[f"{node.name}.multiplier"], tensors[f"{node.name}.offset"], inputs[0], edge.T)
        case Release():
            return inputs[0].including(0) if node.steps < node.T else inputs[0]
        case Add():
            return inputs[0] + inputs[1]
        case SumPool(kernel_size=(rows, columns)):
            padded = inputs[0].including(0) if any(node.padding) else inputs[0]
            return Range(padded.lo * rows * columns, padded.hi * rows * columns)
        case MaxPool() | Reshape():
            return inputs[0]
        case Relu():
            return Range(max(inputs[0].lo, 0), max(inputs[0].hi, 0))
        case Readout() | SumTime():
            steps = graph.input_edge(node).T
            return Range(inputs[0].lo * steps, inputs[0].hi * steps).within(sums[node.inputs[0]])
    raise node.refuse(type(node).__name__, "has no meaning in integers")


def _accumulator(weight: NDArray[np.int64], x: Range) -> Range:
    """Exact extremes over all inputs within ``x``, for the worst output channel."""
    per_channel = weight.reshape(len(weight), -1)
    up, down = (part.sum(1).astype(object) for part in (np.maximum(per_channel, 0), np.minimum(per_channel, 0)))
    return Range((up * x.lo + down * x.hi).min(), (up * x.hi + down * x.lo).max())


def _affine(node: Affine, multiplier: NDArray[np.int64], offset: NDArray[np.int64], x: Range, T: int) -> Range:
    half = _half(node.shift)
    offsets = offset.tolist() if node.steps in (None, T) else [*offset.tolist(), *(0 for _ in offset)]
    multipliers = multiplier.tolist() * (len(offsets) // len(offset))
    terms = [(m * end + half, b) for m, b in zip(multipliers, offsets, strict=True) for end in x]
    largest = max(*map(abs, multiplier.tolist()), *(abs(part) for term in terms for part in term))
    if largest >= INT64:
        raise node.refuse(largest, "its multiplier, product or offset could overflow 64 bits")
    ends = [(product >> node.shift) + b for product, b in terms]
    return Range(min(ends), max(ends))


def membrane_range(node: Fire, current: Range, total: Range | None = None) -> Range:
    """Every value that ``u`` or ``v`` takes within the neuron's ``T`` steps, for any currents within ``current``.

    ``total`` bounds what the currents of the first steps, however many, add up to.
    """
    if node.dynamics is None:
        raise node.refuse(None, "want the integers of a frozen neuron (dynamics)")
    d, v = node.dynamics, Range(node.dynamics.v_init, node.dynamics.v_init)
    seen = v
    for _ in range(node.T):
        if max(v.hi, -v.lo) * d.leak_multiplier >= INT64:
            raise node.refuse(tuple(v), "the leak could overflow 64 bits")
        u = Range(*(end * d.leak_multiplier >> d.leak_shift for end in v)) + current
        if max(u.hi, -u.lo) >= INT64:
            raise node.refuse(tuple(u), "the membrane could overflow 64 bits")
        before, v = v, _after_reset(u, d, node.lo, node.hi)
        seen = seen.including(*u, *v)
        if d.store is not None:
            if max(v.hi, -v.lo) * d.store.multiplier + _half(d.store.shift) >= INT64:
                raise node.refuse(tuple(v), "the store could overflow 64 bits")
            v = Range(*(_stored(end, d.store, node.top) for end in v))
            seen = seen.including(*v)
        if v == before:  # so are all steps from here on
            break
    perfect = d.leak_multiplier == 1 << d.leak_shift and d.v_reset is None and d.store is None
    if total is None or d.tracer is None or not perfect:
        return seen
    kept = Range(d.v_init + total.lo - (d.tracer << d.fraction_bits), d.v_init + total.hi)
    return seen.within(kept.including(d.v_init))


def _stored(v: int, store: Store, top: int) -> int:
    """`Store` of one potential. It is monotone: the ends of a range become the ends of the stored one."""
    code = min(max(v * store.multiplier + _half(store.shift) >> store.shift, -top), top)
    return code * store.step + _half(store.step_shift) >> store.step_shift


def _half(shift: int) -> int:
    """What rounds a shift to the nearest integer, half up."""
    return 1 << shift >> 1


def _after_reset(u: Range, d: Dynamics, lo: int, hi: int) -> Range:
    """Extremes of the carried potential: they lie at the ends of ``u`` or on either side of a threshold.

    Between two thresholds everything repeats, so of those within ``u`` the first and the last are enough, with the two
    that enclose level 0, where a hard reset changes its mind.
    """
    half = _half(d.fraction_bits) if d.rounds else 0

    first, last = (min(max(value + half >> d.fraction_bits, lo), hi) for value in u)
    ends = set(u)
    for level in (first + 1, last, 0, 1):
        threshold = (level << d.fraction_bits) - half
        ends |= {value for value in (threshold - 1, threshold) if u.lo <= value <= u.hi}
    levels = [(value, min(max(value + half >> d.fraction_bits, lo), hi)) for value in ends]
    if d.tracer is not None:
        levels += [(value, 0) for value in u]  # it may hold back any part of a level
    if d.v_reset is None:
        carried = [value - (level << d.fraction_bits) for value, level in levels]
    else:
        carried = [d.v_reset if level else value for value, level in levels]
    return Range(min(carried), max(carried))
