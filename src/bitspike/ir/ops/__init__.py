"""The ops of the graph, a file for each family. A class is an op's only home.

It has the equation, the fields and what they may be, the rule for the output edge, the range and the meaning in
integers, the tensors, and what a cost asks. ``Equation:``, ``Units:``, ``Range:`` and ``Args:`` of the docstrings are
the table of docs/ir-spec.md, which tools/ir_spec.py writes.
"""

from bitspike.ir.ops.arithmetic import Add, Affine, Relu
from bitspike.ir.ops.delay import Delay
from bitspike.ir.ops.dynamics import DYNAMICS, AnyDynamics, Dynamics, Store
from bitspike.ir.ops.ends import Input, Over, Readout
from bitspike.ir.ops.linear import Conv, Linear, Synapse, TokenLinear
from bitspike.ir.ops.neurons import Fire
from bitspike.ir.ops.node import Int, Node
from bitspike.ir.ops.pooling import MaxPool, Pool, SpikingMaxPool, SumPool
from bitspike.ir.ops.product import MatMul
from bitspike.ir.ops.program import Instruction, Operand, Program, Quantizer, Step, Term
from bitspike.ir.ops.routes import Concat, Slice, Upsample
from bitspike.ir.ops.shape import Permute, Reshape, Times
from bitspike.ir.ops.time import Accumulate, Difference, Release, SumTime
from bitspike.registry import Registry

__all__ = [
    "DYNAMICS",
    "OPS",
    "Accumulate",
    "Add",
    "Affine",
    "AnyDynamics",
    "Concat",
    "Conv",
    "Delay",
    "Difference",
    "Dynamics",
    "Fire",
    "Input",
    "Instruction",
    "Int",
    "Linear",
    "MatMul",
    "MaxPool",
    "Node",
    "Operand",
    "Over",
    "Permute",
    "Pool",
    "Program",
    "Quantizer",
    "Readout",
    "Release",
    "Relu",
    "Reshape",
    "Slice",
    "SpikingMaxPool",
    "Step",
    "Store",
    "SumPool",
    "SumTime",
    "Synapse",
    "Term",
    "Times",
    "TokenLinear",
    "Upsample",
]

OPS = Registry[type[Node]]("op")
"""Every op of a frozen graph by the name that it has in files and in docs/ir-spec.md."""
for _kind in (
    Input,
    Delay,
    Release,
    Conv,
    Linear,
    Affine,
    Relu,
    Fire,
    Add,
    SumPool,
    SumTime,
    Accumulate,
    Difference,
    MaxPool,
    SpikingMaxPool,
    Reshape,
    Permute,
    Concat,
    Slice,
    Upsample,
    MatMul,
    Readout,
):
    OPS.register(_kind.op, _kind)
