"""A network that takes one step at a time: which can, what a step of one is, and the definition that runs it."""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError
from bitspike.ir.graph import Graph
from bitspike.ir.ops import Delay, Int, Node, Readout

if TYPE_CHECKING:
    from bitspike.ir.frozen import FrozenGraph

__all__ = ["Stepper", "check_steps", "codes_of_steps", "one_step", "steps_of"]


def steps_of(graph: Graph) -> int:
    """Steps that the network takes."""
    return max(edge.T for edge in graph.edges.values())


def check_steps(graph: Graph) -> None:
    """That every op answers at a step without the later ones, and all have the same steps.

    Raises:
        UserError: one has not.
    """
    T = steps_of(graph)
    for node in graph.nodes:
        read = graph.read(node)
        if node.adds_steps and not isinstance(node, Readout) and read[0].T > 1:
            raise node.refuse(f"the sum over {read[0].T} steps", "it waits for the last: no step by step before it")
        if graph.edges[node.name].T not in (1, T):
            raise node.refuse(f"{graph.edges[node.name].T} steps", f"step by step all ops take the same, which is {T}")
    if not [*graph.readouts()]:
        raise UserError("graph", graph.name, "want a readout, which answers at each step")


def codes_of_steps(net: FrozenGraph, codes: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """What comes in at each step, ``[N, *shape]``, of whole inputs: an image comes at every one.

    Raises:
        UserError: these are no codes of the network's input.
    """
    (first,) = net.graph.inputs()
    given = first.codes(codes)
    return [given if first.edge.T == 1 else given[:, t] for t in range(steps_of(net.graph))]


def one_step(graph: Graph) -> Graph:
    """The same ops, where every edge is of one step: what is computed at each of them."""
    made = copy.copy(graph)
    edges = {name: edge.at_one_step() for name, edge in graph.edges.items()}
    object.__setattr__(made, "edges", MappingProxyType(edges))
    return made


class Stepper:
    """Runs a network step by step, its state carried: equal to the oracle's run of all steps, step for step.

    Its state is what each op says that it carries (`bitspike.ir.Node.advance`); ranges are proven for the ``T`` steps
    of the network, so it takes no more of them.

    Args:
        net: the network.

    Attributes:
        T: steps of the network. t: how many have been taken since the reset.
        edges: every edge at the last step taken, ``[1, N, *shape]`` by name.

    Raises:
        UserError: an op that answers after all steps alone, by name.
    """

    def __init__(self, net: FrozenGraph) -> None:
        check_steps(net.graph)
        self.net = net
        self.T = steps_of(net.graph)
        self.delays = [*net.graph.delays()]
        self.reset()

    def reset(self) -> None:
        """The next step is the first again."""
        self.t = 0
        self.edges: dict[str, Int] = {}
        self._state: dict[str, Any] = {}

    def step(self, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The next step of a network of one output.

        Args:
            codes: of the input at that step, uint8 ``[N, *shape]``; an image is given at every step.

        Returns:
            The answer so far, ``[N, K]``: the sum of the logits of all steps up to this, or those of this step alone.

        Raises:
            UserError: as of `outputs`, or the network has several outputs.
        """
        _ = self.net.readout  # refused before a step is taken
        return self.outputs(codes)[0]

    def outputs(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], ...]:
        """The next step.

        Args:
            codes: of the input at that step, uint8 ``[N, *shape]``; an image is given at every step.

        Returns:
            Of each output the answer so far, ``[N, *shape]``: the sum of all steps up to this, or this step alone.

        Raises:
            UserError: all steps were taken, or the codes are not of the input's shape or of as many inputs as before.
        """
        if self.t == self.T:
            raise UserError("step", self.t, f"the network has {self.T} steps; reset it before the next sequence")
        before = next((x.shape[1] for x in self.edges.values()), None)
        if before is not None and np.shape(codes)[:1] != (before,):
            raise UserError("codes", np.shape(codes), f"want {before} inputs, as at the steps before")
        edges: dict[str, Int] = {}
        for node in self.net.graph.nodes:
            edges[node.name] = self._advanced(node, codes, *(edges[name] for name in node.inputs))
        self._state |= {delay.name: edges[delay.of] for delay in self.delays}
        self.edges, self.t = edges, self.t + 1
        return tuple(edges[node.name][0].astype(np.int64) for node in self.net.readouts)

    def _advanced(self, node: Node, codes: NDArray[np.uint8], *x: Int) -> Int:
        net, edges = self.net, self.net.graph.edges
        tensors, proven, word = net.graph.tensors_of(node, net.tensors), net.ranges[node.name], net.words[node.name]
        given = [edge.astype(word, copy=False) for edge in x] if x else [codes]
        held = all(edges[name].T == 1 for name in (node.name, *node.inputs))
        if held and not isinstance(node, Delay):  # the same at every step, from whatever is the same
            made = node.step(tensors, proven, *given)
        else:
            made, self._state[node.name] = node.advance(tensors, proven, self.t, self._state.get(node.name), *given)
        return made.astype(proven.dtype, copy=False)
