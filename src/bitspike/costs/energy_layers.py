"""What an energy model reads of a network: the shape of every layer, the events that reach it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bitspike.costs.activity import Activity
from bitspike.costs.paths import Stream, depths, streams
from bitspike.ir import Fire, Graph, MatMul, Synapse

__all__ = ["PARTS", "Layer", "LayerEnergy", "Load", "layers", "loads", "summed"]

PARTS = ("potentials", "weights", "bias", "in_out", "synaptic", "addressing")


@dataclass(frozen=True, kw_only=True)
class LayerEnergy:
    """One layer, or all together: nJ per inference; ``None`` is what the model does not count.

    Attributes:
        potentials, weights, bias, in_out: accesses to the memory of each; ``memory`` is their sum.
        synaptic: operations of synapses and neurons. addressing: those that find the addresses.
        total: of all parts.
    """

    name: str
    potentials: float | None = None
    weights: float | None = None
    bias: float | None = None
    in_out: float | None = None
    synaptic: float | None = None
    addressing: float | None = None
    memory: float | None = field(init=False)
    total: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", _sum(getattr(self, part) for part in PARTS[:4]))
        object.__setattr__(self, "total", _sum(getattr(self, part) for part in PARTS) or 0.0)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The shape of one layer. Neurons behind a sum of spikes are one too: a 1x1 tap of weight 1 that is not stored.

    A product of two activations is one whose input is its gate (`bitspike.ir.MatMul.gate`): the other activation
    stands in the place of the weights, and is ``written`` there at each step.

    Attributes:
        name: of the op. linear: fully connected.
        inputs, outputs: elements of one step. channels: output channels.
        weights: entries. macs: multiply-accumulates of one step, padding counted. biased: own bias, or batch norm's.
        taps: ``k^2``. spread: ``ceil(k / stride)^2``, most outputs of one channel that an input feeds.
        fan: output channels that an input feeds.
        written: entries in the place of weights that are written at each step.
    """

    name: str
    linear: bool = False
    inputs: int
    outputs: int
    channels: int
    weights: int = 0
    macs: int = 0
    biased: bool = False
    taps: int = 1
    spread: int = 1
    fan: int = 1
    written: int = 0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one inference, over all steps, brings to a layer and takes from it.

    Attributes:
        T: steps of the neurons. steps: those of the input; 1 is held.
        events: ``theta``, inputs that are not 0. sent: ``theta_o``, spikes of the neurons behind the layer.
        share: of the input elements that are not 0.
        sops: synaptic operations, borders counted as they are; 0 without weights.
        levels: the largest ``|level|`` of an event; ``None`` where the input is no spike but a pixel or an activation.
        mean_level: of the events, weighted by the outputs they feed; ``None`` where levels were not measured.
    """

    layer: Layer
    T: int
    steps: int
    events: float
    sent: float
    share: float
    sops: float
    levels: int | None
    mean_level: float | None


def layers(graph: Graph) -> tuple[Layer, ...]:
    """Every layer with weights and every product of activations, in order."""
    synapses = {node.name: node for node in graph.synapses()}
    others = (node for node in graph.nodes if node.name not in synapses and node.constants(*graph.read(node)))
    normed = {source for node in others for source in node.inputs}
    found = {name: _layer(graph, node, node.bias or name in normed) for name, node in synapses.items()}
    found |= {node.name: _product(graph, node, node.name in normed) for node in graph.products()}
    return tuple(found[node.name] for node in graph.nodes if node.name in found)


def loads(graph: Graph, activity: Activity) -> tuple[Load, ...]:
    """Every layer with weights and every layer of neurons behind none, in order, with what was measured.

    Where several layers feed the same neurons, as a shortcut does, the one behind most layers sends their spikes.
    """
    flowing, fed = streams(graph, activity), _fed(graph)
    neurons = {node.name: node for node in graph.neurons()}
    shape = {layer.name: layer for layer in layers(graph)}
    fires: dict[str, list[Fire]] = {name: [] for name in shape}  # whose currents a layer adds to
    sent = dict.fromkeys(shape, 0.0)
    for name, sources in fed.items():
        for source in sources:
            fires[source].append(neurons[name])
        if sources:
            sent[sources[0]] += activity.neurons[name].spikes / activity.images
    found = {}
    for node in graph.nodes:
        if not isinstance(node, Synapse | MatMul):
            continue
        T = max([graph.edges[node.name].T, *(fire.T for fire in fires[node.name])])
        gate = node.inputs[_gate(graph, node)]
        stream = flowing.get(gate)
        if stream is not None and isinstance(node, MatMul):  # what is held is read at each step
            stream = stream.repeated(graph.edges[node.name].T // graph.edges[gate].T)
        found[node.name] = _load(graph, node, shape[node.name], T, sent[node.name], stream, activity)
    for name, neuron in neurons.items():
        if not fed[name]:
            found[name] = _barrier(graph, neuron, flowing.get(neuron.inputs[0]), activity)
    return tuple(found[node.name] for node in graph.nodes if node.name in found)


def summed(found: Iterable[LayerEnergy], name: str = "total") -> LayerEnergy:
    """All together, part by part."""
    found = tuple(found)
    return LayerEnergy(name=name, **{part: _sum(getattr(layer, part) for layer in found) for part in PARTS})


def _gate(graph: Graph, node: Synapse | MatMul) -> int:
    """Which of its inputs has the events that it counts."""
    return node.gate(*graph.read(node)) if isinstance(node, MatMul) else 0


def _product(graph: Graph, node: MatMul, biased: bool) -> Layer:
    edges, out = graph.read(node), graph.edges[node.name]
    gate = node.gate(*edges)
    fan = node.fan(*edges)
    return Layer(
        name=node.name,
        inputs=edges[gate].size,
        outputs=out.size,
        channels=fan,
        weights=edges[1 - gate].size,
        macs=node.macs(*edges),
        biased=biased,
        fan=fan,
        written=edges[1 - gate].size,
    )


def _layer(graph: Graph, node: Synapse, biased: bool) -> Layer:
    edge, out = graph.input_edge(node), graph.edges[node.name]
    return Layer(
        name=node.name,
        linear=node.fully_connected(edge),
        inputs=edge.size,
        outputs=out.size,
        channels=node.out_channels,
        weights=node.weight_count(edge),
        macs=node.macs(edge),
        biased=biased,
        taps=node.taps,
        spread=node.spread,
        fan=node.fan,
    )


def _load(
    graph: Graph,
    node: Synapse | MatMul,
    layer: Layer,
    T: int,
    sent: float,
    stream: Stream | None,
    activity: Activity,
) -> Load:
    seen = activity.synapses[node.name]
    events, levels, mean = seen.events / activity.images, None, None
    if stream is not None and stream.highest is not None:
        levels = stream.highest
        merged, events = events, stream.events if stream.events is not None else events
        if seen.additions is not None:  # as many levels in all, whether the events of two paths are merged or not
            mean = 1.0
            if seen.sops and events:
                each = seen.additions / seen.sops
                mean = each if isinstance(node, MatMul) else each * merged / events
    return Load(
        layer=layer,
        T=T,
        steps=max(edge.T for edge in graph.read(node)),
        events=events,
        sent=sent,
        share=seen.events / seen.elements,
        sops=seen.sops / activity.images,
        levels=levels,
        mean_level=mean,
    )


def _barrier(graph: Graph, node: Fire, stream: Stream | None, activity: Activity) -> Load:
    """Neurons that add spikes up, or that read the images, where each pixel is an event."""
    edge = graph.input_edge(node)
    pixels = float(edge.size * edge.T)
    stream = stream or Stream(events=pixels, highest=1, level_sum=pixels)
    events = pixels if stream.events is None else stream.events
    return Load(
        layer=Layer(name=node.name, inputs=edge.size, outputs=edge.size, channels=edge.shape[0]),
        T=node.T,
        steps=edge.T,
        events=events,
        sent=activity.neurons[node.name].spikes / activity.images,
        share=1.0,
        sops=0.0,
        levels=stream.highest or 1,
        mean_level=None if stream.level_sum is None else stream.level_sum / events if events else 1.0,
    )


def _fed(graph: Graph) -> dict[str, list[str]]:
    """By layer of neurons, the layers with weights whose currents it sums, the one behind most others first."""
    depth, neurons = depths(graph), {node.name for node in graph.neurons()}
    layers = (*graph.synapses(), *graph.products())
    feeding = {node.name: frozenset({node.name}) for node in layers}
    found = {}
    for node in graph.nodes:
        if node.name in feeding:
            continue
        feeding[node.name] = frozenset().union(*(feeding[source] for source in node.inputs))
        if node.name in neurons:
            found[node.name] = sorted(feeding[node.name], key=lambda name: (-depth[name], name))
            feeding[node.name] = frozenset()
    return found


def _sum(parts: Iterable[float | None]) -> float | None:
    """Of what is counted; ``None`` where nothing is."""
    counted = [part for part in parts if part is not None]
    return sum(counted) if counted else None
