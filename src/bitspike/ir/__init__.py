"""The graph: a network as data, without torch."""

from bitspike.ir.edge import Edge
from bitspike.ir.frozen import FrozenGraph, tensor_shapes
from bitspike.ir.graph import Graph
from bitspike.ir.netfile import load, save
from bitspike.ir.ops import (
    OPS,
    Add,
    Affine,
    Conv,
    Dynamics,
    Fire,
    Input,
    Linear,
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
)

__all__ = [
    "OPS",
    "Add",
    "Affine",
    "Conv",
    "Dynamics",
    "Edge",
    "Fire",
    "FrozenGraph",
    "Graph",
    "Input",
    "Linear",
    "MaxPool",
    "Node",
    "Readout",
    "Release",
    "Relu",
    "Reshape",
    "Store",
    "SumPool",
    "SumTime",
    "Synapse",
    "load",
    "save",
    "tensor_shapes",
]
