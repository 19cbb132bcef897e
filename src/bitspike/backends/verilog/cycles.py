"""How long a network takes: cycles of each layer, counted as the engine's two halves wait for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.micro import Micro

__all__ = ["layer_cycles"]

BEGINS, DRAINS, HANDS = 1, 1, 1
"""Cycles of a window before its first tap, behind its last, and when its sums are handed over."""
SKIPPED = 2
"""Of a layer that ran at the first step alone, at each other one."""
LISTED = 3
"""More of one whose levels are listed first and then walked."""


def layer_cycles(layer: Layer, row: Mapping[str, int], micros: Sequence[Micro], pes: int, event: bool) -> int:
    """Cycles of a layer; where levels that are 0 are skipped, at most.

    The windows of a block of channels are summed while the program runs on the sums of the block before: the longer
    of the two counts.

    Args:
        layer: of the plan. row: its line of the table. micros: its program.
        pes: processing elements.
        event: whether levels that are 0 are skipped.
    """
    if not layer.plan.stepwise:
        return _cycles(layer, row, micros, pes, event, range(layer.steps))
    passes = max(one.steps for one in layer.plan.layers)
    first = _cycles(layer, row, micros, pes, event, range(1))
    again = SKIPPED if layer.once else _cycles(layer, row, micros, pes, event, range(1, 2))
    return first + (passes - 1) * again


def _cycles(layer: Layer, row: Mapping[str, int], micros: Sequence[Micro], pes: int, event: bool, steps: range) -> int:
    """The same of a run of so many steps."""
    blocks, groups = row["last_block"] + 1, row["last_group"] + 1
    lanes = [*[pes] * (blocks - 1), row["lanes_last"]] * groups
    taps = row.get("taps", 0) * (row.get("last_bit", 0) + 1)
    taps *= 2 if layer.sweep is not None and layer.sweep.mode == "product" else 1
    listed = event and layer.sweep is not None and layer.sweep.mode == "synapse"
    fetches = [made.b.kind == "edge" for made in micros[1:]] + [False]  # each instruction what the next one reads
    sums: list[int] = []
    programs: list[tuple[int, int]] = []
    for step in steps:
        for index, many in enumerate(lanes):
            steals = _stolen(taps, programs[-1][0] if programs else lanes[-1], fetches)
            if not taps or (layer.held and step):
                sums.append(BEGINS + HANDS)
            elif listed:  # at most: no level is 0
                scan = 0 if index % blocks else taps + steals + LISTED - 1
                sums.append(BEGINS + scan + taps + 1 + DRAINS + HANDS)
            else:
                sums.append(BEGINS + taps + steals + DRAINS + HANDS)
            programs.append((many, many * len(micros) + 1))
    first = sums[0] - (_stolen(taps, lanes[-1], fetches) if sums[0] > BEGINS + HANDS else 0)
    busy = [cycles for _, cycles in programs]
    inner = sum(max(one, before) for one, before in zip(sums[1:], busy[:-1], strict=True))
    places = (row["last_row"] + 1) * (row["last_column"] + 1)
    return 1 + first + inner + (places - 1) * (max(sums[0], busy[-1]) + inner) + busy[-1]


def _stolen(taps: int, many: int, fetches: Sequence[bool]) -> int:
    """Cycles that a window of so many taps waits for the program, which reads edges for so many channels beside it."""
    stolen = 0
    for cycle in range(BEGINS, many * len(fetches)):
        if cycle - BEGINS - stolen == taps:
            break
        stolen += fetches[cycle % len(fetches)]
    return stolen
