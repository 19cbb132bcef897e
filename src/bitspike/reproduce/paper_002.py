"""Paper 002: Q-SNNs, with 1-bit weights and membranes of 2, 4 and 8 bits. Sizes are in MB of 10^6 bytes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bitspike.costs import Footprint, footprints
from bitspike.ir import Graph
from bitspike.models.blocks import head
from bitspike.quant import quantize_weights
from bitspike.reproduce.networks import graph_of
from bitspike.reproduce.table import Row

__all__ = ["size", "table2"]

MB = 1e6
WIDTHS = ("32w-32u", "1w-8u", "1w-4u", "1w-2u")
PRINTED = {
    "ResNet19": {
        1: ("50.80", "1.75", "1.68", "1.65"),
        64: ("83.83", "10.0", "5.81", "3.72"),
        256: ("184.49", "35.17", "18.40", "10.01"),
    },
    "VGG16": {
        1: ("59.16", "1.96", "1.93", "1.91"),
        64: ("75.67", "6.09", "3.99", "2.94"),
        256: ("126.01", "18.67", "10.28", "6.09"),
    },
    "VGGSNN": {
        1: ("37.44", "1.31", "1.25", "1.21"),
        64: ("70.47", "9.57", "5.38", "3.28"),
        256: ("171.13", "34.74", "17.96", "9.57"),
    },
}


@dataclass(frozen=True)
class Network:
    """How the table counts a network: its steps, what happens to its last layer, and what it is not."""

    name: str
    steps: int
    last: str = "first and last layer 8 bits"
    differs: str = ""
    float_layer: str | None = None
    pooled: bool = False

    def graph(self, width: str) -> Graph:
        weights, membranes = width.removesuffix("u").split("w-")
        bits = f"16/1/{self.steps}" if membranes == "32" else f"16/1/{self.steps}/{membranes}"
        return graph_of(self.name, bits, change=lambda model: self._change(model, int(weights)))

    def _change(self, model: nn.Module, weight_bits: int) -> None:
        if self.pooled:
            model.classifier = head(512, 10)
        if weight_bits == 1:
            rules = {self.float_layer: None} if self.float_layer else None
            quantize_weights(model, 1, first=8, last=8, rules=rules)

    def note(self, graph: Graph, width: str) -> str:
        largest = max(graph.edges[node.name].size for node in graph.neurons())
        counted = f"weights, batch norm at 32 bits, membranes of the largest layer ({largest:,} neurons) at 3x32x32"
        ends = "all in 32-bit floats" if width == WIDTHS[0] else self.last
        return "; ".join(part for part in (counted, ends, self.differs) if part)


NETWORKS = {
    "ResNet19": Network("resnet19", 2),
    "VGG16": Network(
        "vgg16",
        4,
        last="first layer 8 bits, last one in 32-bit floats",
        differs="10 classes, not TinyImageNet's 200 at 3x64x64",
        float_layer="classifier.1.0",
    ),
    "VGGSNN": Network(
        "vggsnn",
        10,
        differs="a classifier of 512 features, as after global pooling, not the 48x48 of event data",
        pooled=True,
    ),
}


def table2() -> tuple[Row, ...]:
    """paper 002, Table 2: memory footprint of Q-SNNs"""
    rows = []
    for label, network in NETWORKS.items():
        graphs = [network.graph(width) for width in WIDTHS]
        for batch, printed in PRINTED[label].items():
            for width, graph, number in zip(WIDTHS, graphs, printed, strict=True):
                exact, paper = footprints(graph, batch)
                rows.append(
                    Row(
                        row=f"{label} batch {batch} {width}",
                        printed=number,
                        ours=paper.total / MB,
                        true=exact.total / MB,
                        unit="MB",
                        counting=paper.counting,
                        note=network.note(graph, width),
                    )
                )
    return tuple(rows)


def size() -> tuple[Row, ...]:
    """paper 002, Sec. 5.2: model size of the 1-bit ResNet19"""
    exact, paper = footprints(NETWORKS["ResNet19"].graph("1w-2u"))

    def stored(footprint: Footprint) -> float:
        return (footprint.weights + footprint.constants) / MB

    note = "weights, and batch norm at 32 bits; first and last layer 8 bits; no membranes"
    row = Row(
        row="ResNet19, 1w",
        printed="1.62",
        ours=stored(paper),
        true=stored(exact),
        unit="MB",
        counting=paper.counting,
        note=note,
    )
    return (row,)
