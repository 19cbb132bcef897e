"""The state of a network while it is frozen: what is written so far, and how a sum is written in fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bitspike.intmath import round_half_up
from bitspike.ir import Add, Affine, Concat, Edge, Graph, Node, Permute, Release
from bitspike.lowering.fixed_point import MOST_RELEASED_BITS, WIDE_WORD, fraction_bits, multiplier_shift, rounded
from bitspike.lowering.values import Joined, Sum

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
        self._permuted: dict[tuple[str, tuple[int, ...]], str] = {}
        self._orders: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._summed: dict[str, Sum] = {}

    def edge(self, node: Node) -> Edge:
        """The output edge of a node of the structural graph."""
        return self.graph.edges[node.name]

    def emit(self, node: Node, *inputs: str) -> None:
        """Writes a frozen op that reads ``inputs``."""
        self.nodes.append(replace(node, inputs=inputs))
        if isinstance(node, Permute):
            self._orders[node.name] = inputs[0], node.axes

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
            self.tensors[f"{name}.multiplier"] = rounded(
                reader, alpha * 2.0 ** (fraction + shift), reach, fraction + shift
            )
            self.tensors[f"{name}.offset"] = round_half_up(offset * 2.0**fraction)
            self.emit(Affine(name=name, inputs=(), fraction_bits=fraction, shift=shift, steps=steps), source)
            if joined:
                self.emit(Add(name=f"{reader}.sum{index}", inputs=()), joined, name)
                name = f"{reader}.sum{index}"
            joined = name
        return self.permuted(joined, total.order) if total.order else joined

    def summed(self, joined: Joined) -> Sum:
        """Spikes of unlike scales as a sum of one term: what joins them is emitted once, for the first who reads it."""
        if joined.name not in self._summed:
            terms = [part.terms(channels) for part, channels in zip(joined.parts, joined.channels, strict=True)]
            self._summed[joined.name] = self.joined(joined.name, terms)
        return self._summed[joined.name]

    def joined(self, name: str, sums: list[Sum]) -> Sum:
        """Sums one after the other along their channels. One with fewer terms has one again, times 0."""
        parts = []
        for index in range(max(len(one.parts) for one in sums)):
            terms = [one.parts[index] if index < len(one.parts) else (one.parts[0][0], one.beta * 0, 0) for one in sums]
            term = f"{name}.term{index}" if index else name
            self.emit(Concat(name=term, inputs=()), *(source for source, _, _ in terms))
            reach = [np.broadcast_to(np.float64(most), alpha.shape) for _, alpha, most in terms]
            parts.append((term, np.concatenate([alpha for _, alpha, _ in terms]), np.concatenate(reach)))
        return Sum(tuple(parts), np.concatenate([one.beta for one in sums]))

    def permuted(self, source: str, axes: tuple[int, ...]) -> str:
        """An edge with its axes in another order: the name of the op, which is emitted once for all who read it so."""
        if (undone := self._orders.get(source)) and tuple(undone[1][axis] for axis in axes) == tuple(range(len(axes))):
            return undone[0]  # they were in that order before
        if (source, axes) not in self._permuted:
            name = f"{source}.axes{''.join(map(str, axes))}"
            self.emit(Permute(name=name, inputs=(), axes=axes), source)
            self._permuted[source, axes] = name
        return self._permuted[source, axes]

    def laid(self, node: Node, total: Sum, order: tuple[int, ...] = (), source: str = "") -> Sum:
        """The same sum with its terms in another ``order``, for the op ``node`` that reads it from ``source``.

        That is its first input, unless it is said: of some ops all inputs have one shape.

        Raises:
            UserError: its channels have factors of their own, and would not be the first axis of the terms.
        """
        if total.order == order:
            return total
        axes = total.order or tuple(range(len(order)))
        wanted = order or tuple(range(len(axes)))
        moved = tuple(axes[wanted.index(axis)] for axis in range(len(wanted)))
        if moved[0] != 0 and not total.uniform:
            channels = f"a current whose channels are axis {axes.index(0)} of {len(axes)}"
            raise node.refuse(channels, "wants them to be the first: transpose it, or put a neuron before it")
        parts = tuple((self.permuted(name, moved), alpha, reach) for name, alpha, reach in total.parts)
        if moved[0] == 0:
            return replace(total, parts=parts, order=order)
        edge = self.graph.edges[source or node.inputs[0]].shape
        channels_there = edge[wanted.index(0)]
        largest = (reach if isinstance(reach, int) else np.full(channels_there, reach.max()) for _, _, reach in parts)
        parts = tuple(
            (name, np.full(channels_there, alpha[0]), most)
            for (name, alpha, _), most in zip(parts, largest, strict=True)
        )
        return Sum(parts, np.full(channels_there, total.beta[0]), order)
