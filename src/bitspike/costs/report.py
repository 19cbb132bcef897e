"""The cost of a network: every metric, per layer and in total, under one counting convention.

Units: MACs per image and step; S-ACE and NS-ACE in bit operations per image (paper 000, Eqs. 8 and 9);
SOPs and spikes per image; sizes and footprints in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bitspike.costs.activity import Activity, entropy
from bitspike.costs.counting import Counting, biases, counting, norm_constants
from bitspike.costs.energy import EnergyModel, EnergyReport, energy
from bitspike.costs.hardware import HardwareReport, HardwareSettings, hardware
from bitspike.costs.memory import Footprint, footprints
from bitspike.costs.paths import Paths, paths
from bitspike.ir import Graph, MatMul, Synapse

__all__ = ["CostReport", "LayerCost", "NeuronCost", "Total", "cost"]


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer with weights, or one product of two activations.

    The fields from ``firing_rate`` on are ``None`` without measured activity.

    Attributes:
        macs: ``n``, multiply-accumulates of one image at one step.
        w, s, t: weight bits, bits of an input element, steps. Of a product of two activations, which has no weights,
            ``s`` and ``w`` are the bits of its first input and of its second.
        s_ace: ``n*w*s*t``; 0 where the convention leaves the layer out, as ``counted`` tells.
        firing_rate: share of input elements that are not zero; of a product, of the pairs both of which are not.
        sops: synaptic operations. additions: unit additions, ``|level|`` for each.
        ns_ace: bit operations that spikes set off.
        weight_entropy: bits that a weight carries, of its ``w``; ``None`` for floats too.
        positive: share of the weights that are above 0.
    """

    name: str
    op: str
    counted: bool
    weights: int
    macs: int
    w: int
    s: int
    t: int
    bit_budget: int
    s_ace: int
    firing_rate: float | None = None
    sops: float | None = None
    additions: float | None = None
    ns_ace: float | None = None
    weight_entropy: float | None = None
    positive: float | None = None


@dataclass(frozen=True, kw_only=True)
class NeuronCost:
    """One layer of neurons: their number, steps and spike bits; where measured, what they sent.

    Attributes:
        spikes: per image. sparsity: share of the steps at which a neuron is silent.
        entropy: bits that it takes to know whether a neuron fires (paper 002, Eq. 12, over ln 2).
    """

    name: str
    neurons: int
    s: int
    t: int
    spikes: float | None = None
    sparsity: float | None = None
    entropy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Total:
    """Sums over the network. ``params`` counts weights, biases and two numbers for each batch-normed channel.

    ``weight_entropy`` and ``spike_entropy`` are means, in bits: over the weights of one bit, and over the neurons.
    """

    weights: int
    params: int
    size_bytes: float
    macs: int
    mean_bit_budget: float
    s_ace: int
    neurons: int
    sops: float | None = None
    additions: float | None = None
    ns_ace: float | None = None
    spikes: float | None = None
    weight_entropy: float | None = None
    spike_entropy: float | None = None


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """What a network costs, and by which count; ``memory``, ``paths`` and ``energy`` have counts of their own.

    ``paths`` is ``None`` without measured activity, ``energy`` where no model was asked for, ``hardware``
    where no device was.
    """

    model: str
    counting: str
    about: str
    left_out: tuple[str, ...]
    layers: tuple[LayerCost, ...]
    neurons: tuple[NeuronCost, ...]
    total: Total
    memory: tuple[Footprint, ...]
    activity: str | None
    paths: Paths | None
    energy: EnergyReport | None
    hardware: HardwareReport | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def cost(
    graph: Graph,
    counting_name: str = "exact",
    activity: Activity | None = None,
    batch: int = 1,
    energy_model: EnergyModel | str | None = None,
    on: HardwareSettings | None = None,
) -> CostReport:
    """Every metric of ``graph``.

    Args:
        graph: structural graph (`bitspike.lowering.lower`).
        counting_name: a key of `bitspike.costs.COUNTINGS`.
        activity: what was measured on real data; without it, SOPs, NS-ACE and spikes are ``None``.
        batch: images at once, which the memory footprint depends on.
        energy_model: a key of `bitspike.costs.ENERGIES`, or a model with constants of one's own.
        on: a device, and how many elements of it multiply at once.

    Raises:
        UserError: unknown convention or model, activity of another network, a batch of no images, or energy of a
            spiking network without activity.
    """
    rule = counting(counting_name)
    if activity is not None:
        activity.check(graph)
    left_out = rule.left_out(graph)
    layers = tuple(
        _layer(graph, node, rule, node.name not in left_out, activity)
        for node in graph.nodes
        if isinstance(node, Synapse | MatMul)
    )
    neurons = tuple(_neuron(graph, node.name, activity) for node in graph.neurons())
    return CostReport(
        model=graph.name,
        counting=rule.name,
        about=rule.about,
        left_out=tuple(sorted(left_out)),
        layers=layers,
        neurons=neurons,
        total=_total(graph, layers, neurons, rule),
        memory=footprints(graph, batch),
        activity=None if activity is None else f"{activity.images} images: {activity.source}",
        paths=None if activity is None else paths(graph, activity),
        energy=None if energy_model is None else energy(graph, energy_model, activity),
        hardware=None if on is None else hardware(graph, on, activity),
    )


def _layer(graph: Graph, node: Synapse | MatMul, rule: Counting, counted: bool, activity: Activity | None) -> LayerCost:
    edges = graph.read(node)
    if isinstance(node, MatMul):
        weights, macs = 0, node.macs(*edges)
        s, w, t = *(edge.bits for edge in edges), graph.edges[node.name].T
    else:
        weights, macs, w = node.weight_count(*edges), node.macs(*edges), node.weight_bits
        s, t = rule.widths(graph, node)
    measured: dict[str, float | None] = {}
    if activity is not None:
        a = activity.synapses[node.name]
        sops = rule.sops(macs, s, t, a, activity.images)
        measured = {
            "firing_rate": a.events / a.elements,
            "sops": sops,
            "additions": None if a.additions is None else a.additions / activity.images,
            "ns_ace": rule.ns_ace(w, s, sops),
        }
        if codes := activity.weights.get(node.name):
            measured |= {"weight_entropy": codes.entropy, "positive": codes.positive / codes.elements}
    return LayerCost(
        name=node.name,
        op=node.op,
        counted=counted,
        weights=weights,
        macs=macs,
        w=w,
        s=s,
        t=t,
        bit_budget=w * s * t,
        s_ace=macs * w * s * t if counted else 0,
        **measured,
    )


def _neuron(graph: Graph, name: str, activity: Activity | None) -> NeuronCost:
    edge = graph.edges[name]
    if activity is None:
        return NeuronCost(name=name, neurons=edge.size, s=edge.bits, t=edge.T)
    a = activity.neurons[name]
    return NeuronCost(
        name=name,
        neurons=edge.size,
        s=edge.bits,
        t=edge.T,
        spikes=a.spikes / activity.images,
        sparsity=1 - a.spikes / a.elements,
        entropy=entropy(a.spikes, a.elements - a.spikes),
    )


def _total(graph: Graph, layers: tuple[LayerCost, ...], neurons: tuple[NeuronCost, ...], rule: Counting) -> Total:
    counted = [layer for layer in layers if layer.counted]
    constants = biases(graph) + norm_constants(graph)
    weight_bits = sum(layer.weights * layer.w for layer in layers)
    macs = sum(layer.macs for layer in counted)
    s_ace = sum(layer.s_ace for layer in counted)
    weights = sum(layer.weights for layer in layers)
    return Total(
        weights=weights,
        params=weights + constants,
        size_bytes=(weight_bits + constants * rule.constant_bits()) / 8,
        macs=macs,
        mean_bit_budget=s_ace / macs if macs else 0.0,
        s_ace=s_ace,
        neurons=sum(neuron.neurons for neuron in neurons),
        sops=_sum(layer.sops for layer in counted),
        additions=_sum(layer.additions for layer in counted),
        ns_ace=_sum(layer.ns_ace for layer in counted),
        spikes=_sum(neuron.spikes for neuron in neurons),
        weight_entropy=_mean(
            (layer.weight_entropy, layer.weights) for layer in layers if layer.w == 1 and layer.weights
        ),
        spike_entropy=_mean((neuron.entropy, neuron.neurons) for neuron in neurons),
    )


def _mean(parts: Iterable[tuple[float | None, int]]) -> float | None:
    """The mean of values by their weights, or ``None`` where one was not measured."""
    parts = list(parts)
    total = _sum(None if value is None else value * weight for value, weight in parts)
    return None if total is None else total / sum(weight for _, weight in parts)


def _sum(parts: Any) -> float | None:
    """Their sum, or ``None`` where one was not measured."""
    parts = list(parts)
    return None if not parts or any(part is None for part in parts) else float(sum(parts))
