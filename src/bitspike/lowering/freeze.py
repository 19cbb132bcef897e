"""From a trained model to integers: scales, thresholds and batch norm become one multiplier and offset per channel.

Between two layers of spikes a network computes a sum of terms ``alpha * integer + beta``, per channel: a synapse
contributes its accumulator, an identity shortcut the spikes themselves, batch norm rescales, addition joins. At the
next neuron the sum is written in units of its threshold, in fixed point: one `Affine` for each term, `Add` between
them, then `Fire`. At a relu it is written so in units of 1; what the relu lets through is a term of the sums behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bitspike.errors import UserError
from bitspike.intmath import round_half_up
from bitspike.ir import (
    Add,
    Affine,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    MaxPool,
    Node,
    Readout,
    Release,
    Relu,
    Reshape,
    Store,
    SumPool,
    SumTime,
    Synapse,
)  # fmt: skip
from bitspike.ir.limits import MOST_STORE_SHIFT
from bitspike.layers import ReleasedAffine
from bitspike.lowering.structure import lower
from bitspike.neurons import BaseNode, NeuronDynamics, NotDescribedError, describe
from bitspike.quant import weight_quantizer

__all__ = ["freeze"]

Channels = NDArray[np.float64]
MOST_FRACTION_BITS = 20
"""More would not change a spike: float32, in which the network was trained, resolves no finer."""
WORD = 30
"""Bits of magnitude that potentials and logits may use, so that they fit 32-bit integers with one bit to spare."""
WIDE_WORD, MOST_RELEASED_BITS = 48, 30
"""The same of a network whose images are released over its first steps. Nothing of it is rounded after a product, so
that what its steps add up to is exact: the multipliers alone have to be fine, and products fit into 64 bits."""
LEAK_BITS = 15
LEVEL_BITS, EXACT = 32, 51
"""Bits of the value of one membrane level; bits that a product with a potential or a current may use. ONNX has 53 for
the sum."""


@dataclass(frozen=True)
class _Integers:
    """An integer edge of known scale: its value is ``scale * integer``. ``reach`` bounds the integer's magnitude.

    Where images are released over the first steps, ``reach`` bounds what its steps, however many, add up to.
    Spikes, and sums of them, or a ``current`` in fixed point, which no synapse reads.
    """

    name: str
    scale: float
    reach: int
    current: bool = False

    def terms(self, channels: int) -> _Sum:
        return _Sum(((self.name, np.full(channels, self.scale), self.reach),), np.zeros(channels))


@dataclass(frozen=True)
class _Sum:
    """``sum_i alpha_i * integer_i + beta``, per channel; each term names its integer edge and its reach."""

    parts: tuple[tuple[str, Channels, int], ...]
    beta: Channels

    def scaled(self, gain: Channels, offset: Channels) -> _Sum:
        return _Sum(tuple((n, alpha * gain, reach) for n, alpha, reach in self.parts), self.beta * gain + offset)

    def largest(self) -> float:
        """Bound of its magnitude."""
        return float(sum(np.abs(alpha).max() * reach for _, alpha, reach in self.parts) + np.abs(self.beta).max())


@torch.no_grad()
def freeze(model: nn.Module, image_shape: tuple[int, int, int], name: str = "network") -> FrozenGraph:
    """The integer network that ``model`` (in evaluation mode) stands for.

    Args:
        model: a trained network of spiking neurons with quantized weights and an encoder.
        image_shape: ``(C, H, W)``.
        name: of the graph.

    Raises:
        UserError: what cannot be frozen, by name: float weights, a layer without integers, a current where spikes
            are needed.
    """
    graph = lower(model, image_shape, name)
    freezer = _Freezer(graph, dict(model.named_modules()))
    for node in graph.nodes:
        freezer.visit(node)
    return FrozenGraph(Graph(name, tuple(freezer.nodes)), freezer.tensors)


class _Freezer:
    def __init__(self, graph: Graph, modules: Mapping[str, nn.Module]) -> None:
        self.graph, self.modules = graph, modules
        self.nodes: list[Node] = []
        self.tensors: dict[str, NDArray[np.int64]] = {}
        self.values: dict[str, _Integers | _Sum] = {}
        self.release = next((node for node in graph.nodes if isinstance(node, Release)), None)

    def visit(self, node: Node) -> None:
        inputs = [self.values[name] for name in node.inputs]
        edge = self.graph.edges[node.name]
        match node:
            case Input():
                self.values[node.name] = self._input(node, edge)
            case Synapse():
                self.values[node.name] = self._synapse(node, self._integers(node, inputs[0]))
            case Release():
                read = self._integers(node, inputs[0])
                self._emit(node, read.name)
                self.values[node.name] = _Integers(node.name, read.scale / node.parts, read.reach * node.steps)
            case Affine():
                gain, offset = self._gain_and_offset(node)
                self.values[node.name] = self._sum(inputs[0], edge).scaled(gain, offset)
            case Add():
                self.values[node.name] = self._add(node, edge, *inputs)
            case MaxPool() | SumPool() | SumTime() | Reshape():
                read = self._integers(node, inputs[0])
                terms = math.prod(node.kernel_size) if isinstance(node, SumPool) else 1
                terms = self.graph.input_edge(node).T if isinstance(node, SumTime) else terms
                self._emit(node, read.name)
                self.values[node.name] = _Integers(node.name, read.scale / terms, read.reach * terms, read.current)
            case Relu():
                self.values[node.name] = self._relu(node, inputs[0])
            case Fire():
                self.values[node.name] = self._fire(node, self._sum(inputs[0], edge))
            case Readout():
                total = self._sum(inputs[0], edge)
                fraction = self._fraction(node, total.largest() * self.graph.input_edge(node).T, total)
                self._emit(node, self._fixed_point(node.name, total, fraction))
            case _:
                raise node.refuse(type(node).__name__.lower(), "cannot be frozen: it has no integer meaning")

    def _emit(self, node: Node, *inputs: str) -> None:
        self.nodes.append(replace(node, inputs=inputs))

    def _gain_and_offset(self, node: Affine) -> tuple[Channels, Channels]:
        module: Any = self.modules[node.name]
        if isinstance(module, ReleasedAffine):
            if self.release is None or self.release.steps != module.steps:
                raise node.refuse(f"an offset for {module.steps} steps", "wants images that are released for as many")
            return module.gain.double().numpy(force=True), module.offset.double().numpy(force=True) / module.parts
        if self.release is not None:
            raise node.refuse("batch norm", "wants it folded: its offset is not released as the images are")
        return _batch_norm(module)

    def _integers(self, node: Node, value: _Integers | _Sum) -> _Integers:
        if isinstance(value, _Sum) or (value.current and isinstance(node, Synapse)):
            raise node.refuse("a current", "wants spikes: put a neuron before it")
        return value

    def _sum(self, value: _Integers | _Sum, edge: Edge) -> _Sum:
        return value.terms(edge.shape[0]) if isinstance(value, _Integers) else value

    def _input(self, node: Input, edge: Edge) -> _Integers:
        if edge.lo is None or edge.hi is None or edge.scale is None:
            raise node.refuse("unquantized images", "wants an Encoder as the first layer")
        self._emit(node)
        return _Integers(node.name, edge.scale, max(edge.hi, -edge.lo))

    def _synapse(self, node: Synapse, x: _Integers) -> _Sum:
        layer: Any = self.modules[node.name]
        quantizer = weight_quantizer(layer)
        if quantizer is None:
            raise node.refuse("float weights", "cannot be frozen; train it with fewer than 16 weight bits")
        weight = layer.parametrizations.weight.original.double()
        codes = quantizer.codes(layer.parametrizations.weight.original).to(torch.int64).numpy(force=True)
        step = quantizer.step_size(weight.float()).double().flatten().expand(node.out_channels).numpy(force=True)
        self.tensors[f"{node.name}.weight"] = codes
        reach = int(np.abs(codes).reshape(len(codes), -1).sum(1).max()) * x.reach
        if self.release is not None and node.bias:
            raise node.refuse("a bias", "wants a ReleasedAffine: a bias is not released as the images are")
        bias = np.zeros(node.out_channels) if layer.bias is None else layer.bias.double().numpy(force=True)
        self._emit(replace(node, bias=False), x.name)
        return _Sum(((node.name, step * x.scale, reach),), bias)

    def _add(self, node: Add, edge: Edge, a: _Integers | _Sum, b: _Integers | _Sum) -> _Integers | _Sum:
        if isinstance(a, _Integers) and isinstance(b, _Integers):
            scale = min(a.scale, b.scale)
            if (a.scale / scale).is_integer() and (b.scale / scale).is_integer():
                a, b = (self._aligned(node, spikes, scale, edge) for spikes in (a, b))
                self._emit(node, a.name, b.name)
                return _Integers(node.name, scale, a.reach + b.reach, a.current or b.current)
        left, right = self._sum(a, edge), self._sum(b, edge)
        return _Sum(left.parts + right.parts, left.beta + right.beta)

    def _aligned(self, node: Add, spikes: _Integers, scale: float, edge: Edge) -> _Integers:
        """The same spikes in levels of the finer ``scale`` that the sum has."""
        ratio = int(spikes.scale / scale)
        if ratio == 1:
            return spikes
        name = f"{node.name}.aligned.{spikes.name}"
        self.tensors[f"{name}.multiplier"] = np.full(edge.shape[0], ratio, dtype=np.int64)
        self.tensors[f"{name}.offset"] = np.zeros(edge.shape[0], dtype=np.int64)
        self._emit(Affine(name=name, inputs=(), fraction_bits=0), spikes.name)
        return _Integers(name, scale, spikes.reach * ratio, spikes.current)

    def _relu(self, node: Relu, value: _Integers | _Sum) -> _Integers:
        """A sum is written in fixed point, as for a neuron of threshold 1; integers are read as they are."""
        if isinstance(value, _Sum):
            fraction = _fraction_bits(node, value.largest())
            reach = math.ceil(value.largest() * 2**fraction) + 2 * len(value.parts)  # with the rounding of each part
            value = _Integers(self._fixed_point(node.name, value, fraction), 2.0**-fraction, reach)
        self._emit(node, value.name)
        return replace(value, name=node.name, current=True)

    def _fire(self, node: Fire, current: _Sum) -> _Integers:
        d = self._dynamics(node)
        threshold = d.v_threshold
        level = (d.store or 0.0) / threshold
        channels = np.ones_like(current.beta)
        in_thresholds = current.scaled(channels * d.gain / threshold, channels * d.offset / threshold)
        reset, start = (d.v_reset or 0.0) / threshold, d.v_init / threshold
        added = in_thresholds.largest() + level / 2  # by which rounding to a level may raise what is carried
        largest = added * sum(d.retention**k for k in range(node.T)) + max(abs(reset), abs(start))
        if level:
            largest = min(largest, added + node.top * level + max(abs(reset), abs(start)))
        traced = d.tracer is not None  # then what images add up to over all steps is what counts
        fraction = self._fraction(node, math.inf, in_thresholds) if traced else _fraction_bits(node, largest)
        shift = next((k for k in range(LEAK_BITS) if (d.retention * 2**k).is_integer()), LEAK_BITS)
        dynamics = Dynamics(
            fraction_bits=fraction,
            leak_multiplier=int(round_half_up(d.retention * 2**shift)),
            leak_shift=shift,
            v_reset=None if d.v_reset is None else int(round_half_up(reset * 2**fraction)),
            v_init=int(round_half_up(start * 2**fraction)),
            rounds=d.shift == 0.5,
            tracer=d.tracer,
            store=_store(node, level * 2.0**fraction, largest * 2.0**fraction) if level else None,
        )
        self._emit(replace(node, dynamics=dynamics), self._fixed_point(node.name, in_thresholds, fraction))
        return _Integers(node.name, d.scale, max(node.hi, -node.lo) if d.tracer is None else d.tracer)

    def _dynamics(self, node: Fire) -> NeuronDynamics:
        """What the neuron says of itself; what it cannot say is refused with its path."""
        try:
            return describe(cast(BaseNode, self.modules[node.name]))
        except NotDescribedError as no:
            raise node.refuse(no.seen, no.would_do) from no

    def _fraction(self, node: Node, largest: float, total: _Sum) -> int:
        """Bits after the point: where images are released, beside all that ``total`` adds up to and what is sent."""
        if self.release is None:
            return _fraction_bits(node, largest)
        sent = self.release.parts if isinstance(node, Fire) else 0
        over_steps = replace(total, beta=total.beta * self.release.steps).largest() + sent
        return _fraction_bits(node, over_steps, MOST_RELEASED_BITS, WIDE_WORD)

    def _fixed_point(self, reader: str, total: _Sum, fraction: int) -> str:
        """Emits the sum with ``fraction`` bits after the point; the offset goes to the first term. Names the edge."""
        steps = None if self.release is None else self.release.steps
        joined = ""
        for index, (source, alpha, reach) in enumerate(total.parts):
            name = f"{reader}.current{index}"
            offset = total.beta if index == 0 else np.zeros_like(total.beta)
            shift = 0 if steps else _multiplier_shift(alpha * 2.0**fraction, reach)
            self.tensors[f"{name}.multiplier"] = round_half_up(alpha * 2.0 ** (fraction + shift))
            self.tensors[f"{name}.offset"] = round_half_up(offset * 2.0**fraction)
            self._emit(Affine(name=name, inputs=(), fraction_bits=fraction, shift=shift, steps=steps), source)
            if joined:
                self._emit(Add(name=f"{reader}.sum{index}", inputs=()), joined, name)
                name = f"{reader}.sum{index}"
            joined = name
        return joined


def _store(node: Fire, level: float, reach: float) -> Store:
    """Integers of a membrane whose levels are ``level`` units apart; no potential is beyond ``reach`` units.

    The value of a code is off by less than one unit: the error of ``step`` adds up to a quarter, rounding to a half.
    """
    multiplier, shift = _ratio(1 / level, min(WORD, EXACT - math.ceil(math.log2(reach))), MOST_STORE_SHIFT)
    step, step_shift = _ratio(level, LEVEL_BITS, node.top.bit_length() + 1)
    return Store(multiplier=max(multiplier, 1), shift=shift, step=step, step_shift=step_shift)


def _ratio(value: float, bits: int, most: int) -> tuple[int, int]:
    """``numerator / 2^shift`` nearest to ``value``, in lowest terms: to ``2^bits`` the one, to ``most`` the other."""
    shift = min(max(bits - math.frexp(value)[1], 0), most)
    numerator = min(int(round_half_up(min(value, 2.0**bits) * 2.0**shift)), 1 << bits)
    while shift and numerator % 2 == 0:
        numerator, shift = numerator // 2, shift - 1
    return numerator, shift


def _fraction_bits(node: Node, largest: float, most: int = MOST_FRACTION_BITS, word: int = WORD) -> int:
    """As many bits after the point as fit into a word beside a magnitude of ``largest``."""
    whole = math.ceil(math.log2(largest + 1)) if math.isfinite(largest) else word
    if whole > word - 4:
        raise node.refuse(largest, f"its values are too large for {word + 2}-bit fixed point")
    return min(most, word - whole)


def _multiplier_shift(multiplier: Channels, reach: int) -> int:
    """Bits that a multiplier needs beyond the fraction: few, if it is exact with them.

    Else so many that its rounding times ``reach`` stays below one unit, as long as that product has ``EXACT`` bits.
    """
    product_bits = math.frexp(float(np.abs(multiplier).max()) * reach)[1]
    most = max(min(reach.bit_length() - 1, WORD, EXACT - product_bits), 0)
    scaled = (multiplier * 2.0**shift for shift in range(most))
    return next((shift for shift, m in enumerate(scaled) if (m == np.floor(m)).all()), most)


def _batch_norm(module: Any) -> tuple[Channels, Channels]:
    """``gain * x + offset`` of a batch norm in evaluation mode."""
    if module.running_var is None:
        raise UserError("batch norm", module, "it keeps no running statistics; they are what is frozen")
    variance = module.running_var.double()
    weight = torch.ones_like(variance) if module.weight is None else module.weight.double()
    bias = torch.zeros_like(variance) if module.bias is None else module.bias.double()
    gain = weight / torch.sqrt(variance + module.eps)
    return gain.numpy(force=True), (bias - module.running_mean.double() * gain).numpy(force=True)
