"""How long a network takes: cycles of each layer, counted as the engine's two halves wait for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bitspike.backends.verilog.layer import Layer
from bitspike.backends.verilog.micro import Micro

__all__ = ["layer_cycles"]

BEGINS, DRAINS, HANDS = 1, 1, 1
"""Cycles of a window before its first tap, behind its last, and when its sums are handed over."""
LISTED = 3
"""More of one whose levels are listed first and then walked."""


def layer_cycles(layer: Layer, row: Mapping[str, int], micros: Sequence[Micro], pes: int, event: bool) -> int:
    """Cycles of a layer at most. They are exact unless levels are skipped, or edges are read beside the sums.

    The windows of a block of channels are summed while the program runs on the sums of the block before: the longer
    of the two counts.

    Args:
        layer: of the plan. row: its line of the table. micros: its program.
        pes: processing elements.
        event: whether levels that are 0 are skipped.
    """
    blocks, groups = row["last_block"] + 1, row["last_group"] + 1
    lanes = [*[pes] * (blocks - 1), row["lanes_last"]] * groups
    taps = row.get("taps", 0) * (row.get("last_bit", 0) + 1)
    listed = event and layer.sweep is not None and layer.sweep.mode == "synapse"
    fetches = sum(made.b.kind == "edge" for made in micros) if taps else 0
    sums: list[int] = []
    programs: list[tuple[int, int]] = []
    for step in range(layer.steps):
        for index, many in enumerate(lanes):
            steals = fetches * (programs[-1][0] if programs else lanes[-1])
            if not taps or (layer.held and step):
                sums.append(BEGINS + HANDS)
            elif listed:  # at most: no level is 0
                scan = 0 if index % blocks else taps + steals + LISTED - 1
                sums.append(BEGINS + scan + taps + 1 + DRAINS + HANDS)
            else:
                sums.append(BEGINS + taps + steals + DRAINS + HANDS)
            programs.append((many, many * len(micros) + 1))
    busy = [cycles for _, cycles in programs]
    inner = sum(max(one, before) for one, before in zip(sums[1:], busy[:-1], strict=True))
    places = (row["last_row"] + 1) * (row["last_column"] + 1)
    return 1 + sums[0] + inner + (places - 1) * (max(sums[0], busy[-1]) + inner) + busy[-1]
