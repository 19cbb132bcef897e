"""The rows of the ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, TypeVar

from bitspike.backends.verilog.micro import Value, immediate
from bitspike.backends.verilog.row import Part, Row, Sweep, Walk, sides
from bitspike.intmath import half
from bitspike.ir import (
    Accumulate,
    Add,
    Affine,
    Conv,
    Delay,
    Difference,
    Fire,
    FrozenGraph,
    Input,
    Instruction,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Permute,
    Readout,
    Release,
    Relu,
    Reshape,
    SpikingMaxPool,
    SumPool,
    SumTime,
)
from bitspike.ir.ranges import Range

if TYPE_CHECKING:
    from bitspike.backends.verilog.layer import Layer
    from bitspike.backends.verilog.plan import Plan

__all__ = [
    "Answer",
    "Before",
    "Channelwise",
    "Convolution",
    "Growth",
    "GrowthOfWindow",
    "LargestOfWindow",
    "Matrices",
    "Neurons",
    "Pixels",
    "Positive",
    "Product",
    "Rearranged",
    "SoFar",
    "SumOfWindow",
    "Together",
    "Total",
    "Train",
    "Transposed",
]

Window = TypeVar("Window", SumPool, MaxPool, SpikingMaxPool)


class Pixels(Row[Input]):
    """What the stream in has written."""

    stored = True
    computed = False


class Rearranged(Row[Reshape]):
    """Memory is row-major: the same words."""

    stored = True
    computed = False
    sees = True


class Convolution(Row[Conv]):
    """Windows of all channels of a group, times the weights."""

    sees = True
    sums = True

    def sweep(self, plan: Plan, node: Conv) -> Sweep:
        channels = sides(plan.parts[node.inputs[0]].edge.shape)[0] // node.groups
        made = node.out_channels // node.groups
        return Sweep(
            "synapse",
            node.inputs[0],
            node.groups,
            channels,
            made,
            node.kernel_size,
            node.stride,
            node.padding,
            node.dilation,
            node.name,
        )

    def value(self, layer: Layer, node: Conv) -> Value:
        return layer.sum(node)


class Product(Row[Linear]):
    """A window of all channels at each place."""

    sees = True
    sums = True

    def sweep(self, plan: Plan, node: Linear) -> Sweep:
        return Sweep(
            "synapse",
            node.inputs[0],
            1,
            plan.parts[node.inputs[0]].edge.shape[0],
            node.out_channels,
            weights=node.name,
        )

    def value(self, layer: Layer, node: Linear) -> Value:
        return layer.sum(node)


class Matrices(Row[MatMul]):
    """A sum for each element, of products of two levels in memory; the heads are groups, or the rows without heads."""

    sees = True
    sums = True
    alone = True

    def sweep(self, plan: Plan, node: MatMul) -> Sweep:
        a, b = (plan.parts[name].edge.shape for name in node.inputs)
        inner, columns = node.inner, b[-1]
        if len(a) == 2:
            walks = Walk(node.inputs[0], 0, 0, inner, 1), Walk(node.inputs[1], 0, 1, 0, columns)
        else:
            walks = (
                Walk(node.inputs[0], inner, 0, a[1] * inner, 1),
                Walk(node.inputs[1], 0, 1, inner * columns, columns),
            )
        return Sweep("product", node.inputs[0], a[0], inner, 1, walks=walks)

    def value(self, layer: Layer, node: MatMul) -> Value:
        return layer.sum(node)


class Transposed(Row[Permute]):
    """Each element from where it lies."""

    sees = True
    sums = True
    alone = True

    def sweep(self, plan: Plan, node: Permute) -> Sweep:
        shape = plan.parts[node.inputs[0]].edge.shape
        group, row, column = sides(tuple(prod(shape[axis + 1 :]) for axis in node.axes))
        walk = Walk(node.inputs[0], row, column, group, 0)
        return Sweep("added", node.inputs[0], shape[node.axes[0]], 1, 1, walks=(walk,))

    def value(self, layer: Layer, node: Permute) -> Value:
        return layer.sum(node)


class _Window(Row[Window]):
    """A window of each channel by itself."""

    sees = True
    sums = True
    alone = True
    mode = ""

    def sweep(self, plan: Plan, node: Window) -> Sweep:
        channels = sides(plan.parts[node.inputs[0]].edge.shape)[0]
        return Sweep(self.mode, node.inputs[0], channels, 1, 1, node.kernel_size, node.stride, node.padding)

    def value(self, layer: Layer, node: Window) -> Value:
        return layer.sum(node)


class SumOfWindow(_Window[SumPool]):
    """The sum of each window."""

    mode = "added"


class LargestOfWindow(_Window[MaxPool]):
    """The largest of each window."""

    mode = "largest"


@dataclass(frozen=True, kw_only=True)
class _SoFar(Node):
    """What the steps of its input have added up to, at each of them."""


class _RunningSum(Row[_SoFar]):
    """A sum that is carried from step to step, and stored at each."""

    stored = True

    def value(self, layer: Layer, node: _SoFar) -> Value:
        return layer.running(node)


class GrowthOfWindow(_Window[SpikingMaxPool]):
    """The largest of the running sums of a window, less what it was at the step before."""

    mode = "largest"
    stored = True

    def parts(self, net: FrozenGraph, node: SpikingMaxPool, fresh: str) -> Sequence[Part]:
        (source,) = node.inputs
        edge = net.graph.edges[source]
        if edge.T == 1:  # it grows from 0, once
            return super().parts(net, node, fresh)
        found = net.totals[source].joined(net.ranges[source])
        sums = Part(_SoFar(name=fresh, inputs=(source,)), _RunningSum(), edge, found)
        return [sums, *super().parts(net, replace(node, inputs=(fresh,)), fresh)]

    def value(self, layer: Layer, node: SpikingMaxPool) -> Value:
        largest = layer.sum(node)
        if layer.steps == 1:
            return largest
        before = layer.code.state(0, largest.range)
        grown = layer.code.make("sub", largest, before, layer.plan.parts[node.name].range)
        layer.code.keep(before, largest)
        return grown


class Channelwise(Row[Affine]):
    """A product with the channel's multiplier, shifted and rounded, plus the channel's offset."""

    def value(self, layer: Layer, node: Affine) -> Value:
        code, tensors, made = layer.code, layer.plan.net, layer.plan.parts[node.name].range
        x = layer.read(node.inputs[0])
        multiplier, offset = (tensors.integers(f"{node.name}.{part}") for part in ("multiplier", "offset"))
        ends = [int(m) * end for m in (multiplier.min(), multiplier.max()) for end in x.range]
        product = Range(min(ends), max(ends))
        y = code.make("mul", x, layer.constant(multiplier), product)
        added, rounds = offset, half(node.shift)
        in_one = [(int(b) << node.shift) + rounds for b in (offset.min(), offset.max())]
        raised = Range(product.lo + in_one[0], product.hi + in_one[1])
        folds = raised.signed_bits <= product.signed_bits + 1  # the offset, shifted up, is added before the shift
        if node.shift and folds:
            added = (offset << node.shift) + rounds
        elif node.shift:
            raised = Range(product.lo + rounds, product.hi + rounds)
            y = self._shifted(layer, node, code.make("add", y, immediate(rounds), raised))
            rounds = 0
        if added.any():
            plus = layer.constant(added)
            if node.steps is not None and node.steps < layer.plan.parts[node.name].edge.T:
                plus = code.until(node.steps, plus, rounds)
            y = code.make("add", y, plus, raised if node.shift and folds else made)
        return self._shifted(layer, node, y) if node.shift and folds else y

    def _shifted(self, layer: Layer, node: Affine, y: Value) -> Value:
        return layer.code.make("shr", y, immediate(node.shift), Range(*(end >> node.shift for end in y.range)))


class Positive(Row[Relu]):
    """The positive part."""

    def value(self, layer: Layer, node: Relu) -> Value:
        made = layer.plan.parts[node.name].range
        return layer.code.make("max", layer.read(node.inputs[0]), immediate(0), made)


class Together(Row[Add]):
    """The sum of two."""

    def value(self, layer: Layer, node: Add) -> Value:
        left, right = (layer.read(name) for name in node.inputs)
        return layer.code.make("add", left, right, layer.plan.parts[node.name].range)


class Train(Row[Release]):
    """A held value at the first steps, and then 0."""

    def value(self, layer: Layer, node: Release) -> Value:
        x = layer.read(node.inputs[0])
        return x if node.steps == node.T else layer.code.until(node.steps, x)


class SoFar(Row[Accumulate]):
    """A sum that is carried from step to step, and is there at each."""

    def value(self, layer: Layer, node: Accumulate) -> Value:
        return layer.running(node)


class Growth(Row[Difference]):
    """The value less that of the step before."""

    def value(self, layer: Layer, node: Difference) -> Value:
        x = layer.read(node.inputs[0])
        if layer.plan.parts[node.inputs[0]].edge.T == 1:
            return x
        x = layer.code.in_register(x)
        before = layer.code.state(0, x.range)
        made = layer.code.make("sub", x, before, layer.plan.parts[node.name].range)
        layer.code.keep(before, x)
        return made


class Before(Row[Delay]):
    """What a later layer stored at the step before: copied before any layer of this step runs."""

    stored = True

    def value(self, layer: Layer, node: Delay) -> Value:
        if node.of == layer.plan.last:
            raise node.refuse(node.of, "the backend verilog delays what is in memory; an answer is sent, and not kept")
        return layer.code.after(1, layer.stored(node.of))


class Neurons(Row[Fire]):
    """The program of a step, instruction by instruction. Of one step alone, the state is a constant."""

    stored = True

    def value(self, layer: Layer, node: Fire) -> Value:
        code, program, ranges = layer.code, node.program, layer.plan.net.values[node.name]
        kept = program.carried if node.T > 1 else {}
        needed = program.needed(program.level, *kept.values())
        read = {part for made in needed for part in made.operands} | {program.level, *kept.values()}
        states = {}
        for name, start in program.start.items():
            if node.T > 1 and name in read | kept.keys():
                states[name] = code.state(start, ranges[name])
        values: dict[str, Value] = {"x": layer.read(node.inputs[0])}
        if [part for made in needed for part in made.operands].count("x") > 1:
            values["x"] = code.in_register(values["x"])
        for name, start in program.start.items():
            values[name] = code.moved(states[name]) if name in states and name in read else immediate(start)
        for made in needed:
            values[made.result] = self._made(layer, made, values, ranges[made.result])
        for name, state in states.items():
            source = kept[name]
            code.keep(state, values[source] if isinstance(source, str) else immediate(source))
        return values[program.level]

    def _made(self, layer: Layer, made: Instruction, values: Mapping[str, Value], found: Range) -> Value:
        operands = [values[part] if isinstance(part, str) else immediate(part) for part in made.operands]
        if made.primitive == "clip":
            return layer.code.clip(operands[0], operands[1].number, operands[2].number)
        if made.primitive == "select":
            return layer.code.select(*operands)
        op = {"shift": "shr"}.get(made.primitive, made.primitive)
        return layer.code.make(op, operands[0], operands[1], found)


class Total(Row[SumTime]):
    """The sum over the steps of its input, there at the last."""

    stored = True

    def value(self, layer: Layer, node: SumTime) -> Value:
        return layer.running(node)


class Answer(Row[Readout]):
    """The logits, which go out as they are made: at the last step, or at each."""

    stored = True

    def value(self, layer: Layer, node: Readout) -> Value:
        return layer.running(node) if node.over == "sum" else layer.read(node.inputs[0])
