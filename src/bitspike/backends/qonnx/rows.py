"""The one table of this backend: from an op's class, by name, to what writes it in real numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bitspike.backends.qonnx.fire import fire
from bitspike.backends.qonnx.writer import Value, Writer
from bitspike.ir import Add, Affine, Conv, Input, MaxPool, Permute, Readout, Reshape, SumPool, SumTime, Synapse
from bitspike.registry import Registry

__all__ = ["WRITERS"]


def _input(writer: Writer, node: Input) -> None:
    edge = node.edge
    if edge.scale is None or edge.lo is None or edge.hi is None:
        raise node.refuse(None, "want what a level is worth (scale)")
    whole = "images"
    steps = [whole] if edge.T == 1 else []
    if edge.T > 1:
        steps = [writer.op("Gather", whole, writer.constant(t, dtype=np.int64), axis=1) for t in range(edge.T)]
    signed, bits = edge.lo < 0, edge.bits
    made = (
        writer.quantized(x, bits, edge.scale, signed=signed, output=f"{node.name}.t{t}") for t, x in enumerate(steps)
    )
    writer.values[node.name] = Value(tuple(made), edge.scale)


def _synapse(writer: Writer, node: Synapse) -> None:
    if isinstance(node, Conv) and len(writer.shape(node.inputs[0])) != 3:
        raise node.refuse(writer.shape(node.inputs[0]), "wants images (C, H, W)")
    writer.values[node.name] = replace(writer.read(node), synapse=node)


def _affine(writer: Writer, node: Affine) -> None:
    before = writer.values[node.inputs[0]]
    if node.steps is not None:
        raise node.refuse(f"an offset of {node.steps} steps", "wants images that are held, not released")
    m, b = (writer.net.integers(f"{node.name}.{part}").astype(np.float64) for part in ("multiplier", "offset"))
    fraction = node.fraction_bits or 0
    gain = m / 2.0 ** (node.shift + fraction) / before.unit
    each = (-1, *(1 for _ in writer.shape(node.name)[1:]))
    offset = writer.constant((b / 2.0**fraction).reshape(each), f"{node.name}.offset")
    if before.synapse is None:
        factor = writer.constant(gain.reshape(each), f"{node.name}.factor")
        sums = [writer.op("Mul", x, factor) for x in before.steps]
    else:
        weight = writer.weight(before.synapse, gain, node.name)
        sums = [_product(writer, before.synapse, x, weight) for x in before.steps]
    made = (writer.op("Add", x, offset, output=f"{node.name}.t{t}") for t, x in enumerate(sums))
    writer.values[node.name] = Value(tuple(made), 2.0**-fraction)


def _product(writer: Writer, node: Synapse, x: str, weight: str) -> str:
    if not isinstance(node, Conv):
        return writer.op("MatMul", x, writer.op("Transpose", weight, perm=[1, 0]))
    rows, columns = node.padding
    return writer.op(
        "Conv",
        x,
        weight,
        kernel_shape=list(node.kernel_size),
        strides=list(node.stride),
        pads=[rows, columns, rows, columns],
        dilations=list(node.dilation),
        group=node.groups,
    )


def _add(writer: Writer, node: Add) -> None:
    values = [writer.values[name] for name in node.inputs]
    if len({value.unit for value in values}) > 1 or any(value.synapse for value in values):
        raise node.refuse("terms of unlike units", "wants terms of one unit")
    count = max(len(value.steps) for value in values)
    sums = []
    for t in range(count):
        total, *more = (value.steps[min(t, len(value.steps) - 1)] for value in values)
        for term in more:
            total = writer.op("Add", total, term)
        sums.append(total)
    writer.values[node.name] = Value(tuple(sums), values[0].unit)


def _sum_pool(writer: Writer, node: SumPool) -> None:
    before, window = writer.read(node), node.kernel_size[0] * node.kernel_size[1]
    made = tuple(writer.op("AveragePool", x, count_include_pad=1, **_window(writer, node)) for x in before.steps)
    writer.values[node.name] = Value(made, before.unit / window)


def _max_pool(writer: Writer, node: MaxPool) -> None:
    before = writer.read(node)
    made = tuple(writer.op("MaxPool", x, **_window(writer, node)) for x in before.steps)
    writer.values[node.name] = replace(before, steps=made)


def _window(writer: Writer, node: SumPool | MaxPool) -> dict[str, Any]:
    if len(writer.shape(node.name)) != 3:
        raise node.refuse(writer.shape(node.name), "wants images (C, H, W)")
    rows, columns = node.padding
    pads = [rows, columns, rows, columns]
    return {"kernel_shape": list(node.kernel_size), "strides": list(node.stride), "pads": pads}


def _reshape(writer: Writer, node: Reshape) -> None:
    before, shape = writer.read(node), writer.constant([1, *node.shape], dtype=np.int64)
    made = tuple(writer.op("Reshape", x, shape) for x in before.steps)
    writer.values[node.name] = replace(before, steps=made)


def _permute(writer: Writer, node: Permute) -> None:
    before, axes = writer.read(node), [0, *(axis + 1 for axis in node.axes)]
    made = tuple(writer.op("Transpose", x, perm=axes) for x in before.steps)
    writer.values[node.name] = replace(before, steps=made)


def _sum_time(writer: Writer, node: SumTime) -> None:
    before = writer.read(node)
    writer.values[node.name] = replace(before, steps=(_total(writer, before.steps),))


def _readout(writer: Writer, node: Readout) -> None:
    before = writer.read(node)
    if node.over == "each":
        raise node.refuse("each", "wants one answer: the sum over the steps, or the last")
    answer = _total(writer, before.steps) if node.over == "sum" else before.steps[-1]
    factor = writer.constant(1.0 if node.scale is None else node.scale / before.unit)
    writer.op("Mul", answer, factor, output="logits")
    shape = [1, *writer.shape(node.name)]
    kind = writer.onnx.TensorProto.FLOAT
    writer.outputs.append(writer.onnx.helper.make_tensor_value_info("logits", kind, shape))


def _total(writer: Writer, steps: tuple[str, ...]) -> str:
    total = steps[0]
    for step in steps[1:]:
        total = writer.op("Add", total, step)
    return total


WRITERS: Registry[Callable[[Writer, Any], None]] = Registry("op in QONNX")
WRITERS.register("Input", _input)
WRITERS.register("Conv", _synapse)
WRITERS.register("Linear", _synapse)
WRITERS.register("Affine", _affine)
WRITERS.register("Add", _add)
WRITERS.register("Fire", fire)
WRITERS.register("SumPool", _sum_pool)
WRITERS.register("MaxPool", _max_pool)
WRITERS.register("Reshape", _reshape)
WRITERS.register("Permute", _permute)
WRITERS.register("SumTime", _sum_time)
WRITERS.register("Readout", _readout)
