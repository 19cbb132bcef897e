"""Paper 001: adaptive bit allocation. S-ACE in G bit operations, sizes in MB of 10^6 bytes."""

from __future__ import annotations

from bitspike.bits import FULL_PRECISION
from bitspike.costs import cost
from bitspike.reproduce import paper_000
from bitspike.reproduce.networks import CIFAR, IMAGENET, graph_of
from bitspike.reproduce.table import Row

__all__ = ["table1", "table2"]

COUNTING = "paper-001"
LEARNED = "needs the learned bits of each layer, which are not printed"
MEAN = "from the mean weight bits, which are printed to two places"
OF_000 = "taken from paper 000: "


def table1() -> tuple[Row, ...]:
    """paper 001, Table 1: S-ACE and size on CIFAR"""
    misprint = "misprint: {} times the 2.58 G multiplications of ResNet20, rounded"
    of_2_29 = "multiplied from 2.29 G, rounded"
    of_2_58 = "multiplied from 2.58 G; 2.587 G give the other rows"
    published = (
        ("ResNet18", "16/1/2", "17.72", ""),
        ("ResNet18", "16/1/4", "35.44", "twice 17.72, which was rounded before"),
        ("ResNet19", "16/1/2", "73.28", of_2_29),
        ("ResNet19", "16/1/4", "146.56", of_2_29),
        ("ResNet19 of TET", "16/1/4", "165.12", misprint.format(64)),
        ("ResNet19 of Ternary Spike", "16/2/1", "330.24", misprint.format(128)),
        ("ResNet20", "16/1/4", "165.58", ""),
        ("ResNet20", "16/2/2", "165.58", ""),
        ("ResNet20", "16/4/1", "165.58", ""),
        ("ResNet20", "16/2/4", "330.24", of_2_58),
        ("ResNet20", "16/4/4", "660.48", of_2_58),
        ("ResNet20", "16/4/6", "990.72", of_2_58),
        ("ResNet20", "4/4/1", "41.40", ""),
        ("ResNet20", "4/4/2", "82.79", ""),
    )
    learned = (
        ("ResNet18", "Ours-111, CIFAR-10", "2.96", "2.03", 1.45),
        ("ResNet18", "Ours-111, CIFAR-100", "4.29", "2.32", 1.65),
        ("ResNet18", "Ours-222, CIFAR-10", "11.59", "2.75", 1.97),
        ("ResNet18", "Ours-222, CIFAR-100", "11.34", "2.89", 2.06),
        ("ResNet20", "Ours-111, CIFAR-10", "7.55", "2.98", 1.38),
        ("ResNet20", "Ours-111, CIFAR-100", "13.37", "4.45", 2.06),
        ("ResNet20", "Ours-222, CIFAR-10", "29.75", "4.60", 2.13),
        ("ResNet20", "Ours-222, CIFAR-100", "32.67", "4.56", 2.11),
        ("ResNet20", "Ours-341, CIFAR-10", "39.49", "6.51", 3.01),
        ("ResNet20", "Ours-341, CIFAR-100", "40.60", "6.23", 2.88),
    )
    hundred = "with 100 classes, also where it is printed for 10"
    bit_ops = [_s_ace(architecture, bits, printed, note) for architecture, bits, printed, note in published]
    bit_ops += [_unknown(f"{architecture} {what}", printed) for architecture, what, printed, _, _ in learned]
    normed = "with 100 classes, and four 16-bit numbers a batch-normed channel, here two of 32 bits"
    sizes = [
        _size("ResNet18 16/1/2", "resnet18", "16/1/2", "22.42", hundred, classes=100),
        _size("ResNet19 16/1/2", "resnet19", "16/1/2", "25.25", normed, classes=100, counting="exact"),
        _size("ResNet20 16/1/4", "resnet20", "16/1/4", "34.55"),
        _size("ResNet20 4/4/1", "resnet20", "4/4/1", "8.64"),
        _size("ResNet20 4/4/2", "resnet20", "4/4/2", "8.64"),
    ]
    for architecture, what, _, printed, mean in learned:
        classes, note = (100, f"{MEAN}; {hundred}") if architecture == "ResNet18" else (10, MEAN)
        sizes.append(_size(f"{architecture} {what}", architecture.lower(), "16/1/1", printed, note, classes, mean))
    return (*bit_ops, *sizes)


def table2() -> tuple[Row, ...]:
    """paper 001, Table 2: S-ACE and size on ImageNet"""
    published = (
        ("ResNet34", "16/1/250", "13608", OF_000 + paper_000.NO_COUNT),
        ("ResNet50", "16/1/350", "18952", OF_000 + paper_000.NO_COUNT_50.format(3.384)),
        ("ResNet34", "16/1/6", "340.39", ""),
        ("ResNet34", "16/1/1", "56.73", ""),
        ("SEW-ResNet34", "16/1/4", "226.93", ""),
        ("ResNet34", "16/2/4", "435.86", "misprint of 453.86"),
        ("SEW-ResNet50", "16/1/4", "215.62", OF_000 + paper_000.NO_COUNT_50.format(3.369)),
        ("SEW-ResNet34", "8/8/1", "226.93", ""),
    )
    learned = (
        ("Ours-221", "30.74", "7.03", 2.58),
        ("Ours-241", "54.69", "7.14", 2.62),
        ("Ours-441", "77.78", "10.69", 3.93),
    )
    biases_too = "25.56 M numbers of 16 bits, biases and batch norm among them"
    bit_ops = [paper_000.s_ace(*row, counting=COUNTING) for row in published]
    bit_ops += [_unknown(f"SEW-ResNet34 {what}", printed) for what, printed, _, _ in learned]
    sizes = [
        _size("SEW-ResNet34 16/1/4", "sew-resnet34", "16/1/4", "43.56", classes=1000),
        _size("SEW-ResNet34 8/8/1", "sew-resnet34", "8/8/1", "21.78", classes=1000),
        _size("SEW-ResNet50 16/1/4", "sew-resnet50", "16/1/4", "51.12", biases_too, classes=1000),
    ]
    sizes += [
        _size(f"SEW-ResNet34 {what}", "sew-resnet34", "16/1/1", printed, MEAN, 1000, mean)
        for what, _, printed, mean in learned
    ]
    return (*bit_ops, *sizes)


def _s_ace(architecture: str, bits: str, printed: str, note: str) -> Row:
    graph = graph_of(architecture.split()[0].lower(), bits)
    return Row(
        row=f"{architecture} {bits}",
        printed=printed,
        ours=cost(graph, COUNTING).total.s_ace / 1e9,
        true=cost(graph).total.s_ace / 1e9,
        unit="G bit operations",
        counting=COUNTING,
        note=note,
    )


def _unknown(row: str, printed: str) -> Row:
    return Row(row=row, printed=printed, ours=None, unit="G bit operations", counting=COUNTING, note=LEARNED)


def _size(
    row: str,
    name: str,
    bits: str,
    printed: str,
    note: str = "",
    classes: int = 10,
    mean: float | None = None,
    counting: str = COUNTING,
) -> Row:
    """A size; where each layer learned its own width, ``mean`` weight bits take the place of 16."""
    graph = graph_of(name, bits, IMAGENET if classes == 1000 else CIFAR, classes)
    ours, true = (cost(graph, rule).total for rule in (counting, "exact"))
    shift = 0.0 if mean is None else true.weights * (mean - FULL_PRECISION) / 8
    return Row(
        row=row,
        printed=printed,
        ours=(ours.size_bytes + shift) / 1e6,
        true=(true.size_bytes + shift) / 1e6,
        unit="MB",
        counting=counting,
        note=note,
    )
