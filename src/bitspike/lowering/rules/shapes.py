"""Rules of pooling, of sums, of time and of shapes, and of the readout."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from bitspike.frontend import MeanOverTime, View
from bitspike.frontend import Sum as SumOf
from bitspike.ir import Add, Affine, Edge, MaxPool, Node, Readout, Reshape, SpikingMaxPool, SumPool, SumTime
from bitspike.layers import SpikingMaxPool2d, SqueezeTime
from bitspike.lowering.fixed_point import WORD
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.behaviour import joins_terms, passes_integers, passes_terms
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.rules.synapses import check_windows, pair, sides
from bitspike.lowering.values import Integers, Joined, Kind, Value, Whole


def _avg_pool(m: Any, at: Place) -> Node:
    check_windows(m, at, "average pool")
    divisor = getattr(m, "divisor_override", None)
    if m.ceil_mode or divisor or (not m.count_include_pad and any(sides(m, m.padding, 0))):
        raise at.refuse("average pool", m, "want the plain mean over windows: no ceil_mode or divisor")
    return SumPool(
        name=at.name,
        inputs=at.inputs,
        kernel_size=sides(m, m.kernel_size),
        stride=sides(m, m.stride),
        padding=sides(m, m.padding, 0),
    )


def _global_pool(m: Any, at: Place) -> Node:
    if pair(m.output_size) != (1, 1):
        raise at.refuse("adaptive pool", m.output_size, "want output_size=1, the mean over the whole map")
    if len(at.edge.shape) != 3:
        raise at.refuse("adaptive pool", at.edge.shape, "wants an input of shape (C, H, W)")
    return SumPool(name=at.name, inputs=at.inputs, kernel_size=pair(at.edge.shape[1:]), stride=(1, 1))


def _max_pool(m: Any, at: Place) -> Node:
    check_windows(m, at, "max pool")
    if m.ceil_mode or m.return_indices or sides(m, m.dilation) != (1, 1):
        raise at.refuse("max pool", m, "want plain windows: no ceil_mode, indices or dilation")
    return MaxPool(
        name=at.name,
        inputs=at.inputs,
        kernel_size=sides(m, m.kernel_size),
        stride=sides(m, m.stride),
        padding=sides(m, m.padding, 0),
    )


def _spiking_max_pool(m: SpikingMaxPool2d, at: Place) -> Node:
    check_windows(m, at, "spiking max pool")
    return SpikingMaxPool(
        name=at.name,
        inputs=at.inputs,
        kernel_size=pair(m.kernel_size),
        stride=pair(m.stride),
        padding=pair(m.padding),
    )


def _flatten(m: nn.Flatten, at: Place) -> Node:
    shape = at.edge.shape
    rank = at.axes + len(shape)
    start, end = ((d + rank if d < 0 else d) - at.axes for d in (m.start_dim, m.end_dim))
    if not 0 <= start <= end < len(shape):
        raise at.refuse("flatten", (m.start_dim, m.end_dim), _left_alone(at))
    flat = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    return Reshape(name=at.name, inputs=at.inputs, shape=flat)


def _unflatten(m: nn.Unflatten, at: Place) -> Node:
    dim, shape = m.dim, at.edge.shape
    axis = dim + len(shape) if isinstance(dim, int) and dim < 0 else dim - at.axes if isinstance(dim, int) else -1
    if not 0 <= axis < len(shape):
        raise at.refuse("unflatten", dim, _left_alone(at))
    sizes = _sizes(tuple(m.unflattened_size), shape[axis])
    return Reshape(name=at.name, inputs=at.inputs, shape=(*shape[:axis], *sizes, *shape[axis + 1 :]))


def _view(m: View, at: Place) -> Node:
    more = m.kept - at.axes  # axes of the shape that stay too
    if not 0 <= more <= len(at.edge.shape):
        raise at.refuse("view", m.shape, _left_alone(at))
    kept, rest = at.edge.shape[:more], at.edge.shape[more:]
    return Reshape(name=at.name, inputs=at.inputs, shape=(*kept, *_sizes(m.shape, math.prod(rest))))


def _sizes(shape: tuple[int, ...], elements: int) -> tuple[int, ...]:
    """``shape`` of so many elements, with what is left for -1."""
    left = elements // max(math.prod(side for side in shape if side != -1), 1)
    return tuple(left if side == -1 else side for side in shape)


def _left_alone(at: Place) -> str:
    return f"it reads {(Reads.MERGED, Reads.STEPS)[at.axes - 1].value}; want the first {at.axes} left alone"


def _add(m: SumOf, at: Place) -> Node:
    return Add(name=at.name, inputs=at.inputs)


def _freeze_add(freezer: Freezer, node: Add, a: Whole, b: Whole) -> Value:
    if isinstance(a, Integers) and isinstance(b, Integers):
        scale = min(a.scale, b.scale)
        if all((x.scale / scale).is_integer() and x.reach * (x.scale / scale) < 2**WORD for x in (a, b)):
            a, b = (_aligned(freezer, node, spikes, scale, freezer.edge(node)) for spikes in (a, b))
            freezer.emit(node, a.name, b.name)
            return Integers(node.name, scale, a.reach + b.reach, a.current or b.current)
    return joins_terms(freezer, node, a, b)


def _aligned(freezer: Freezer, node: Add, spikes: Integers, scale: float, edge: Edge) -> Integers:
    """The same spikes in levels of the finer ``scale`` that the sum has."""
    ratio = int(spikes.scale / scale)
    if ratio == 1:
        return spikes
    name = f"{node.name}.aligned.{spikes.name}"
    freezer.tensors[f"{name}.multiplier"] = np.full(edge.shape[0], ratio, dtype=np.int64)
    freezer.tensors[f"{name}.offset"] = np.zeros(edge.shape[0], dtype=np.int64)
    freezer.emit(Affine(name=name, inputs=(), fraction_bits=0), spikes.name)
    return Integers(name, scale, spikes.reach * ratio, spikes.current)


def _sum_time(m: SqueezeTime, at: Place) -> Node:
    return SumTime(name=at.name, inputs=at.inputs)


def _freeze_reshape(freezer: Freezer, node: Reshape, value: Value) -> Value:
    if not isinstance(value, Joined):
        return _passes(freezer, node, value)
    run, left = divmod(node.shape[0], sum(value.channels))
    if left:
        wanted = "wants one scale, as it mixes channels: put a neuron before it"
        raise node.refuse("channels of unlike scales", wanted)
    made = []
    for index, (part, channels) in enumerate(zip(value.parts, value.channels, strict=True)):
        own = replace(node, name=f"{node.name}.part{index}", shape=(run * channels, *node.shape[1:]))
        freezer.emit(own, part.name)
        made.append(replace(part, name=own.name))
    return Joined(node.name, tuple(made), tuple(run * channels for channels in value.channels))


def _readout(m: MeanOverTime, at: Place) -> Node:
    return Readout(name=at.name, inputs=at.inputs)


def _freeze_readout(freezer: Freezer, node: Readout, value: Whole) -> None:
    read = freezer.graph.input_edge(node)
    total = value.terms(freezer.edge(node).shape[0])
    added = read.T if node.over == "sum" else 1
    release = freezer.release  # of an image in parts, the logits of which add up over the steps to those of all of it
    if release is not None and node.over != "sum":
        raise node.refuse(node.over, "an image that is released in parts has its answer from all steps; want the mean")
    fraction = freezer.fraction(node, total.largest() * added, total)
    terms = added if release is None else release.steps / release.parts
    freezer.emit(replace(node, scale=2.0**-fraction / terms), freezer.fixed_point(node.name, total, fraction))


def _window(freezer: Freezer, node: SumPool) -> int:
    return math.prod(node.kernel_size)


def _pooled(node: SumPool, edge: Edge) -> Kind:
    """A sum has an offset, of which there is none in the padding."""
    return Kind.CURRENT if any(node.padding) else Kind.SUM


def _reshaped(node: Reshape, edge: Edge) -> Kind:
    """A sum has a factor for each channel, which may be divided but not mixed."""
    return Kind.CURRENT if node.shape[0] % edge.shape[0] else Kind.SUM


def _steps(freezer: Freezer, node: SumTime) -> int:
    return freezer.graph.input_edge(node).T


_passes = passes_terms()
_TIME_BEHIND = "put it behind neurons, outside of an OverTime"
for _name, _rule in {
    "add": Rule(Add, {SumOf: Maker(_add, Reads.EITHER)}, _freeze_add, linear=True, any_order=True),
    "sum_pool": Rule(
        SumPool,
        {nn.AvgPool1d: Maker(_avg_pool), nn.AvgPool2d: Maker(_avg_pool), nn.AdaptiveAvgPool2d: Maker(_global_pool)},
        passes_terms(_window),
        reads=_pooled,
        linear=True,
        by_parts=True,
    ),
    "sum_time": Rule(
        SumTime,
        {SqueezeTime: Maker(_sum_time, Reads.STEPS, _TIME_BEHIND)},
        passes_integers(_steps),
        Kind.CURRENT,
        by_parts=True,
    ),
    "max_pool": Rule(
        MaxPool,
        {nn.MaxPool1d: Maker(_max_pool), nn.MaxPool2d: Maker(_max_pool)},
        passes_integers(),
        reads=Kind.CURRENT,
        by_parts=True,
    ),
    "spiking_max_pool": Rule(
        SpikingMaxPool,
        {SpikingMaxPool2d: Maker(_spiking_max_pool, Reads.STEPS, _TIME_BEHIND)},
        passes_integers(),
        reads=Kind.CURRENT,
        linear=True,
        by_parts=True,
    ),
    "reshape": Rule(
        Reshape,
        {
            nn.Flatten: Maker(_flatten, Reads.EITHER),
            View: Maker(_view, Reads.EITHER),
            nn.Unflatten: Maker(_unflatten, Reads.EITHER),
        },
        _freeze_reshape,
        reads=_reshaped,
        linear=True,
        by_parts=True,
    ),
    "readout": Rule(Readout, {MeanOverTime: Maker(_readout, Reads.STEPS)}, _freeze_readout, linear=True, ends=True),
}.items():
    RULES.register(_name, _rule)
