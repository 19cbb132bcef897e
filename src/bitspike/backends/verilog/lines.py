"""A layer's line of the engine's table: where its windows walk, and what is done with what they see."""

from __future__ import annotations

from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.plan import Plan
from bitspike.backends.verilog.row import Sweep, Walk, sides

__all__ = ["ADDRESSES", "MODES", "line"]

MODES = ("none", "synapse", "added", "largest", "product")
STEPS = ("origin", "next_channel", "next_group", "next_step", "next_column", "next_row")
ADDRESSES = (
    *(*STEPS, "next_x", "next_y", "store", "elements", "plane", "first_at"),
    *(f"second_{one}" for one in STEPS),
)
"""What the table says of addresses."""


def line(plan: Plan, layer: Layer, pes: int, serial: bool) -> dict[str, int]:
    """A layer's line, without what others decide: where its program and its weights are."""
    root = layer.root
    channels, rows, columns = sides(root.edge.shape)
    sweep = layer.sweep or Sweep("none", "", 1, 1, channels)
    blocks = -(-sweep.made // pes)
    place = plan.places.get(root.node.name)
    found = {
        "mode": MODES.index(sweep.mode),
        "last_block": blocks - 1,
        "last_group": sweep.groups - 1,
        "last_step": 0 if plan.stepwise else layer.steps - 1,
        "last_column": columns - 1,
        "last_row": rows - 1,
        "lanes_last": sweep.made - (blocks - 1) * pes,
        "at_last": int(layer.at_last),
        "once": int(layer.once),
        "answers": int(place is None),
        "store": place.address if place else 0,
        "store_class": place.memory if place else 0,
        "elements": root.edge.size,
        "plane": rows * columns,
    }
    if layer.sweep is None:
        return found
    memory = plan.memories[plan.places[sweep.sources[0]].memory]
    counts = serial and sweep.mode in ("synapse", "product")
    found |= {
        "signed": int(memory.signed),
        "last_bit": memory.bits - 1 if counts else 0,
        "held": int(layer.held),
        "last_x": sweep.kernel[1] - 1,
        "last_y": sweep.kernel[0] - 1,
        "last_channel": sweep.channels - 1,
        "taps": sweep.taps,
    }
    if not sweep.walks:
        return found | _window(plan, sweep)
    found |= {"rows_in": 1, "columns_in": 1} | _walk(plan, sweep.walks[0])
    seconds = {f"second_{one}": number for walk in sweep.walks[1:] for one, number in _walk(plan, walk).items()}
    return found | seconds


def _window(plan: Plan, sweep: Sweep) -> dict[str, int]:
    """Where the windows are."""
    place, edge = plan.places[sweep.source], plan.parts[sweep.source].edge
    _, rows, columns = sides(edge.shape)
    down, across = (apart * (side - 1) for apart, side in zip(sweep.dilation, sweep.kernel, strict=True))
    return {
        "class": place.memory,
        "origin": place.address - sweep.padding[0] * columns - sweep.padding[1],
        "padding_y": sweep.padding[0],
        "padding_x": sweep.padding[1],
        "stride_y": sweep.stride[0],
        "stride_x": sweep.stride[1],
        "apart_y": sweep.dilation[0],
        "apart_x": sweep.dilation[1],
        "rows_in": rows,
        "columns_in": columns,
        "next_x": sweep.dilation[1],
        "next_y": sweep.dilation[0] * columns - across,
        "next_channel": rows * columns - down * columns - across,
        "next_group": sweep.channels * rows * columns,
        "next_step": _next_step(plan, sweep.source),
        "next_column": sweep.stride[1],
        "next_row": sweep.stride[0] * columns,
    }


def _walk(plan: Plan, walk: Walk) -> dict[str, int]:
    """A way that is no window's."""
    place = plan.places[walk.source]
    return {
        "class": place.memory,
        "origin": place.address,
        "next_channel": walk.tap,
        "next_group": walk.group,
        "next_step": _next_step(plan, walk.source),
        "next_column": walk.column,
        "next_row": walk.row,
    }


def _next_step(plan: Plan, source: str) -> int:
    return plan.parts[source].edge.size if plan.steps_of(source) > 1 else 0
