"""The state of a network while it is frozen: what is written so far, and how a sum is written in fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bitspike.intmath import round_half_up
from bitspike.ir import Add, Affine, Edge, Graph, Node, Release
from bitspike.lowering.fixed_point import MOST_RELEASED_BITS, WIDE_WORD, fraction_bits, multiplier_shift
from bitspike.lowering.values import Sum

__all__ = ["Freezer"]


class Freezer:
    """What the rules of the ops write their integers into.

    Attributes:
        graph: the structural one.
        modules: what each op was made from, by the op's name.
        nodes, tensors: of the frozen network, so far.
        release: the op that releases the images over the first steps; ``None`` where they are held.
    """

    def __init__(self, graph: Graph, modules: Mapping[str, nn.Module]) -> None:
        self.graph, self.modules = graph, modules
        self.release: Release | None = None
        self.nodes: list[Node] = []
        self.tensors: dict[str, NDArray[np.int64]] = {}

    def edge(self, node: Node) -> Edge:
        """The output edge of a node of the structural graph."""
        return self.graph.edges[node.name]

    def emit(self, node: Node, *inputs: str) -> None:
        """Writes a frozen op that reads ``inputs``."""
        self.nodes.append(replace(node, inputs=inputs))

    def fraction(self, node: Node, largest: float, total: Sum, sent: int = 0) -> int:
        """Bits after the point that a magnitude of ``largest`` leaves.

        Where images are released, they are those beside all that ``total`` adds up to and the ``sent`` thresholds.
        """
        if self.release is None:
            return fraction_bits(node, largest)
        over_steps = replace(total, beta=total.beta * self.release.steps).largest() + sent
        return fraction_bits(node, over_steps, MOST_RELEASED_BITS, WIDE_WORD)

    def fixed_point(self, reader: str, total: Sum, fraction: int) -> str:
        """Emits the sum with ``fraction`` bits after the point; the offset goes to the first term. Names the edge."""
        steps = None if self.release is None else self.release.steps
        joined = ""
        for index, (source, alpha, reach) in enumerate(total.parts):
            name = f"{reader}.current{index}"
            offset = total.beta if index == 0 else np.zeros_like(total.beta)
            shift = 0 if steps else multiplier_shift(alpha * 2.0**fraction, reach)
            self.tensors[f"{name}.multiplier"] = round_half_up(alpha * 2.0 ** (fraction + shift))
            self.tensors[f"{name}.offset"] = round_half_up(offset * 2.0**fraction)
            self.emit(Affine(name=name, inputs=(), fraction_bits=fraction, shift=shift, steps=steps), source)
            if joined:
                self.emit(Add(name=f"{reader}.sum{index}", inputs=()), joined, name)
                name = f"{reader}.sum{index}"
            joined = name
        return joined
