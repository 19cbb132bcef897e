"""Frozen networks that settle: with other steps, and as the quantized network that they settle to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.ir import Affine, Dynamics, Fire, FrozenGraph, Graph, MaxPool, Node, Release, SpikingMaxPool

__all__ = ["quantized", "release_of", "with_steps"]


def release_of(net: FrozenGraph) -> Release:
    """The op that feeds the network.

    Raises:
        UserError: it has none: it is no converted network.
    """
    for release in net.graph.of(Release):
        return release
    raise UserError("network", net.graph.name, "it was not converted: its images are not released over steps")


STEPPED: Mapping[str, Callable[[Any, int, int], Node]] = MappingProxyType(
    {
        Release.op: lambda node, T, ends: replace(node, T=T, steps=min(ends, T)),
        Fire.op: lambda node, T, ends: replace(node, T=T),
        Affine.op: lambda node, T, ends: node if node.steps is None else replace(node, steps=min(ends, T)),
    }
)
"""Ops that know how many steps there are: what they are for ``T`` of them, of which images are there for ``ends``."""


def with_steps(net: FrozenGraph, T: int) -> FrozenGraph:
    """The same network for ``T`` steps."""
    before = release_of(net)
    ends = before.steps if before.steps < before.T else T  # what never ended does not end now
    nodes = (STEPPED[node.op](node, T, ends) if node.op in STEPPED else node for node in net.graph.nodes)
    return replace(net, graph=Graph(net.graph.name, tuple(nodes)))


def quantized(net: FrozenGraph, levels: Mapping[str, int]) -> FrozenGraph:
    """The QANN in the integers of its SNN, as a network of one step: paper 003's Eq. 9.

    What is linear is the SNN's. What is not comes from the QANN: images and offsets whole, each neuron
    ``clip(floor(x/V_thr + 1/2), 0, n)``, each spiking max pool a max pool. An SNN whose neurons, pools or release are
    wrong does not equal it.

    Args:
        net: the frozen SNN.
        levels: ``n`` of each layer of neurons of the QANN; the largest is how many parts an image has.

    Raises:
        UserError: neurons that the QANN does not have, one at the output, say.
    """
    whole = _Whole(net, levels, dict(net.tensors))
    nodes = (AT_ONCE[node.op](whole, node) if node.op in AT_ONCE else node for node in net.graph.nodes)
    return replace(net, graph=Graph(net.graph.name, tuple(nodes)), tensors=whole.tensors)


@dataclass(frozen=True)
class _Whole:
    """A converted network whose images and offsets come at once; ``tensors`` are changed as its ops are made."""

    net: FrozenGraph
    levels: Mapping[str, int]
    tensors: dict[str, NDArray[np.signedinteger[Any]]]

    def release(self, node: Release) -> Node:
        channels, parts = self.net.graph.edges[node.name].shape[0], max(self.levels.values())
        self.tensors[f"{node.name}.multiplier"] = np.full(channels, parts, dtype=np.int64)
        self.tensors[f"{node.name}.offset"] = np.zeros(channels, dtype=np.int64)
        return Affine(name=node.name, inputs=node.inputs, fraction_bits=0)

    def affine(self, node: Affine) -> Node:
        if node.steps is None:  # it stands before the release, or offsets nothing
            return node
        offset = self.tensors[f"{node.name}.offset"].astype(np.int64)
        self.tensors[f"{node.name}.offset"] = offset * max(self.levels.values())
        return replace(node, steps=None)

    def max_pool(self, node: SpikingMaxPool) -> Node:
        window: dict[str, Any] = {"kernel_size": node.kernel_size, "stride": node.stride, "padding": node.padding}
        return MaxPool(name=node.name, inputs=node.inputs, **window)

    def fire(self, node: Fire) -> Node:
        if node.name not in self.levels:
            raise UserError("neuron", node.name, f"the QANN has none there; it has {', '.join(self.levels)}")
        if not isinstance(node.dynamics, Dynamics):
            raise node.refuse(type(node.dynamics).__name__, "wants neurons that a conversion makes")
        dynamics = replace(node.dynamics, tracer=None, v_init=0, rounds=True)
        return replace(node, T=1, lo=0, hi=self.levels[node.name], dynamics=dynamics)


AT_ONCE: Mapping[str, Callable[[_Whole, Any], Node]] = MappingProxyType(
    {
        Release.op: _Whole.release,
        Affine.op: _Whole.affine,
        Fire.op: _Whole.fire,
        SpikingMaxPool.op: _Whole.max_pool,
    }
)
"""Ops that are others in the quantized network."""
