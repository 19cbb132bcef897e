"""An op of one's own: its class, one lowering rule, and a row in the table of each backend.

import examples.own_op  # makes it known, before a network with a `Cap` is frozen or a file with one is read
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from bitspike.backends import c, native, onnx, verilog
from bitspike.backends.native import Code
from bitspike.backends.onnx import Model
from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.micro import Value, immediate
from bitspike.ir import OPS, Edge, Node
from bitspike.ir.ranges import Bounds, Int, Range, Tensors
from bitspike.lowering import RULES, Maker, Reads, Rule
from bitspike.lowering.rules import passes_integers


class Cap(nn.Module):
    """``min(x, most)`` of spikes whose levels are worth ``scale``: what a network has."""

    def __init__(self, most: int, scale: float) -> None:
        super().__init__()
        self.most, self.scale = most, scale

    def forward(self, spikes: Tensor) -> Tensor:
        return spikes.clamp(max=self.most * self.scale)


@dataclass(frozen=True, kw_only=True)
class Capped(Node):
    """Levels that are cut off above: what the graph has. Equation: ``y = min(x, most)``."""

    op: ClassVar[str] = "capped"

    most: int

    def infer(self, *edges: Edge) -> Edge:
        (edge,) = edges
        assert edge.bounds is not None, "its rule says that it reads levels"
        lo, hi = self.range({}, edge.bounds)
        return Edge(shape=edge.shape, T=edge.T, lo=lo, hi=hi, scale=edge.scale)

    def range(self, tensors: Tensors, *x: Bounds) -> Range:
        return Range(*(min(end, self.most) for end in x[0].each))

    def step(self, tensors: Tensors, proven: Range, *x: Int) -> Int:
        return np.minimum(x[0], self.most)


def in_onnx(model: Model, node: Capped) -> None:
    """A row of ONNX: the ops of each step."""
    for t in model.steps(node):
        x = model.step(node.inputs[0], t, "float64")
        model.emit(node, t, "float64", "Min", x, model.number(node.most))


class InNative(native.Row[Capped]):
    """A row of the native backend: instructions of its library."""

    def write(self, code: Code, node: Capped) -> int:
        lowest = -(2 ** (8 * code.type.bytes - 1))
        return code.emit(native.Kind.CLIP, a=code.value(node.inputs[0]), x=lowest, y=node.most)


class InVerilog(verilog.Row[Capped]):
    """A row of Verilog: instructions of its arithmetic unit."""

    def value(self, layer: Layer, node: Capped) -> Value:
        made = layer.plan.parts[node.name].range
        return layer.code.make("min", layer.read(node.inputs[0]), immediate(node.most), made)


OPS.register(Capped.op, Capped)
RULES.register(
    Capped.op,
    Rule(
        Capped,
        modules={Cap: Maker(lambda m, at: Capped(name=at.name, inputs=at.inputs, most=m.most), Reads.STEPS)},
        freeze=passes_integers(),
    ),
)
c.WRITERS.register("Capped", c.Each(lambda node, kind, x: f"{x} > {node.most} ? {node.most} : {x}"))
onnx.WRITERS.register("Capped", in_onnx)
native.ROWS.register("Capped", InNative())
verilog.ROWS.register("Capped", InVerilog())
