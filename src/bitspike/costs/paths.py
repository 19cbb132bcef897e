"""Events on the paths of a network: what arrives at each layer, and how much of it came through the shortcuts.

An event is an output that is not 0, whatever its level or sign. Where spikes are added after firing, the events of both
paths go on to every reader: two of one place are two, as paper 004 counts them (its spike avalanche, Section 4.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

from bitspike.costs.activity import Activity
from bitspike.ir import Add, Fire, Graph, MaxPool, Node, Reshape, SumPool, SumTime, Synapse

__all__ = ["Join", "Paths", "Stream", "depths", "paths", "streams"]


@dataclass(frozen=True)
class Stream:
    """The spikes on one edge.

    Attributes:
        events: per image, at all steps; ``None`` behind a pool or a sum over time that no layer with weights reads.
        highest: ``N``, the largest ``|level|`` of one event; ``None`` where it is on no known grid.
        level_sum: sum of ``|level|`` per image; ``None`` where not measured.
    """

    events: float | None
    highest: int | None
    level_sum: float | None


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
    """What flows on every edge that carries spikes, by op name.

    Pools and sums over time hand on as many as their reader counts; an addition adds their number.
    """
    nodes = {node.name: node for node in graph.nodes}
    measured: dict[str, float] = {}
    for synapse in graph.synapses():
        name = synapse.inputs[0]
        measured[name] = activity.synapses[synapse.name].events / activity.images
        while isinstance(nodes[name], Reshape):
            name = nodes[name].inputs[0]
            measured[name] = activity.synapses[synapse.name].events / activity.images
    found: dict[str, Stream] = {}
    for node in graph.nodes:
        edge, sources = graph.edges[node.name], [found.get(source) for source in node.inputs]
        spiking = [source for source in sources if source is not None]
        highest = None if edge.lo is None or edge.hi is None else max(-edge.lo, edge.hi)
        if isinstance(node, Fire):
            seen = activity.neurons[node.name]
            known = seen.level_sum > 0 or seen.spikes == 0
            level_sum = seen.level_sum / activity.images if known else None
            found[node.name] = Stream(seen.spikes / activity.images, highest, level_sum)
        elif len(spiking) < len(sources):
            continue
        elif isinstance(node, Add):
            held = [edge.T // graph.edges[source].T for source in node.inputs]  # one step is sent at every step
            highests = [stream.highest for stream in spiking if stream.highest is not None]
            found[node.name] = Stream(
                events=_sum((stream.events for stream in spiking), held),
                highest=max(highests) if len(highests) == len(spiking) else None,
                level_sum=_sum((stream.level_sum for stream in spiking), held),
            )
        elif isinstance(node, Reshape):
            found[node.name] = spiking[0]
        elif isinstance(node, MaxPool | SumPool | SumTime):
            found[node.name] = Stream(measured.get(node.name), highest, None)
    return found


def paths(graph: Graph, activity: Activity) -> Paths:
    """Events of the direct path, the shortcut and the sum, wherever spikes of two paths are added."""
    flowing, depth = streams(graph, activity), depths(graph)
    behind: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for source in node.inputs:
            behind[source].append(node)
    joins = []
    for node in graph.nodes:
        if not isinstance(node, Add) or node.name not in flowing:
            continue
        direct, residual = sorted(node.inputs, key=depth.__getitem__, reverse=True)
        (reader,) = behind[node.name] if len(behind[node.name]) == 1 else (None,)
        barrier = reader.name if isinstance(reader, Fire) else None
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
    for node in graph.nodes:
        depth[node.name] = max((depth[source] for source in node.inputs), default=0) + isinstance(node, Synapse)
    return depth


def _sum(parts: Iterable[float | None], times: Iterable[int] = repeat(1)) -> float | None:
    """``None`` where one was not measured."""
    total = 0.0
    for part, factor in zip(parts, times, strict=False):
        if part is None:
            return None
        total += part * factor
    return total
