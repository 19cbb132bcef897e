"""Numbers that the papers print, against sums by hand; `bitspike.reproduce` has their tables.

Sizes are in MB of 10^6 bytes, S-ACE in G bit operations.
"""

import pytest
import torch

from bitspike.bits import BitPlan, Bits
from bitspike.costs import CostReport, cost
from bitspike.lowering import lower
from bitspike.models import build_model
from bitspike.reproduce import reproduce
from bitspike.reproduce.networks import CIFAR, IMAGENET


def report(
    name: str,
    bits: str,
    counting: str,
    shape: tuple[int, int, int] = CIFAR,
    classes: int = 10,
    ends: tuple[int, int] | None = None,
) -> CostReport:
    """``ends`` are weight bits of the first and the last layer, where ``bits`` has others."""
    plan = BitPlan(Bits.parse(bits))
    if ends:
        names = {"vgg16": ("features.0.0", "classifier.1.0")}.get(name, ("stem.0", "head.2"))
        plan = BitPlan(plan.default, {layer: {"w": w} for layer, w in zip(names, ends, strict=True)})
    with torch.device("meta"):
        model = build_model(name, plan, sample=shape, num_classes=classes)
    return cost(lower(model, shape, name), counting)


def test_multiplications_are_whole_numbers():
    """Against sums written out by hand: kernel, channels in and out, places."""
    stem = 9 * 3 * 128 * 32**2
    first = 6 * 9 * 128 * 128 * 32**2
    second = (9 * 128 * 256 + 5 * 9 * 256 * 256 + 128 * 256) * 16**2
    third = (9 * 256 * 512 + 5 * 9 * 512 * 512 + 256 * 512) * 8**2
    assert report("resnet20", "16/1/4", "paper-001").total.macs == stem + first + second + third + 512 * 10

    stem = 49 * 3 * 64 * 112**2
    stages = [6 * 9 * 64 * 64 * 56**2]
    for channels, convolutions, side in ((128, 7, 28), (256, 11, 14), (512, 5, 7)):
        half = channels // 2
        stages.append((9 * half * channels + convolutions * 9 * channels**2 + half * channels) * side**2)
    macs = sum(stages) + 512 * 1000
    assert report("sew-resnet34", "16/1/4", "paper-001", IMAGENET, 1000).total.macs == macs
    assert report("sew-resnet34", "16/1/4", "exact", IMAGENET, 1000).total.macs == macs + stem


def test_paper_001_to_the_last_digit():
    """S-ACE and sizes: the rows that have nothing to explain."""
    tables = [row for table in ("001/table1", "001/table2") for row in reproduce(table)]
    rows = [row for row in tables if row.unit in ("G bit operations", "MB") and not row.why]
    assert len(rows) == 15
    assert [row.row for row in rows if not row.agrees] == []


def test_the_three_numbers_that_the_command_must_show():
    """Within one part in ten thousand."""
    for name, bits, shape, published in (
        ("resnet20", "16/1/4", CIFAR, 165.58e9),
        ("resnet18", "16/1/2", CIFAR, 17.717e9),
        ("sew-resnet34", "16/1/4", IMAGENET, 226.93e9),
    ):
        classes = 1000 if shape is IMAGENET else 10
        assert report(name, bits, "paper-001", shape, classes).total.s_ace == pytest.approx(published, rel=1e-4)


@pytest.mark.parametrize(("steps", "published"), [(2, 73.28), (4, 146.56)])
def test_resnet19_was_printed_from_a_rounded_count(steps, published):
    """2.29 G multiplications with the first convolution, which without it would round to 2.28."""
    total = report("resnet19", f"16/1/{steps}", "paper-001").total
    assert round(total.macs / 1e9, 2) * 16 * steps == pytest.approx(published, abs=1e-9)
    assert total.s_ace / 1e9 == pytest.approx(published, rel=0.003)
    assert round(report("resnet19", f"16/1/{steps}", "paper-000").total.macs / 1e9, 2) == 2.28


@pytest.mark.parametrize(
    ("name", "classes", "shape", "counting", "size"),
    [
        ("resnet20", 10, CIFAR, "paper-001", 34_554_624),
        ("sew-resnet34", 1000, IMAGENET, "paper-001", 43_559_296),
        ("resnet18", 100, CIFAR, "paper-001", 22_420_864),
        ("resnet19", 100, CIFAR, "exact", 25_251_584),
    ],
)
def test_sizes_of_paper_001(name, classes, shape, counting, size):
    assert report(name, "16/1/4", counting, shape, classes).total.size_bytes == size


def test_sew_resnet34_of_paper_000():
    """Published: 217.72 G, 3.402 G multiplications; no count that we know gives it. Ours is 4.2 % above."""
    ours = report("sew-resnet34", "16/1/4", "paper-000", IMAGENET, 1000).total
    assert ours.macs / 1e9 == pytest.approx(3.5457, abs=5e-5)
    assert ours.s_ace / 217.72e9 == pytest.approx(1.0423, abs=5e-5)
    assert ours.weights / 1e6 == pytest.approx(21.79, abs=0.02)  # the paper counts batch norm, and a bias, too
    assert ours.params / 1e6 == pytest.approx(21.79, abs=0.01)


def test_paper_002_from_its_sizes():
    """Table 2 adds the potentials of the largest layer to weights and batch norm."""
    published = {row.row: row.published for row in reproduce("002/table2")}
    for name, label, weights, channels, low, neurons in (
        ("resnet19", "ResNet19", 12_558_720, 5_248, 1_619_328, 131_072),
        ("vgg16", "VGG16", 14_715_584, 4_224, 1_894_592, 65_536),
    ):
        found = report(name, "16/1/2", "exact")
        assert found.total.weights == weights
        assert found.total.params == weights + 2 * channels
        assert max(layer.neurons for layer in found.neurons) == neurons
        for batch in (1, 64, 256):
            for size, width, bits in (
                (4 * (weights + 2 * channels), "32w-32u", 32),
                (low, "1w-8u", 8), (low, "1w-4u", 4), (low, "1w-2u", 2),
            ):  # fmt: skip
                ours = (size + batch * neurons * bits / 8) / 1e6
                assert ours == pytest.approx(published[f"{label} batch {batch} {width}"], abs=0.0081)


def test_one_bit_sizes_of_paper_002():
    """First and last layer 8 bits, but VGG16's last in floats, which the paper counts as 32 bits and a size as 16."""
    assert report("resnet19", "1/1/2", "exact", ends=(8, 8)).total.size_bytes == 1_619_328
    assert report("vgg16", "1/1/2", "exact", ends=(8, 16)).total.size_bytes + 512 * 10 * 16 / 8 == 1_894_592
