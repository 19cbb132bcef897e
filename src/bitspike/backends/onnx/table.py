"""The one table of this backend: from an op's class, by name, to what writes its ONNX ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitspike.backends.onnx import ops
from bitspike.backends.onnx.fire import fire
from bitspike.backends.onnx.model import Model
from bitspike.registry import Registry

__all__ = ["WRITERS"]

WRITERS: Registry[Callable[[Model, Any], None]] = Registry("op in ONNX")
WRITERS.register("Input", ops.levels)
WRITERS.register("Delay", ops.delay)
WRITERS.register("Release", ops.release)
WRITERS.register("Conv", ops.convolution)
WRITERS.register("Linear", ops.linear)
WRITERS.register("Affine", ops.affine)
WRITERS.register("Relu", ops.relu)
WRITERS.register("Fire", fire)
WRITERS.register("Add", ops.add)
WRITERS.register("SumPool", ops.sum_pool)
WRITERS.register("SumTime", ops.sum_time)
WRITERS.register("MaxPool", ops.max_pool)
WRITERS.register("SpikingMaxPool", ops.spiking_max_pool)
WRITERS.register("Reshape", ops.reshape)
WRITERS.register("Permute", ops.permute)
WRITERS.register("Concat", ops.concat)
WRITERS.register("Slice", ops.cut)
WRITERS.register("Upsample", ops.upsample)
WRITERS.register("MatMul", ops.matmul)
WRITERS.register("Accumulate", ops.accumulate)
WRITERS.register("Difference", ops.difference)
WRITERS.register("Readout", ops.readout)
