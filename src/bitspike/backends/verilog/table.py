"""The one table of this backend: from an op's class, by name, to how it becomes hardware."""

from __future__ import annotations

from typing import Any

from bitspike.backends.verilog import rows
from bitspike.backends.verilog.row import Row
from bitspike.registry import Registry

__all__ = ["ROWS"]

ROWS: Registry[Row[Any]] = Registry("op in Verilog")
ROWS.register("Input", rows.Pixels())
ROWS.register("Release", rows.Train())
ROWS.register("Conv", rows.Convolution())
ROWS.register("Linear", rows.Product())
ROWS.register("Affine", rows.Channelwise())
ROWS.register("Relu", rows.Positive())
ROWS.register("Fire", rows.Neurons())
ROWS.register("Add", rows.Together())
ROWS.register("SumPool", rows.SumOfWindow())
ROWS.register("SumTime", rows.Total())
ROWS.register("MaxPool", rows.LargestOfWindow())
ROWS.register("SpikingMaxPool", rows.GrowthOfWindow())
ROWS.register("Reshape", rows.Rearranged())
ROWS.register("Permute", rows.Transposed())
ROWS.register("MatMul", rows.Matrices())
ROWS.register("Accumulate", rows.SoFar())
ROWS.register("Difference", rows.Growth())
ROWS.register("Delay", rows.Before())
ROWS.register("Readout", rows.Answer())
