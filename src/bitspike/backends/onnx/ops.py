"""What each op is in ONNX, but for neurons: one function for each, which writes all steps of the op."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.backends.onnx.model import FLOAT32, FLOAT64, Model, check, narrowest
from bitspike.backends.onnx.sums_of_bytes import convolution_of_bytes, is_of_bytes
from bitspike.intmath import half
from bitspike.ir import (
    Accumulate,
    Add,
    Affine,
    Concat,
    Conv,
    Delay,
    Difference,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Node,
    Permute,
    Pool,
    Readout,
    Release,
    Relu,
    Reshape,
    Slice,
    SpikingMaxPool,
    SumPool,
    SumTime,
    Synapse,
    Upsample,
)  # fmt: skip

__all__ = [
    "accumulate",
    "add",
    "affine",
    "concat",
    "convolution",
    "cut",
    "delay",
    "difference",
    "levels",
    "linear",
    "matmul",
    "max_pool",
    "permute",
    "readout",
    "release",
    "relu",
    "reshape",
    "spiking_max_pool",
    "sum_pool",
    "sum_time",
    "upsample",
]


def levels(model: Model, node: Input) -> None:
    """Codes as levels; of a train each step is taken out of it."""
    for t in model.steps(node):
        step = np.array(t, dtype=np.int64)
        codes = model.op("Gather", "images", model.tensor(f"step/{t}", step), axis=1) if node.edge.T > 1 else "images"
        model.emit(node, t, "float64", "Add", model.cast(codes, "float64"), model.number(node.sample.lo))


def delay(model: Model, node: Delay) -> None:
    """Step after step what another op, which is written later, sent the step before."""
    sent = model.dtypes[node.of]
    for t in model.steps(node):
        x = model.step(node.of, t - 1) if t else model.zeros(node.edge.shape, sent)
        model.emit(node, t, sent, "Identity", x)


def release(model: Model, node: Release) -> None:
    """A held edge, times 1 or 0."""
    for t in range(node.T):
        x = model.step(node.inputs[0], 0, "float64")
        model.emit(node, t, "float64", "Mul", x, model.number(int(t < node.steps)))


def convolution(model: Model, node: Conv) -> None:
    """A convolution that reads levels and weights as quantized tensors, or adds bytes up."""
    window = {"dilations": node.dilation[-_axes(model, node) :], **_window(model, node)}
    _convolution(model, node, group=node.groups, **window)


def _convolution(model: Model, node: Synapse, **how: Any) -> None:
    if model.fast and is_of_bytes(model, node):
        convolution_of_bytes(model, node, _shaped(model, node), **how)
        return
    weight = model.float32(_codes(model, node), True)
    levels = model.dtypes[node.inputs[0]] != "float64"
    for t in model.steps(node):
        x = model.float32(model.step(node.inputs[0], t), levels)
        model.emit(node, t, "float32", "Conv", x, weight, **how)


def linear(model: Model, node: Linear) -> None:
    """A matrix product in floats; of several places a convolution of one tap."""
    if sides := len(model.net.graph.edges[node.name].shape) - 1:
        _convolution(model, node, kernel_shape=(1,) * sides)
        return
    weight = model.float32(_codes(model, node), False)
    for t in model.steps(node):
        x = model.float32(model.step(node.inputs[0], t), False)
        model.emit(node, t, "float32", "Gemm", x, weight, transB=1)


def affine(model: Model, node: Affine) -> None:
    """A product with a power of two in it, Floor, and a sum."""
    (read,), shape = node.inputs, model.net.graph.edges[node.name].shape
    m, b = (model.net.integers(f"{node.name}.{part}") for part in ("multiplier", "offset"))
    product = max(abs(int(v)) for v in m) * model.reach(read) + half(node.shift)
    check(node, max(product, *(abs(int(v)) for v in b)), FLOAT64)
    per_channel = (-1, *(1 for _ in shape[1:]))
    multiplier, offset = (
        model.tensor(f"{node.name}.{part}", values.astype(np.float64).reshape(per_channel))
        for part, values in (("multiplier", m), ("offset", b))
    )
    for t in model.steps(node):
        scaled = model.product(model.step(read, t, "float64"), multiplier, node.shift)
        there = node.steps is None or t < node.steps
        model.emit(node, t, "float64", "Add", scaled, offset if there else model.number(0))


def relu(model: Model, node: Relu) -> None:
    """The positive part."""
    for t in model.steps(node):
        model.emit(node, t, "float64", "Relu", model.step(node.inputs[0], t, "float64"))


def add(model: Model, node: Add) -> None:
    """A sum of two edges."""
    for t in model.steps(node):
        model.emit(node, t, "float64", "Add", *(model.step(name, t, "float64") for name in node.inputs))


def sum_pool(model: Model, node: SumPool) -> None:
    """A convolution with ones: AveragePool would divide, and round."""
    channels, sides = model.net.graph.edges[node.name].shape[0], node.kernel_size[-_axes(model, node) :]
    check(node, model.reach(node.inputs[0]) * prod(sides), FLOAT32)
    ones = model.tensor(f"{node.name}.ones", np.ones((channels, 1, *sides), dtype=np.float32))
    for t in model.steps(node):
        x = model.step(node.inputs[0], t, "float32")
        model.emit(node, t, "float32", "Conv", x, ones, group=channels, **_window(model, node))


def max_pool(model: Model, node: MaxPool) -> None:
    """The largest of each window."""
    dtype = "float32" if model.reach(node.inputs[0]) <= FLOAT32 else "float64"
    for t in model.steps(node):
        model.emit(node, t, dtype, "MaxPool", model.step(node.inputs[0], t, dtype), **_window(model, node))


def spiking_max_pool(model: Model, node: SpikingMaxPool) -> None:
    """The largest sum of each window so far, minus that of the step before."""
    (read,) = node.inputs
    reach = model.net.totals[read].reach
    check(node, reach, FLOAT64)
    dtype = "float32" if reach <= FLOAT32 else "float64"
    sums = before = ""
    for t in model.steps(node):
        x = model.step(read, t, dtype)
        sums = model.op("Add", sums, x) if sums else x
        largest = model.op("MaxPool", sums, **_window(model, node))
        model.emit(node, t, dtype, "Sub", largest, before or model.number(0, dtype))
        before = largest


def reshape(model: Model, node: Reshape) -> None:
    """The same elements in another shape."""
    shape = model.tensor(f"{node.name}.shape", np.array([0, *node.shape], dtype=np.int64))  # 0: N as it is
    for t in model.steps(node):
        x = model.step(node.inputs[0], t)
        model.emit(node, t, model.dtypes[node.inputs[0]], "Reshape", x, shape)


def permute(model: Model, node: Permute) -> None:
    """The axes in another order."""
    perm = (0, *(axis + 1 for axis in node.axes))  # 0: N
    for t in model.steps(node):
        x = model.step(node.inputs[0], t)
        model.emit(node, t, model.dtypes[node.inputs[0]], "Transpose", x, perm=perm)


def concat(model: Model, node: Concat) -> None:
    """Channels of each edge one after the other, in the type of the result."""
    dtype = model.dtypes[node.name]
    for t in model.steps(node):
        model.emit(node, t, dtype, "Concat", *(model.step(name, t, dtype) for name in node.inputs), axis=1)


def cut(model: Model, node: Slice) -> None:
    """A range of channels."""
    ends = {part: np.array([value], dtype=np.int64) for part, value in (("start", node.start), ("stop", node.stop))}
    bounds = [model.tensor(f"{node.name}.{part}", value) for part, value in ends.items()]
    axis = model.tensor("axis/1", np.array([1], dtype=np.int64))
    for t in model.steps(node):
        x = model.step(node.inputs[0], t)
        model.emit(node, t, model.dtypes[node.inputs[0]], "Slice", x, *bounds, axis)


def upsample(model: Model, node: Upsample) -> None:
    """The nearest places by their numbers: Resize would find them in floats."""
    sides = model.net.graph.input_edge(node).shape[1:]
    factors = node.factor[-len(sides) :]
    dtype = model.dtypes[node.inputs[0]]
    indices = [np.repeat(np.arange(side, dtype=np.int64), by) for side, by in zip(sides, factors, strict=True)]
    places = [model.tensor(f"{node.name}.places{axis}", found) for axis, found in enumerate(indices)]
    for t in model.steps(node):
        x = model.step(node.inputs[0], t)
        for axis, found in enumerate(places[:-1]):
            x = model.op("Gather", x, found, axis=2 + axis)
        model.emit(node, t, dtype, "Gather", x, places[-1], axis=1 + len(places))


def matmul(model: Model, node: MatMul) -> None:
    """A matrix product in floats that hold every partial sum."""
    largest = node.inner * model.reach(node.inputs[0]) * model.reach(node.inputs[1])
    check(node, largest, FLOAT64)
    dtype = "float32" if max(largest, *(model.reach(name) for name in node.inputs)) <= FLOAT32 else "float64"
    for t in model.steps(node):
        x, y = (model.step(name, t, dtype) for name in node.inputs)
        model.emit(node, t, dtype, "MatMul", x, y)


def accumulate(model: Model, node: Accumulate) -> None:
    """The steps added up one after the other."""
    check(node, model.reach(node.name), FLOAT64)
    so_far = ""
    for t in model.steps(node):
        x = model.step(node.inputs[0], t, "float64")
        so_far = model.op("Add", so_far, x) if so_far else model.op("Identity", x)
        model.emit(node, t, "float64", "Identity", so_far)


def difference(model: Model, node: Difference) -> None:
    """Each step minus the one before it."""
    check(node, model.reach(node.name), FLOAT64)
    before = model.number(0)
    for t in model.steps(node):
        x = model.step(node.inputs[0], t, "float64")
        model.emit(node, t, "float64", "Sub", x, before)
        before = x


def sum_time(model: Model, node: SumTime) -> None:
    """The sum of all steps."""
    _total(model, node)


def readout(model: Model, node: Readout) -> None:
    """The answer: the sum of all steps, the last, or each."""
    (read,), output = node.inputs, model.outputs[model.net.readouts.index(node)]
    if node.over == "sum":
        model.cast(_total(model, node), "int64", output)
        return
    every = range(model.net.graph.edges[read].T)
    steps = [model.step(read, t, "float64") for t in (every if node.over == "each" else every[-1:])]
    made = [model.emit(node, t, "float64", "Identity", step) for t, step in enumerate(steps)]
    if node.over == "last":
        model.cast(made[0], "int64", output)
        return
    second = model.tensor(f"{node.name}.second", np.array([1], dtype=np.int64))
    rows = [model.op("Unsqueeze", model.cast(step, "int64"), second) for step in made]
    model.op("Concat", *rows, output=output, axis=1)


def _total(model: Model, node: Readout | SumTime) -> str:
    (read,) = node.inputs
    steps = [model.step(read, t, "float64") for t in range(model.net.graph.edges[read].T)]
    return model.emit(node, 0, "float64", "Sum", *steps)


def _codes(model: Model, node: Synapse) -> str:
    """The weights in their narrowest type, if no sum of products with them can be rounded."""
    codes = _shaped(model, node)
    each = np.abs(codes.astype(np.int64)).reshape(len(codes), -1).sum(1)
    check(node, int(each.max()) * model.reach(node.inputs[0]), FLOAT32)  # bounds every partial sum, in any order
    return model.tensor(f"{node.name}.weight", codes.astype(narrowest(codes.min(), codes.max())))


def _shaped(model: Model, node: Synapse) -> NDArray[np.signedinteger]:
    """The weights, with an axis for each of a window."""
    codes = model.net.integers(f"{node.name}.weight")
    if isinstance(node, Linear):  # of several places a convolution
        return codes.reshape(*codes.shape, *(1 for _ in model.net.graph.edges[node.name].shape[1:]))
    if isinstance(node, Conv):
        return codes.reshape(*codes.shape[:2], *node.kernel_size[-_axes(model, node) :])
    return codes


def _axes(model: Model, node: Node) -> int:
    """Axes of a window: two over an image, one over a signal ``(C, L)``."""
    return len(model.net.graph.input_edge(node).shape) - 1


def _window(model: Model, node: Conv | Pool) -> dict[str, Any]:
    kernel, stride, padding = (s[-_axes(model, node) :] for s in (node.kernel_size, node.stride, node.padding))
    return {"kernel_shape": kernel, "strides": stride, "pads": (*padding, *padding)}
