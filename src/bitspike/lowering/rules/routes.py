"""Rules of routes: edges joined along their channels, a range of channels, places of an image taken several times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bitspike.frontend import Concat as ConcatOf
from bitspike.frontend import Range
from bitspike.ir import Concat, Node, Slice, Upsample
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.behaviour import passes_terms
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.rules.synapses import pair
from bitspike.lowering.values import Integers, Joined, Kind, Sum, Value


def _concat(m: ConcatOf, at: Place) -> Node:
    if not at.alike:
        raise at.refuse("cat", "tensors with time and without", "want all of them [N, ...], or all [T, N, ...]")
    _check_channels("cat", m.dim, at)
    return Concat(name=at.name, inputs=at.inputs)


def _slice(m: Range, at: Place) -> Node:
    _check_channels("slice", m.dim, at)
    start, stop = m.bounds(at.edge.shape[0])
    if start >= stop:
        raise at.refuse("slice", (start, stop), f"want at least one of the {at.edge.shape[0]} channels that it reads")
    return Slice(name=at.name, inputs=at.inputs, start=start, stop=stop)


def _check_channels(word: str, dim: int, at: Place) -> None:
    rank = at.axes + len(at.edge.shape)
    if not isinstance(dim, int) or (dim + rank if dim < 0 else dim) != at.axes:
        reads = (Reads.MERGED, Reads.STEPS)[at.axes - 1].value
        raise at.refuse(word, f"dim={dim}", f"it reads {reads}; want the channels: dim={at.axes}")


def _upsample(m: nn.Upsample, at: Place) -> Node:
    if m.mode != "nearest":
        raise at.refuse("upsample", m.mode, "want mode='nearest', which computes nothing")
    if len(at.edge.shape) not in (2, 3):
        raise at.refuse("upsample", at.edge.shape, "wants an input of shape (C, H, W) or (C, L)")
    if m.size is None and m.scale_factor is None:
        raise at.refuse("upsample", m, "want a size or a scale_factor")
    sides = at.edge.shape[1:]
    rows, columns = _sides(m.scale_factor if m.size is None else m.size, len(sides))
    one_row = len(sides) == 1
    found = []
    for side, wanted in zip(sides, (columns,) if one_row else (rows, columns), strict=True):
        made = side * wanted if m.size is None else wanted
        if made != int(made) or made < side or int(made) % side:
            raise at.refuse("upsample", m, f"want a whole factor for the {side} places of a side")
        _check_nearest(side, int(made), m, at)
        found.append(int(made) // side)
    return Upsample(name=at.name, inputs=at.inputs, factor=pair((1, *found) if one_row else tuple(found)))


def _sides(given: Any, axes: int) -> tuple[Any, Any]:
    if isinstance(given, tuple | list):
        return (1, given[0]) if axes == 1 else (given[0], given[1])
    return given, given


def _check_nearest(side: int, made: int, m: nn.Upsample, at: Place) -> None:
    """torch finds the nearest place in float32, which is not always the one that a whole factor says."""
    places = torch.arange(side, dtype=torch.float64, device="cpu")[None, None]
    factor = None if m.size is not None or m.recompute_scale_factor else float(made // side)
    size = made if factor is None else None
    if not torch.equal(nn.Upsample(size, factor)(places)[0, 0], places[0, 0].repeat_interleave(made // side)):
        raise at.refuse("upsample", f"{side} places to {made}", "torch rounds to another place; want another factor")


def _freeze_concat(freezer: Freezer, node: Concat, *values: Value) -> Value:
    channels = [edge.shape[0] for edge in freezer.graph.read(node)]
    spikes = [value for value in values if not isinstance(value, Sum) and value.kind is Kind.SPIKES]
    if len(spikes) < len(values):
        return freezer.joined(node.name, [_terms(freezer, v, c) for v, c in zip(values, channels, strict=True)])
    parts, sizes = list[Integers](), list[int]()
    for value, size in zip(spikes, channels, strict=True):
        parts += value.parts if isinstance(value, Joined) else [value]
        sizes += value.channels if isinstance(value, Joined) else [size]
    if len({part.scale for part in parts}) > 1:
        return Joined(node.name, tuple(parts), tuple(sizes))
    freezer.emit(node, *(part.name for part in parts))
    return Integers(node.name, parts[0].scale, max(part.reach for part in parts))


def _terms(freezer: Freezer, value: Value, channels: int) -> Sum:
    return freezer.summed(value) if isinstance(value, Joined) else value.terms(channels)


def _freeze_slice(freezer: Freezer, node: Slice, value: Value) -> Value:
    """Of each term the same channels; of joined parts those that they have."""
    if isinstance(value, Integers):
        freezer.emit(node, value.name)
        return replace(value, name=node.name)
    if isinstance(value, Joined):
        return _sliced(freezer, node, value)
    parts, span = [], slice(node.start, node.stop)
    for index, (source, alpha, reach) in enumerate(value.parts):
        term = replace(node, name=f"{node.name}.term{index}" if index else node.name)
        freezer.emit(term, source)
        parts.append((term.name, alpha[span], reach if isinstance(reach, int) else reach[span]))
    return Sum(tuple(parts), value.beta[span])


def _sliced(freezer: Freezer, node: Slice, value: Joined) -> Value:
    parts, sizes = list[Integers](), list[int]()
    for index, (part, (start, stop)) in enumerate(zip(value.parts, value.ends, strict=True)):
        first, last = max(node.start, start), min(node.stop, stop)
        if first >= last:
            continue
        own = replace(node, name=f"{node.name}.part{index}", start=first - start, stop=last - start)
        if (first, last) != (start, stop):
            freezer.emit(own, part.name)
            part = replace(part, name=own.name)
        parts.append(part)
        sizes.append(last - first)
    return parts[0] if len(parts) == 1 else Joined(node.name, tuple(parts), tuple(sizes))


for _name, _rule in {
    "concat": Rule(Concat, {ConcatOf: Maker(_concat, Reads.EITHER)}, _freeze_concat, linear=True, by_parts=True),
    "slice": Rule(Slice, {Range: Maker(_slice, Reads.EITHER)}, _freeze_slice, linear=True, by_parts=True),
    "upsample": Rule(Upsample, {nn.Upsample: Maker(_upsample)}, passes_terms(), linear=True, by_parts=True),
}.items():
    RULES.register(_name, _rule)
