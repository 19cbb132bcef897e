"""The one table of this backend: from an op's class, by name, to the instructions that it becomes."""

from __future__ import annotations

from typing import Any

from bitspike.backends.native.elements import (
    Added,
    Answer,
    Grown,
    Growth,
    Levels,
    Multiplied,
    OverTime,
    Pooled,
    Positive,
    Rearranged,
    SoFar,
    Train,
)
from bitspike.backends.native.fire import Neurons
from bitspike.backends.native.products import ProductOfEdges, Turned
from bitspike.backends.native.routes import Enlarged, Joined, Sliced
from bitspike.backends.native.row import Row
from bitspike.backends.native.synapses import Convolution, Product
from bitspike.registry import Registry

__all__ = ["ROWS"]

ROWS: Registry[Row[Any]] = Registry("op of the native backend")
ROWS.register("Input", Levels())
ROWS.register("Release", Train())
ROWS.register("Conv", Convolution())
ROWS.register("Linear", Product())
ROWS.register("Affine", Multiplied())
ROWS.register("Relu", Positive())
ROWS.register("Fire", Neurons())
ROWS.register("Add", Added())
ROWS.register("SumPool", Pooled())
ROWS.register("SumTime", OverTime())
ROWS.register("MaxPool", Pooled())
ROWS.register("SpikingMaxPool", Grown())
ROWS.register("Reshape", Rearranged())
ROWS.register("Permute", Turned())
ROWS.register("Concat", Joined())
ROWS.register("Slice", Sliced())
ROWS.register("Upsample", Enlarged())
ROWS.register("MatMul", ProductOfEdges())
ROWS.register("Accumulate", SoFar())
ROWS.register("Difference", Growth())
ROWS.register("Readout", Answer())
