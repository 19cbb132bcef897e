"""Paper 003: SpikeZIP."""

from __future__ import annotations

from bitspike.costs import ann_energy
from bitspike.reproduce.networks import graph_of
from bitspike.reproduce.table import Row

__all__ = ["ann_energy_of_resnet20"]

NJ_PER_MJ = 1e6


def ann_energy_of_resnet20() -> tuple[Row, ...]:
    """paper 003, energy: the ANN of ResNet20, 12.5 pJ for each floating-point operation"""
    total = ann_energy(graph_of("resnet20-thin", "16/1/1", classes=100), "sop-77fj").total
    row = Row(
        row="ResNet20 ANN",
        printed="1.02",
        ours=total.total / NJ_PER_MJ,
        unit="mJ",
        counting="sop-77fj",
        note="40.82 M multiply-accumulates of two operations each, with 1x1 convolutions as shortcuts and 100 classes",
    )
    return (row,)
