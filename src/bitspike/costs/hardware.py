"""What a network takes on an FPGA, as an estimate: elements that multiply and add, memories, cycles, a clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitspike.costs.activity import Activity
from bitspike.costs.constants import ELEMENT_PARTS, TERMS, hardware_constants
from bitspike.costs.gates import accumulator_bits
from bitspike.costs.memory import footprints
from bitspike.errors import UserError, closest
from bitspike.ir import Graph, Synapse

__all__ = ["ELEMENTS", "MOST_ELEMENTS", "Estimate", "HardwareReport", "HardwareSettings", "element_terms", "hardware"]

ELEMENTS = {
    "parallel": "a weight times a whole level a cycle",
    "serial": "a bit of the level a cycle",
    "event": "a whole level a cycle; behind the first block of channels only those that are not 0",
}
MOST_ELEMENTS = 4096


@dataclass(frozen=True, kw_only=True)
class HardwareSettings:
    """A device, a key of ``devices`` of the constants; elements that multiply at once, each for an output channel.

    Attributes:
        constants: a file in place of the package's.
    """

    device: str
    elements: int = 8
    constants: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.elements <= MOST_ELEMENTS:
            raise UserError("--pes", self.elements, f"want 1 to {MOST_ELEMENTS} elements")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An engine of so many elements of one kind. ``None`` of ``event`` where no spikes were measured.

    Attributes:
        luts, flip_flops: of the elements alone. cycles: of one image, where neurons are no slower
            than sums.
        mhz: between registers. images_per_second: at that clock.
    """

    element: str
    about: str
    luts: float
    flip_flops: float
    cycles: float | None
    mhz: float
    images_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class HardwareReport:
    """A network on a device.

    Attributes:
        device, about: the device. elements: that share a level. w, s, a: bits of the widest weight, of the widest
            level, and of the accumulator.
        memory_bits: of weights, constants, membranes and buffers, and of all together, by the exact footprint.
        device_luts, device_memory_bits: what the device has. engines: one for each kind of element.
        fit: how far the model is from units that it was not fitted on.
    """

    network: str
    device: str
    about: str
    elements: int
    w: int
    s: int
    a: int
    memory_bits: Mapping[str, int]
    device_luts: int
    device_memory_bits: int
    engines: tuple[Estimate, ...]
    fit: Mapping[str, Any]


def hardware(graph: Graph, on: HardwareSettings, activity: Activity | None = None) -> HardwareReport:
    """The estimate: elements that multiply and add, and memories; control, and what neurons compute, are not in it.

    Args:
        graph: the network.
        on: the device.
        activity: measured spikes, which tell the cycles of the element that skips zeros.

    Raises:
        UserError: there is no such device, or weights or levels are no integers.
    """
    devices = hardware_constants(on.constants)["devices"]
    if on.device not in devices:
        raise UserError("--hardware", on.device, closest(on.device, devices))
    layers = [*graph.synapses()]
    if not layers:
        raise UserError("--hardware", graph.name, "want a network with weights")
    for node in layers:
        edge = graph.input_edge(node)
        if edge.lo is None or node.weight_bits > WIDEST:
            seen = f"{node.weight_bits} weight bits" if edge.lo is not None else "an input that is no integer"
            raise UserError(
                "--hardware", f"{node.name}: {seen}", f"want integers: weights of 1 to {WIDEST} bits, spikes"
            )
    w = max(node.weight_bits for node in layers)
    s = max(graph.input_edge(node).bits for node in layers)
    a = max(_accumulator(graph, node) for node in layers)
    said = devices[on.device]
    footprint = footprints(graph, 1)[0]
    parts = ("weights", "constants", "membranes", "buffers", "total")
    return HardwareReport(
        network=graph.name,
        device=on.device,
        about=said["about"],
        elements=on.elements,
        w=w,
        s=s,
        a=a,
        memory_bits={part: round(8 * getattr(footprint, part)) for part in parts},
        device_luts=said["luts"],
        device_memory_bits=said["memory_bits"],
        engines=tuple(_engines(graph, layers, said["elements"], on.elements, (w, s, a), activity)),
        fit=said.get("fit", {}),
    )


WINDOW = 3
"""Cycles from one window to the next, in the engine that `bitspike export --to verilog` writes."""
WIDEST = 15
"""Bits of an integer weight; 16 count a float."""


def element_terms(w: int, s: int, a: int) -> dict[str, float]:
    """What the model of an element is linear in: bits of a weight, a level and the accumulator, and their products.

    ``partial`` is what adds up the bits of a level one by one, where it has more than one.
    """
    partial = max(w, 2) + s - 1 if s > 1 else 0
    return dict(zip(TERMS, map(float, (1, w, s, w * s, a, partial)), strict=True))


def _engines(
    graph: Graph,
    layers: list[Synapse],
    models: Mapping[str, Any],
    elements: int,
    widths: tuple[int, int, int],
    activity: Activity | None,
) -> Iterator[Estimate]:
    terms = element_terms(*widths)
    for name, about in ELEMENTS.items():
        model = models["serial" if name == "serial" else "parallel"]
        luts, ffs, ns = (sum(factor * terms[term] for term, factor in model[part].items()) for part in ELEMENT_PARTS)
        cycles = _cycles(graph, layers, elements, name, activity)
        mhz = 1000 / max(ns, 1e-3)
        yield Estimate(
            element=name,
            about=about,
            luts=elements * max(luts, 0),
            flip_flops=elements * max(ffs, 0),
            cycles=cycles,
            mhz=mhz,
            images_per_second=None if not cycles else 1e6 * mhz / cycles,
        )


def _cycles(graph: Graph, layers: list[Synapse], elements: int, kind: str, activity: Activity | None) -> float | None:
    """Of an image: a code of the input each, and the taps of each window, once for each block of channels.

    Times the bits of a level where the element is serial; ``event`` lists the levels that are not 0 for the first block
    and reads the list for the others.
    """
    total = float(sum(graph.edges[node.name].size * graph.edges[node.name].T for node in graph.inputs()))
    for node in layers:
        edge, out = graph.input_edge(node), graph.edges[node.name]
        windows = edge.T * (out.size // node.out_channels)
        blocks = -(-node.out_channels // elements)
        taps = node.weight_count(edge) // node.out_channels
        first = others = float(taps * (edge.bits if kind == "serial" else 1))
        if kind == "event":
            if activity is None:
                return None
            seen = activity.synapses[node.name]
            others = taps * seen.events / seen.elements
        total += windows * (first + (blocks - 1) * others + blocks * WINDOW)
    return total


def _accumulator(graph: Graph, node: Synapse) -> int:
    edge = graph.input_edge(node)
    return accumulator_bits(node.weight_bits, edge.bits, node.weight_count(edge) // node.out_channels)
