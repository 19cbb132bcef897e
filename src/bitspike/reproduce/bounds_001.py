"""Paper 001's proofs in numbers, by our quantizers. Its formulas are missing from our copy; its proofs give them."""

from __future__ import annotations

import torch
from torch import Tensor

from bitspike.bits import alphabet_width
from bitspike.costs import cost
from bitspike.neurons import AdaptiveSettings
from bitspike.quant.lsq import lsq
from bitspike.reproduce.networks import CIFAR, IMAGENET, graph_of
from bitspike.reproduce.table import Row

__all__ = ["errors", "grows", "rounding", "squeezing", "steps_that_no_longer_fit", "uniform"]

PROOF = "closed form of its proof"
SAMPLES = 4096
"""Points within each step of the widest alphabet."""
BITS = range(2, 9)
SQUEEZED = AdaptiveSettings(tau=1.0, squeeze=True)


def uniform(bits: int, step: float = 1.0, samples: int = SAMPLES) -> Tensor:
    """``x`` spread evenly over ``[0, step (2^bits - 1)]``: the middles of ``samples`` parts of each step."""
    count = (2**bits - 1) * samples
    return (torch.arange(count, dtype=torch.float64) + 0.5) * (step / samples)


def errors(x: Tensor, bits: int, step: float = 1.0, rounds: bool = True, signed: bool = False) -> Tensor:
    """``|Q(x) - x|`` of the quantizer of spikes, or of the signed one of weights and images."""
    quantized = lsq(x, torch.tensor(step, dtype=x.dtype), bits, signed=signed, rounds=rounds)
    return (quantized - x).abs()


def grows(x: Tensor, bits: int, fewer: int, step: float = 1.0, signed: bool = False) -> Tensor:
    """Where the error grows when ``bits`` become ``fewer`` and the step stays as it was."""
    return errors(x, fewer, step, signed=signed) > errors(x, bits, step, signed=signed)


def share(bits: int, fewer: int) -> float:
    """That share, of ``x`` spread evenly: all from half a step above the highest code of the fewer bits on (Eq. 22).

    Of signed codes, one bit of which is the sign, it is the share of a bit less on each side.
    """
    return (2**bits - 2**fewer - 0.5) / (2**bits - 1)


def rounding() -> tuple[Row, ...]:
    """paper 001, Appendix A.2.1: the mean error of floor and of rounding, in steps, of evenly spread x"""
    rows = []
    for bits in BITS:
        x = uniform(bits)
        for label, printed, rounds in (("floor", "0.500000", False), ("rounding", "0.250000", True)):
            ours = float(errors(x, bits, rounds=rounds).mean())
            rows.append(Row(row=f"{label}, b = {bits}", printed=printed, ours=ours, unit="steps", counting=PROOF))
    return tuple(rows)


def steps_that_no_longer_fit() -> tuple[Row, ...]:
    """paper 001, Theorem 1 and Lemma 1: where the error grows when bits are fewer and the step stays as it was"""
    rows = []
    for bits in BITS:
        for fewer in range(1, bits):
            ours = float(grows(uniform(bits), bits, fewer).double().mean())
            printed = f"{share(bits, fewer):.4f}"
            rows.append(_row(f"b = {bits} to {fewer}: share of x", printed, ours))
    for bits in BITS[1:]:
        half = uniform(bits - 1)
        for fewer in range(2, bits):
            ours = float(grows(torch.cat((-half, half)), bits, fewer, signed=True).double().mean())
            rows.append(_row(f"b = {bits} to {fewer}, signed: share of x", f"{share(bits - 1, fewer - 1):.4f}", ours))
    least = min(float(grows(uniform(b), b, b - 1).double().mean()) for b in BITS)
    rows.append(_row("lower bound of the share (Lemma 1)", "0.5", least, "met wherever one bit is lost"))
    for n in (2, 8, 64):
        one = f"of n = {n} independent elements, one at least"
        rows.append(_row(one, f"{1 - 0.5**n:.6f}", 1 - (1 - least) ** n, "tends to 1 with the dimension"))
    bell = torch.erfinv((torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000) * 2**0.5
    x = bell / bell.max() * 15
    note = (
        "the bound is of evenly spread x; of a half of a bell, as activations behind a ReLU are, whose largest is the "
        "highest code, few lie in the half that is clipped"
    )
    rows.append(_row("b = 4 to 3: share of x of a bell", "0.5", float(grows(x, 4, 3).double().mean()), note))
    return tuple(rows)


def squeezing() -> tuple[Row, ...]:
    """paper 001, Appendix A.6, Figure A.1: bits and bit operations of a squeezed train of spikes"""
    rows = []
    note = "a sum of T spikes has T (2^b - 1) + 1 values, so what is squeezed without loss is wider than a spike"
    for bits in (1, 2, 4):
        for steps in (1, 2, 4):
            ours = float(alphabet_width(0, steps * (2**bits - 1)))
            told = "" if steps == 1 else note
            row, counting = f"b = {bits}, T = {steps}: squeezed map", "width of the sum"
            rows.append(Row(row=row, printed=str(bits), ours=ours, unit="bits", counting=counting, note=told))
    for steps in (2, 4):
        ours, true = (_squeezed(steps, counting) for counting in ("paper-001", "exact"))
        row, told = (
            f"ResNet20 4/4/{steps}: squeezed over sequential",
            "at the width of the sum, exactly, it is more",
        )
        unit = "ratio of S-ACE"
        rows.append(
            Row(row=row, printed=str(1 / steps), ours=ours, true=true, unit=unit, counting="paper-001", note=told)
        )
    for label, name, image in (
        ("ResNet20", "pre-resnet20", CIFAR),
        ("ResNet18", "pre-resnet18", CIFAR),
        ("SEW-ResNet34", "pre-sew-resnet34", IMAGENET),
    ):
        row, told = f"{label} 4/4/2: additions of squeezing", "one for each neuron; its division comes on top"
        ours = _additions(name, image)
        unit, counting = "% of the multiplications", "exact"
        rows.append(Row(row=row, printed="0.1", ours=ours, unit=unit, counting=counting, note=told, bound="below"))
    return tuple(rows)


def _additions(name: str, image: tuple[int, int, int]) -> float:
    """Additions of the mean of two steps, over the multiplications of the layers that read it."""
    graph = graph_of(name, "4/4/2", image, neuron=SQUEEZED)
    neurons = sum(graph.edges[node.name].size for node in graph.neurons())
    return 100 * neurons / cost(graph).total.macs


def _squeezed(steps: int, counting: str) -> float:
    """S-ACE of the paper's network with the mean over time between its layers, over that without."""
    squeezed, sequential = (
        cost(graph_of("pre-resnet20", f"4/4/{steps}", neuron=AdaptiveSettings(tau=1.0, squeeze=squeeze)), counting)
        for squeeze in (True, False)
    )
    return squeezed.total.s_ace / sequential.total.s_ace


def _row(row: str, printed: str, ours: float, note: str = "") -> Row:
    return Row(row=row, printed=printed, ours=ours, unit="share", counting=PROOF, note=note)
