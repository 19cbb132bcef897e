"""Frozen networks that settle: with other steps, and as the quantized network that they settle to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitspike.errors import UserError
from bitspike.ir import Affine, Dynamics, Fire, FrozenGraph, Graph, Node, Release

__all__ = ["quantized", "release_of", "with_steps"]


def release_of(net: FrozenGraph) -> Release:
    """The op that feeds the network.

    Raises:
        UserError: it has none: it is no converted network.
    """
    for node in net.graph.nodes:
        if isinstance(node, Release):
            return node
    raise UserError("network", net.graph.name, "it was not converted: its images are not released over steps")


def with_steps(net: FrozenGraph, T: int) -> FrozenGraph:
    """The same network for ``T`` steps."""
    before = release_of(net)
    ends = before.steps if before.steps < before.T else T  # what never ended does not end now
    nodes: list[Node] = []
    for node in net.graph.nodes:
        match node:
            case Release():
                node = replace(node, T=T, steps=min(ends, T))
            case Fire():
                node = replace(node, T=T)
            case Affine(steps=int()):
                node = replace(node, steps=min(ends, T))
        nodes.append(node)
    return FrozenGraph(Graph(net.graph.name, tuple(nodes)), net.tensors, net.dataset)


def quantized(net: FrozenGraph, levels: dict[str, int]) -> FrozenGraph:
    """The QANN in the integers of its SNN, as a network of one step: paper 003's Eq. 9.

    What is linear is the SNN's. What is not comes from the QANN: images and offsets whole, each neuron
    ``clip(floor(x/V_thr + 1/2), 0, n)``. An SNN whose neurons or release are wrong does not equal it.

    Args:
        net: the frozen SNN.
        levels: ``n`` of each layer of neurons of the QANN; the largest is how many parts an image has.

    Raises:
        UserError: neurons that the QANN does not have, one at the output, say.
    """
    parts = max(levels.values())
    nodes: list[Node] = []
    tensors = dict(net.tensors)
    for node in net.graph.nodes:
        match node:
            case Release():
                channels = net.graph.edges[node.name].shape[0]
                tensors[f"{node.name}.multiplier"] = np.full(channels, parts, dtype=np.int64)
                tensors[f"{node.name}.offset"] = np.zeros(channels, dtype=np.int64)
                node = Affine(name=node.name, inputs=node.inputs, fraction_bits=0)
            case Affine(steps=int()):  # others stand before the release, or offset nothing
                tensors[f"{node.name}.offset"] = tensors[f"{node.name}.offset"] * parts
                node = replace(node, steps=None)
            case Fire(dynamics=Dynamics() as d):
                if node.name not in levels:
                    raise UserError("neuron", node.name, f"the QANN has none there; it has {', '.join(levels)}")
                whole = replace(d, tracer=None, v_init=0, rounds=True)
                node = replace(node, T=1, lo=0, hi=levels[node.name], dynamics=whole)
        nodes.append(node)
    return FrozenGraph(Graph(net.graph.name, tuple(nodes)), tensors, net.dataset)
