"""How wide everything in the engine is: as wide as the widest integer that is proven to come there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.micro import Micro
from bitspike.backends.verilog.plan import Plan
from bitspike.backends.verilog.row import sides
from bitspike.backends.verilog.weights import Weights
from bitspike.ir.ranges import Range

__all__ = ["arithmetic_widths", "bits_of", "width_of", "widths"]


def bits_of(largest: int) -> int:
    """Bits of an unsigned number up to this; at least one."""
    return max(1, int(largest).bit_length())


def widths(
    plan: Plan,
    weights: Weights,
    rows: Sequence[Mapping[str, int]],
    micros: Sequence[Sequence[Micro]],
    states: Sequence[int],
    element: int,
) -> dict[str, int]:
    """The engine's parameters, by name.

    Args:
        plan: of the network. weights: as they lie in memory.
        rows: lines of the table. micros: programs. states: words of one state. All three of each layer.
        element: which kind of processing element.
    """
    return {
        "ELEMENT": element,
        "PES": weights.pes,
        **_counts(plan, rows, micros, states),
        **_addresses(plan, weights, rows, states),
        **_numbers(plan, weights),
        "LANE": bits_of(weights.pes - 1),
    }


def _counts(
    plan: Plan, rows: Sequence[Mapping[str, int]], micros: Sequence[Sequence[Micro]], states: Sequence[int]
) -> dict[str, int]:
    """How many there are."""
    codes = sum(map(len, micros))
    (node,) = plan.net.graph.inputs()
    kept = [words * len(layer.code.states) for words, layer in zip(states, plan.layers, strict=True)]
    return {
        "LAYERS": len(plan.layers),
        "SAMPLE": node.edge.size * node.edge.T,
        "CLASSES": plan.parts[plan.last].edge.size,
        "TAPS_MOST": max(row.get("taps", 1) for row in rows),
        "CONSTANTS": max(1, len(plan.constants)),
        "STATES": max(1, *kept),
        "REGISTERS": 1 + max(made.result.number for one in micros for made in one),
        "CODES": codes,
        "CODE": bits_of(codes),
        "LAYER": bits_of(len(rows)),
    }


def _addresses(
    plan: Plan, weights: Weights, rows: Sequence[Mapping[str, int]], states: Sequence[int]
) -> dict[str, int]:
    """Bits of what counts and points."""
    (node,) = plan.net.graph.inputs()
    channels = max(sides(layer.root.edge.shape)[0] for layer in plan.layers)
    kept = max(words * len(layer.code.states) for words, layer in zip(states, plan.layers, strict=True))
    pointed = [*(memory.size for memory in plan.memories), *(row["elements"] for row in rows)]
    places = max((row["last_row"] + 1) * (row["last_column"] + 1) for row in rows)
    reach = [abs(end) for layer, row in zip(plan.layers, rows, strict=True) for end in _reach(layer, row)]
    return {
        "PLACE": bits_of(max(places, node.edge.size * node.edge.T)),
        "STEP": bits_of(max(layer.steps for layer in plan.layers)),
        "CHANNEL": bits_of(max(channels, weights.pes)),
        "SIDE": 1 + bits_of(max([*reach, 1])),
        "EDGE": bits_of(max(*pointed, len(plan.constants) + channels, kept + channels)),
        "CLASS": bits_of(len(plan.memories) - 1),
        "TAP": bits_of(max(row.get("taps", 1) for row in rows)),
        "WEIGHTS": bits_of(max([len(words) for words in weights.words.values()] or [1]) + 1),
        "WEIGHTS_CLASS": bits_of(max(len(weights.words) - 1, 0)),
        "BIT": bits_of(max(memory.bits for memory in plan.memories)),
    }


def _reach(layer: Layer, row: Mapping[str, int]) -> list[int]:
    """Rows and columns beyond which no window of a layer looks."""
    sweep = layer.sweep
    if sweep is None:
        return []
    axes = zip(
        (row["last_row"], row["last_column"]), sweep.stride, sweep.dilation, sweep.kernel, sweep.padding, strict=True
    )
    far = [(last + 1) * stride + apart * kernel + padding for last, stride, apart, kernel, padding in axes]
    return [*far, row["rows_in"], row["columns_in"]]


def _numbers(plan: Plan, weights: Weights) -> dict[str, int]:
    """Bits of what is computed with."""
    swept = [layer for layer in plan.layers if layer.sweep is not None]
    synapses = [layer for layer in swept if layer.sweep and layer.sweep.mode == "synapse"]
    pools = [layer for layer in swept if layer not in synapses]
    seen = {layer.sweep.source for layer in synapses if layer.sweep}
    levels = {name: plan.memories[place.memory] for name, place in plan.places.items()}
    constants = [Range(int(plan.constants.min()), int(plan.constants.max()))] if len(plan.constants) else []
    pooled = [value.range for layer in pools for value in layer.code.values() if value.kind == "sum"]
    return {
        "WEIGHT": max([bits + (bits == 1) for bits in weights.words], default=2),
        "LEVEL": max([_signed(levels[name].bits, levels[name].signed) for name in seen], default=2),
        "WIDE": max(
            *(_signed(memory.bits, memory.signed) for memory in plan.memories),
            *(width_of(found) for found in pooled),
            2,
        ),
        "SUM": max((width_of(plan.parts[layer.sweep.weights].range) for layer in synapses if layer.sweep), default=2),
        **arithmetic_widths(plan.layers),
        "CONSTANT": max(map(width_of, constants), default=1),
    }


def arithmetic_widths(layers: Sequence[Layer]) -> dict[str, int]:
    """Bits of what the programs of these layers compute with, and carry from step to step."""
    values = [value for layer in layers for value in layer.code.values()]
    codes = [made for layer in layers for made in layer.code.micros]
    factors = [made for made in codes if made.op == "mul"]
    kept = [found for layer in layers for found in layer.code.states]
    return {
        "WORD": max(2, *(width_of(value.range.including(value.start)) for value in values), *map(width_of, kept)),
        "FACTOR_A": max((width_of(made.a.range) for made in factors), default=1),
        "FACTOR_B": max((width_of(made.b.range) for made in factors), default=1),
        "LOW": max(Range(made.low, made.low).signed_bits for made in codes),
        "SHIFT": bits_of(max((made.b.number for made in codes if made.op == "shr"), default=1)),
        "STATE": max(map(width_of, kept), default=1),
    }


def width_of(found: Range) -> int:
    """Bits of a signed number of a range, and of 0."""
    return found.including(0).signed_bits


def _signed(bits: int, signed: bool) -> int:
    """Bits of a level of a memory, with a sign."""
    return bits + (not signed)
