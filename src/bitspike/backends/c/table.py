"""The one table of this backend: from an op's class, by name, to how it becomes C."""

from __future__ import annotations

from typing import Any

from bitspike.backends.c.elements import ADDED, POSITIVE, FixedPoint
from bitspike.backends.c.fire import Neurons
from bitspike.backends.c.layers import (
    Answer,
    Growth,
    GrowthOfWindow,
    LargestOfWindow,
    Levels,
    OverTime,
    Rearranged,
    Remembered,
    SumOfWindow,
    SumSoFar,
    Train,
)
from bitspike.backends.c.products import ProductOfEdges, Turned
from bitspike.backends.c.routes import Enlarged, Joined, Sliced
from bitspike.backends.c.synapses import Convolution, Product
from bitspike.backends.c.writer import Writer
from bitspike.registry import Registry

__all__ = ["WRITERS"]

WRITERS: Registry[Writer[Any]] = Registry("op in C")
WRITERS.register("Input", Levels())
WRITERS.register("Delay", Remembered())
WRITERS.register("Release", Train())
WRITERS.register("Conv", Convolution())
WRITERS.register("Linear", Product())
WRITERS.register("Affine", FixedPoint())
WRITERS.register("Relu", POSITIVE)
WRITERS.register("Fire", Neurons())
WRITERS.register("Add", ADDED)
WRITERS.register("SumPool", SumOfWindow())
WRITERS.register("SumTime", OverTime())
WRITERS.register("MaxPool", LargestOfWindow())
WRITERS.register("SpikingMaxPool", GrowthOfWindow())
WRITERS.register("Reshape", Rearranged())
WRITERS.register("Permute", Turned())
WRITERS.register("Concat", Joined())
WRITERS.register("Slice", Sliced())
WRITERS.register("Upsample", Enlarged())
WRITERS.register("MatMul", ProductOfEdges())
WRITERS.register("Accumulate", SumSoFar())
WRITERS.register("Difference", Growth())
WRITERS.register("Readout", Answer())
