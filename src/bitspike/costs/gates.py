"""What an operation takes in gates, by its widths: energy that sees weight bits, spike bits and membrane bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitspike.costs.activity import Activity
from bitspike.costs.constants import GATES, hardware_constants
from bitspike.costs.energy_layers import Layer, LayerEnergy, layers, loads
from bitspike.ir import Edge, Fire, Graph, Synapse

__all__ = ["Counted", "Gates", "accumulator_bits", "product_bits"]


@dataclass(frozen=True)
class Counted:
    """Bits that are multiplied, added, written to registers, and moved to or from memories."""

    product: float = 0.0
    adder: float = 0.0
    register: float = 0.0
    memory: float = 0.0

    def pj(self, each: Mapping[str, float]) -> float:
        """Their energy, at so many pJ for a bit of each."""
        return sum(getattr(self, name) * each[name] for name in GATES)


def product_bits(w: int, s: int) -> Counted:
    """A weight of ``w`` bits times a level of ``s`` bits: a row of gates for each bit of the level, then their sum."""
    return Counted(product=w * s, adder=(s - 1) * (w + 1))


def accumulator_bits(w: int, s: int, terms: int) -> int:
    """Width of a sum of so many products. A weight of one bit is -1 or 1, which two bits hold."""
    return max(w, 2) + s + max(terms - 1, 0).bit_length()


@dataclass(frozen=True, kw_only=True)
class Gates:
    """An addition is as wide as its accumulator, a product is ``w * s`` gates, a memory gives ``w`` or ``s`` bits.

    Each synaptic operation reads a weight, multiplies it and adds it up; a level that is not 0 is read once. A neuron
    adds its current to its potential at each step, and writes its level; where there are more steps than one its
    potential, of ``u`` bits, is read and written. Unquantized values have 16 bits (weights, activations) or the
    accumulator's (potentials).

    Attributes:
        file: of constants, in place of the package's.
    """

    file: Path | None = None
    name: str = "gates"
    about: str = "bits of adders, multipliers, registers and memories; pJ of an FPGA's activity, fitted"

    def constants(self) -> dict[str, Any]:
        said = hardware_constants(self.file)["gates"]
        return {**said["values"], "source": said.get("source", "")}

    def ann(self, graph: Graph) -> tuple[LayerEnergy, ...]:
        found, each = [], self.constants()
        for layer in layers(graph):
            edge, w = _widths(graph, layer)
            found.append(_layer(each, layer, w, edge.bits, layer.macs * edge.T, edge.size * edge.T, 0, None, edge.bits))
        return tuple(found)

    def snn(self, graph: Graph, activity: Activity) -> tuple[LayerEnergy, ...]:
        fires = {node.name: node for node in graph.neurons()}
        behind = _behind(graph)
        found, each = [], self.constants()
        for load in loads(graph, activity):
            layer, sender = load.layer, behind.get(load.layer.name)
            if layer.name in fires:  # neurons that add up what no weight multiplies
                edge, w = graph.input_edge(fires[layer.name]), 0
                sender = fires[layer.name]
            else:
                edge, w = _widths(graph, layer)
            operations = layer.macs * load.steps if load.levels is None else load.sops
            events = edge.size * edge.T if load.levels is None else load.events
            made = layer.outputs * load.T if sender is not None else 0
            out = graph.edges[sender.name].bits if sender is not None else 0
            found.append(_layer(each, layer, w, edge.bits, operations, events, made, sender, out))
        return tuple(found)


def _layer(
    each: Mapping[str, float],
    layer: Layer,
    w: int,
    s: int,
    operations: float,
    events: float,
    fired: float,
    fire: Fire | None,
    out: int,
) -> LayerEnergy:
    """nJ of a layer with so many operations, events, and outputs times steps of its neurons."""
    wide = accumulator_bits(w, s, max(1, layer.macs // max(1, layer.outputs)))
    potential = wide if fire is None or fire.membrane_bits is None else fire.membrane_bits
    product = product_bits(w, s) if w else Counted()
    summed = Counted(
        product=operations * product.product,
        adder=operations * (product.adder + wide) + fired * potential,
        register=operations * wide + fired * potential,
    )
    kept = fire is not None and fire.T > 1
    moved = {
        "weights": operations * w,
        "in_out": events * s + (fired or layer.outputs) * out,
        "potentials": 2 * fired * potential if kept else 0,
    }
    parts = {name: Counted(memory=bits).pj(each) / 1000 for name, bits in moved.items()}
    return LayerEnergy(name=layer.name, synaptic=summed.pj(each) / 1000, **parts)


def _widths(graph: Graph, layer: Layer) -> tuple[Edge, int]:
    """What a layer reads, and the bits of a weight, or of the other activation where two are multiplied."""
    node = graph[layer.name]
    edge, *others = graph.read(node)
    return edge, node.weight_bits if isinstance(node, Synapse) else others[-1].bits


def _behind(graph: Graph) -> dict[str, Fire]:
    """By layer with weights, the neurons that its current reaches first."""
    found: dict[str, Fire] = {}
    reaches: dict[str, frozenset[str]] = {}
    synapses = {node.name for node in graph.synapses()}
    for node in graph.nodes:
        reaches[node.name] = frozenset().union(*(reaches[source] for source in node.inputs if source in reaches))
        if node.name in synapses:
            reaches[node.name] = frozenset({node.name})
        elif isinstance(node, Fire):
            found |= {name: node for name in reaches[node.name] if name not in found}
            reaches[node.name] = frozenset()
    return found
