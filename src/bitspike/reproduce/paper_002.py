"""Paper 002: Q-SNNs, with 1-bit weights and membranes of 2, 4 and 8 bits. Sizes are in MB of 10^6 bytes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bitspike.costs import Footprint, footprints
from bitspike.ir import Graph
from bitspike.models.blocks import head
from bitspike.quant import quantize_weights
from bitspike.reproduce import accuracies
from bitspike.reproduce.networks import graph_of
from bitspike.reproduce.table import Row

__all__ = ["reductions", "size", "table1", "table2"]

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
REDUCTIONS = {  # in the brackets of the same cells: percent less than 32w-32u
    "ResNet19": {
        1: ("96.56", "96.69", "96.75"),
        64: ("88.07", "93.07", "95.56"),
        256: ("80.94", "90.03", "94.57"),
    },
    "VGG16": {
        1: ("96.69", "96.74", "96.77"),
        64: ("91.95", "94.73", "96.11"),
        256: ("85.18", "91.84", "95.17"),
    },
    "VGGSNN": {
        1: ("96.50", "96.66", "96.77"),
        64: ("86.42", "92.37", "95.35"),
        256: ("79.70", "89.51", "94.41"),
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
        if weight_bits < 32:
            rules = {self.float_layer: None} if self.float_layer else None
            quantize_weights(model, weight_bits, first=8, last=8, rules=rules)

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


def reductions() -> tuple[Row, ...]:
    """paper 002, Table 2: how much less memory than in full precision"""
    rows = []
    for label, network in NETWORKS.items():
        graphs = [network.graph(width) for width in WIDTHS]
        for batch, printed in REDUCTIONS[label].items():
            (whole, own), *others = (footprints(graph, batch) for graph in graphs)
            cells = PRINTED[label][batch]
            for width, (exact, paper), number, cell in zip(WIDTHS[1:], others, printed, cells[1:], strict=True):
                from_print = 100 * (1 - float(cell) / float(cells[0]))
                rows.append(
                    Row(
                        row=f"{label} batch {batch} {width}",
                        printed=number,
                        ours=100 * (1 - paper.total / own.total),
                        true=100 * (1 - exact.total / whole.total),
                        unit="% less memory",
                        counting=paper.counting,
                        note=f"the footprints in print give {from_print:.3f}",
                    )
                )
    return tuple(rows)


def table1() -> tuple[Row, ...]:
    """paper 002, Table 1: accuracy of Q-SNNs and of their full-precision twins"""
    lead = Row(
        row="CIFAR-10 1w-2u over Yin et al. (Sec. 5.2)",
        printed="4.41",
        ours=95.20 - 90.79,
        unit="points",
        counting="its own numbers",
    )
    return (*accuracies.of_002(), lead)


def size() -> tuple[Row, ...]:
    """paper 002, Sec. 5.2 and Fig. 3: model size of the 1-bit ResNet19, and how much less that is than at 2 bits"""
    exact, paper = footprints(NETWORKS["ResNet19"].graph("1w-2u"))
    two_exact, two = footprints(NETWORKS["ResNet19"].graph("2w-2u"))

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
    less = 100 * (1 - stored(paper) / stored(two))
    implied = 1.62 / (1 - 0.5622)
    why = (
        f"implies {implied:.2f} MB for the 2-bit ResNet19 of Yin et al.; of the same network, first and last layer 8 "
        f"bits, 2 bits are {stored(two):.2f} MB"
    )
    reduction = Row(
        row="ResNet19, 1w: less than 2w",
        printed="56.22",
        ours=less,
        true=100 * (1 - stored(exact) / stored(two_exact)),
        unit="% less size",
        counting=paper.counting,
        note=why,
    )
    return row, reduction
