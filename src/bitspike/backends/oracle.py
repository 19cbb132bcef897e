"""What a frozen graph means: NumPy, exact integers. Every other backend equals this, spike for spike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.ir import FrozenGraph, Node, Stepper
from bitspike.ir.frozen import largest_array
from bitspike.ir.ops import Int
from bitspike.ir.steps import codes_of_steps

__all__ = ["logits", "outputs", "run", "step"]

ELEMENTS_AT_A_TIME = 2**20


def run(net: FrozenGraph, images: NDArray[np.uint8]) -> dict[str, Int]:
    """Every edge of the network for a batch of images, each of NumPy's narrowest signed type that holds its range.

    Args:
        net: the network.
        images: codes ``[N, *net.sample.array_shape]``; of images the pixels ``[N, C, H, W]``, 0..255.

    Returns:
        ``[T, N, *shape]`` for each op, by name. Arithmetic on one widens it first.
    """
    if any(net.graph.delays()):
        return _step_by_step(net, images)
    edges: dict[str, Int] = {}
    for node in net.graph.nodes:
        edges[node.name] = step(net, node, images, *(edges[name] for name in node.inputs))
    return edges


def logits(net: FrozenGraph, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The answer ``[N, K]`` of a network of one output, or ``[N, T, K]`` of each step: the class is the first largest.

    Raises:
        UserError: the network has several outputs.
    """
    _ = net.readout
    return outputs(net, images)[0]


def outputs(net: FrozenGraph, images: NDArray[np.uint8]) -> tuple[NDArray[np.int64], ...]:
    """What the network answers: of each of its outputs ``[N, *shape]``, or ``[N, T, *shape]`` of each step.

    Runs as many images at once as fit in memory.
    """
    widest = max(largest_array(net.graph, node) for node in net.graph.nodes)
    size = max(1, min(100, ELEMENTS_AT_A_TIME // widest))
    batches = (images[i : i + size] for i in range(0, max(len(images), 1), size))
    return tuple(
        np.concatenate(parts) for parts in zip(*(_answers(net, run(net, some)) for some in batches), strict=True)
    )


def _answers(net: FrozenGraph, edges: dict[str, Int]) -> list[NDArray[np.int64]]:
    return [readout.logits(edges[readout.name]).astype(np.int64) for readout in net.readouts]


def step(net: FrozenGraph, node: Node, images: NDArray[np.uint8], *x: Int) -> Int:
    """The output edge of one op, given its input edges ``x``: what the op's class says (`bitspike.ir.ops`).

    A delay is given the edge that it delays. It is computed in the narrowest type that holds all that the op meets, and
    kept in the one that holds its range.
    """
    tensors, proven, word = net.graph.tensors_of(node, net.tensors), net.ranges[node.name], net.words[node.name]
    given = [edge.astype(word, copy=False) for edge in x] if x else [images]
    return node.step(tensors, proven, *given).astype(proven.dtype, copy=False)


def _step_by_step(net: FrozenGraph, images: NDArray[np.uint8]) -> dict[str, Int]:
    """A network with loops: each of its steps before the next; what is held, or adds up, is there at the last."""
    stepper, steps = Stepper(net), []
    for codes in codes_of_steps(net, images):
        stepper.outputs(codes)
        steps.append(stepper.edges)
    held = {name: steps[-1][name] for name, edge in net.graph.edges.items() if edge.T == 1}
    return {name: held.get(name, np.concatenate([edges[name] for edges in steps])) for name in net.graph.edges}
