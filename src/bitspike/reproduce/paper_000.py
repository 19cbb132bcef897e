"""Paper 000: Are Conventional SNNs Really Efficient? Its networks of the ResNet family."""

from __future__ import annotations

from bitspike.costs import cost
from bitspike.reproduce.networks import IMAGENET, graph_of
from bitspike.reproduce.table import Row

__all__ = ["table1"]

NO_COUNT = "from 3.402 G multiplications, which no count that we know gives; ours is 3.546 G"
NO_COUNT_50 = (
    "from {} G multiplications; a stride in the 1x1 convolutions, without the first and the shortcuts, makes 3.380 G,"
    " and ours, with the stride in the 3x3, 3.971 G"
)


def table1() -> tuple[Row, ...]:
    """paper 000, Table 1: S-ACE on ImageNet"""
    published = (
        ("ResNet-34", "16/1/250", "13608", NO_COUNT),
        ("Spiking-ResNet-34", "16/1/6", "326.60", NO_COUNT),
        ("SEW-ResNet-34", "16/1/4", "217.72", NO_COUNT),
        ("SEW-ResNet-34", "1/1/1", "3.40", NO_COUNT),
        ("SEW-ResNet-34", "2/1/2", "13.6", NO_COUNT),
        ("SEW-ResNet-34", "2/2/1", "13.6", NO_COUNT),
        ("SEW-ResNet-34", "8/8/1", "217", NO_COUNT),
        ("ResNet-50", "16/1/350", "18952", NO_COUNT_50.format(3.384)),
        ("SEW-ResNet-50", "16/1/4", "215.62", NO_COUNT_50.format(3.369)),
    )
    return tuple(s_ace(*row) for row in published)


def s_ace(architecture: str, bits: str, printed: str, note: str, counting: str = "paper-000") -> Row:
    """S-ACE of a residual network on ImageNet; other blocks than SEW have the same multiplications."""
    sew = architecture.upper().startswith("SEW")
    graph = graph_of(f"sew-resnet{architecture[-2:]}", bits, IMAGENET, 1000)
    return Row(
        row=f"{architecture} {bits}",
        printed=printed,
        ours=cost(graph, counting).total.s_ace / 1e9,
        true=cost(graph).total.s_ace / 1e9 if sew else None,
        unit="G bit operations",
        counting=counting,
        note=note,
    )
