"""Rules of the layers with weights, and of batch norm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bitspike.bits import FULL_PRECISION
from bitspike.frontend import folded
from bitspike.ir import Affine, Conv, Linear, Node, Synapse, TokenLinear
from bitspike.layers import ReleasedAffine
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.values import Channels, Integers, Joined, Kind, Sum, Whole
from bitspike.quant import weight_bits, weight_quantizer

FLOATS = (torch.float32, torch.float64)
ROUNDING = 1e-5
"""Part of the largest weight by which one in float32 may be off."""


SIGNAL = (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d)
"""Layers over signals ``(C, L)``, which the graph has as images of one row."""


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns, of one number for both or of two."""
    first, second = value if isinstance(value, tuple | list) else (value, value)
    return first, second


def sides(m: nn.Module, value: int | tuple[int, ...], row: int = 1) -> tuple[int, int]:
    """An option of a layer with windows for rows and columns; ``row`` is that of the one row of a signal."""
    if not isinstance(m, SIGNAL):
        return pair(value)
    return row, pair(value)[1] if isinstance(value, int) else value[0]


def check_windows(m: nn.Module, at: Place, kind: str) -> None:
    """Refuses signals where a layer is over images: torch would see an image without a batch. And the reverse."""
    axes, wanted = (2, "(C, L)") if isinstance(m, SIGNAL) else (3, "(C, H, W)")
    if len(at.edge.shape) != axes:
        raise at.refuse(kind, at.edge.shape, f"wants an input of shape {wanted}")


def _conv(m: Any, at: Place) -> Node:
    check_windows(m, at, "conv")
    if m.in_channels != at.edge.shape[0]:
        raise at.refuse("conv", f"{at.edge.shape[0]} channels", f"wants {m.in_channels}")
    reach = [d * (k - 1) for d, k in zip(m.dilation, m.kernel_size, strict=True)]
    padding = {"valid": tuple(0 for _ in reach), "same": tuple(r // 2 for r in reach)}.get(m.padding, m.padding)
    if m.padding_mode != "zeros" or (m.padding == "same" and any(r % 2 for r in reach)):
        raise at.refuse("conv", (m.padding, m.padding_mode), "want zeros, as many on both sides")
    return Conv(
        name=at.name,
        inputs=at.inputs,
        out_channels=m.out_channels,
        kernel_size=sides(m, m.kernel_size),
        stride=sides(m, m.stride),
        padding=sides(m, padding, 0),
        dilation=sides(m, m.dilation),
        groups=m.groups,
        bias=m.bias is not None,
        weight_bits=weight_bits(m),
    )


def _linear(m: Any, at: Place) -> Node:
    if m.in_features != at.edge.shape[-1]:
        raise at.refuse("linear", f"{at.edge.shape[-1]} features", f"wants {m.in_features}")
    kind = Linear if len(at.edge.shape) == 1 else TokenLinear
    return kind(
        name=at.name,
        inputs=at.inputs,
        out_channels=m.out_features,
        bias=m.bias is not None,
        weight_bits=weight_bits(m),
    )


def _freeze_synapse(freezer: Freezer, node: Synapse, x: Integers | Joined) -> Sum:
    layer: Any = freezer.modules[node.name]
    quantizer = weight_quantizer(layer)
    if quantizer is None:
        wanted = f"cannot be frozen; train it with fewer than {FULL_PRECISION} weight bits"
        raise node.refuse("float weights", wanted)
    attached = layer.parametrizations.weight
    if len(attached) > 1:
        others = ", ".join(type(part).__name__ for part in attached if part is not quantizer)
        raise node.refuse(f"{others} on its weight", "cannot be frozen beside a quantizer")
    if attached.original.dtype not in FLOATS:
        raise node.refuse(str(attached.original.dtype), "cannot be frozen; want float32 weights: model.float()")
    weight = attached.original.double()
    codes = quantizer.codes(attached.original).to(torch.int64).numpy(force=True)
    codes = codes.reshape(node.weight_shape(freezer.graph.input_edge(node)))  # a 1-D convolution has an axis of one tap
    step = quantizer.step_size(weight.float()).double().flatten().expand(node.out_channels).numpy(force=True)
    _check_codes(node, layer, codes, step)
    if freezer.release is not None and node.bias:
        raise node.refuse("a bias", "wants a ReleasedAffine: a bias is not released as the images are")
    bias = np.zeros(node.out_channels) if layer.bias is None else layer.bias.double().numpy(force=True)
    plain = replace(node, bias=False)
    summed = (
        _by_parts(freezer, plain, x, codes, step) if isinstance(x, Joined) else _sum(freezer, plain, x, codes, step)
    )
    return replace(summed, beta=bias)


def _sum(freezer: Freezer, node: Synapse, x: Integers, codes: NDArray[np.int64], step: Channels) -> Sum:
    """The accumulators of one synapse."""
    freezer.tensors[f"{node.name}.weight"] = codes
    freezer.emit(node, x.name)
    reach = int(np.abs(codes).reshape(len(codes), -1).sum(1).max()) * x.reach
    return Sum(((node.name, step * x.scale, reach),), np.zeros(node.out_channels))


def _by_parts(freezer: Freezer, node: Synapse, x: Joined, codes: NDArray[np.int64], step: Channels) -> Sum:
    """One synapse for the channels of each part, whose accumulators are terms of one sum; nothing is rounded.

    Of groups, each has to lie in one part; the sums of the groups are then one after the other.
    """
    groups = getattr(node, "groups", 1)
    each = sum(x.channels) // groups
    found = []
    for index, (part, (start, stop)) in enumerate(zip(x.parts, x.ends, strict=True)):
        own = replace(node, name=f"{node.name}.part{index}")
        if groups == 1:
            found.append(_sum(freezer, own, part, codes[:, start:stop], step))
            continue
        if start % each or stop % each:
            wanted = f"wants one scale in each of its {groups} groups: put a neuron behind {x.name}"
            raise node.refuse("channels of unlike scales", wanted)
        made = node.out_channels // groups
        rows = slice(start // each * made, stop // each * made)
        shape: dict[str, Any] = {"out_channels": rows.stop - rows.start, "groups": (stop - start) // each}
        found.append(_sum(freezer, replace(own, **shape), part, codes[rows], step[rows]))
    if groups > 1:
        return freezer.joined(node.name, found)
    return replace(found[0], parts=tuple(term for one in found for term in one.parts))


def _freeze_token_linear(freezer: Freezer, node: TokenLinear, x: Integers) -> Sum:
    """The features go first, as the channels of all else are, and the terms stay so."""
    last = len(freezer.edge(node).shape) - 1
    first = replace(x, name=freezer.permuted(x.name, (last, *range(last))))
    made = _freeze_synapse(freezer, node, first)
    fields = {field: getattr(node, field) for field in ("name", "out_channels", "weight_bits")}
    freezer.nodes[-1] = Linear(inputs=(first.name,), **fields)
    return made.permuted((*range(1, last + 1), 0))


def _check_codes(node: Synapse, layer: Any, codes: NDArray[np.int64], step: Channels) -> None:
    """That the weight with which the layer computes is what its quantizer says, whatever a class of it overrides."""
    said = codes * step.reshape(-1, *(1 for _ in codes.shape[1:]))
    apart = np.abs(layer.weight.double().numpy(force=True).reshape(said.shape) - said).max(initial=0)
    if not apart <= ROUNDING * np.abs(said).max(initial=0):
        kind = type(weight_quantizer(layer)).__name__
        wanted = "the weight that it makes is not its codes times its step size, which are frozen; want all three alike"
        raise node.refuse(kind, wanted)


def _norm(m: Any, at: Place) -> Node:
    if m.num_features != at.edge.shape[0]:
        raise at.refuse("batch norm", f"{at.edge.shape[0]} channels", f"wants {m.num_features}")
    return Affine(name=at.name, inputs=at.inputs)


def _released_affine(m: ReleasedAffine, at: Place) -> Node:
    channels = at.edge.shape[-1 if m.last else 0]
    if len(m.gain) != channels:
        raise at.refuse("released affine", f"{channels} channels", f"wants {len(m.gain)}")
    return Affine(name=at.name, inputs=at.inputs, steps=m.steps)


def _freeze_affine(freezer: Freezer, node: Affine, value: Whole) -> Sum:
    gain, offset = _gain_and_offset(freezer, node)
    last = getattr(freezer.modules[node.name], "last", False) and len(freezer.edge(node).shape) > 1
    if isinstance(value, Sum):
        channels = value.order.index(0) if value.order else 0
        if last and channels == len(value.order) - 1:
            return value.scaled(gain, offset)
        value = freezer.laid(node, value)
    if last:
        raise node.refuse("an offset of the last axis", "wants it right behind the nn.Linear whose bias it is")
    return value.terms(freezer.edge(node).shape[0]).scaled(gain, offset)


def _gain_and_offset(freezer: Freezer, node: Affine) -> tuple[Channels, Channels]:
    module: Any = freezer.modules[node.name]
    if isinstance(module, ReleasedAffine):
        if freezer.release is None or freezer.release.steps != module.steps:
            raise node.refuse(f"an offset for {module.steps} steps", "wants images that are released for as many")
        return module.gain.double().numpy(force=True), module.offset.double().numpy(force=True) / module.parts
    if freezer.release is not None:
        raise node.refuse("batch norm", "wants it folded: its offset is not released as the images are")
    gain, offset = folded(module, torch.float64, node.name)
    return gain.numpy(force=True), offset.numpy(force=True)


RULES.register(
    "conv",
    Rule(
        Conv,
        {nn.Conv1d: Maker(_conv), nn.Conv2d: Maker(_conv)},
        _freeze_synapse,
        Kind.SPIKES,
        Kind.SUM,
        linear=True,
        by_parts=True,
    ),
)
RULES.register(
    "linear",
    Rule(
        Linear,
        {nn.Linear: Maker(_linear, Reads.EITHER)},
        _freeze_synapse,
        Kind.SPIKES,
        Kind.SUM,
        linear=True,
        by_parts=True,
    ),
)
RULES.register("token_linear", Rule(TokenLinear, {}, _freeze_token_linear, Kind.SPIKES, Kind.SUM, linear=True))
RULES.register(
    "affine",
    Rule(
        Affine,
        {nn.BatchNorm1d: Maker(_norm), nn.BatchNorm2d: Maker(_norm), ReleasedAffine: Maker(_released_affine)},
        _freeze_affine,
        sends=Kind.SUM,
        linear=True,
        any_order=True,
    ),
)
