"""Events on the paths of a network: what arrives at each layer, and how much of it came through the shortcuts.

An event is an output that is not 0, whatever its level or sign. Each op says what it hands on (`bitspike.ir.stream`):
where spikes are added after firing, the events of both paths go on to every reader. Two of one place are two, as paper
004 counts them (its spike avalanche, Section 4.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bitspike.costs.activity import Activity
from bitspike.ir import Graph, Node
from bitspike.ir.stream import Stream

__all__ = ["Join", "Paths", "depths", "paths", "streams"]


@dataclass(frozen=True, kw_only=True)
class Join:
    """A place where spikes of two paths are added. All numbers are events per image, ``None`` where not measured.

    Attributes:
        name: of the addition.
        direct: from the path with more layers (``block_i`` of paper 004, Fig. 10). residual: from the shortcut.
        joined: what goes on: the spikes of the neuron behind the sum or, without one, direct + residual.
        barrier: that neuron.
    """

    name: str
    direct: float | None
    residual: float | None
    joined: float | None
    barrier: str | None


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The joins of a network, and its activity by both counts, per image.

    Attributes:
        spikes: what neurons fired.
        events: paper 004's total activity: outputs of all neurons, and of the sums that no neuron stands behind.
    """

    joins: tuple[Join, ...]
    spikes: float
    events: float | None


def streams(graph: Graph, activity: Activity) -> dict[str, Stream]:
    """What flows on every edge that carries spikes, by op name: from neurons, and on through ops."""
    seen, found = _seen_by_readers(graph, activity), _sent(graph, activity)
    for node in graph.nodes:
        spikes = [found[source] for source in node.inputs if source in found]
        if node.name in found or len(spikes) < len(node.inputs):
            continue
        made = node.stream(graph.read(node), spikes, seen.get(node.name))
        if made is not None:
            found[node.name] = made
    return found


def _sent(graph: Graph, activity: Activity) -> dict[str, Stream]:
    """Spikes of each layer of neurons."""
    found = {}
    for node in graph.neurons():
        seen = activity.neurons[node.name]
        known = seen.level_sum > 0 or seen.spikes == 0
        level_sum = seen.level_sum / activity.images if known else None
        found[node.name] = Stream(seen.spikes / activity.images, graph.edges[node.name].highest, level_sum)
    return found


def _seen_by_readers(graph: Graph, activity: Activity) -> dict[str, float]:
    """Events of an image on the edges that layers with weights read, also where these read them in another order."""
    nodes = {node.name: node for node in graph.nodes}
    seen: dict[str, float] = {}
    for synapse in graph.synapses():
        name = synapse.inputs[0]
        seen[name] = activity.synapses[synapse.name].events / activity.images
        while nodes[name].same_elements:
            name = nodes[name].inputs[0]
            seen[name] = activity.synapses[synapse.name].events / activity.images
    return seen


def paths(graph: Graph, activity: Activity) -> Paths:
    """Events of the direct path, the shortcut and the sum, wherever spikes of two paths are added."""
    flowing, depth = streams(graph, activity), depths(graph)
    behind: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for source in node.inputs:
            behind[source].append(node)
    joins = []
    neurons = {node.name for node in graph.neurons()}
    for node in graph.nodes:
        if not node.adds_paths or node.name not in flowing:
            continue
        direct, residual = sorted(node.inputs, key=depth.__getitem__, reverse=True)
        (reader,) = behind[node.name] if len(behind[node.name]) == 1 else (None,)
        barrier = reader.name if reader is not None and reader.name in neurons else None
        joins.append(
            Join(
                name=node.name,
                direct=flowing[direct].events,
                residual=flowing[residual].events,
                joined=flowing[barrier or node.name].events,
                barrier=barrier,
            )
        )
    spikes = sum(activity.neurons[node.name].spikes for node in graph.neurons()) / activity.images
    events = _sum([spikes, *(join.joined for join in joins if join.barrier is None)])
    return Paths(joins=tuple(joins), spikes=spikes, events=events)


def depths(graph: Graph) -> dict[str, int]:
    """Layers with weights on the longest way from the images to each op."""
    depth: dict[str, int] = {}
    synapses = {node.name for node in graph.synapses()}
    for node in graph.nodes:
        depth[node.name] = max((depth[source] for source in node.inputs), default=0) + (node.name in synapses)
    return depth


def _sum(parts: Iterable[float | None]) -> float | None:
    """``None`` where one was not measured."""
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total
