"""Paper 000 (Shen et al. 2024, Bit Budget): its claims on the Fashion-MNIST convnet and on CIFAR-10's VGG9."""

from __future__ import annotations

from itertools import pairwise

from claims.claim import BELOW_0, Claim, Measured, Outcome, Paper, at_most, beats, worst
from claims.hardware_000 import HARDWARE
from claims.trains import steps_for_bits

__all__ = ["CLAIMS", "PAPER"]

BUDGET_4 = ("1/4/1", "1/2/2", "1/1/4", "2/2/1", "2/1/2", "4/1/1")
WEIGHT_BITS = ("1/2/1", "2/2/1", "4/2/1", "8/2/1", "16/2/1")


def judge_spike_bits_beat_steps(measured: Measured) -> Outcome:
    """1/4/1 > 1/2/2 > 1/1/4 and 2/2/1 > 2/1/2, each by more than twice the standard error."""
    scores = measured["test_accuracy"]
    pairs = [*pairwise(BUDGET_4[:3]), ("2/2/1", "2/1/2")]
    compared = [(better, worse, *beats(scores[f"bits={better}"], scores[f"bits={worse}"])) for better, worse in pairs]
    why = "; ".join(f"{better} over {worse}: {text}" for better, worse, _, _, text in compared)
    if any(difference < 0 and clear for _, _, difference, clear, _ in compared):
        return Outcome("not confirmed", why)
    sure = all(difference > 0 and clear for _, _, difference, clear, _ in compared)
    return Outcome("confirmed" if sure else "within the spread", why)


def judge_one_bit_weights(measured: Measured) -> Outcome:
    """1 bit is at most 3 points below 16; 4 to 16 bits add at most 0.5 points, and less than 1 to 4."""
    scores = measured["test_accuracy"]
    one, four, full = (scores[f"bits={w}/2/1"] for w in (1, 4, 16))
    loss_text, early_text, late_text = (beats(*pair)[2] for pair in ((full, one), (four, one), (full, four)))
    why = f"16 over 1 bit: {loss_text}; 4 over 1 bit: {early_text}; 16 over 4 bits: {late_text}"
    middle = [(low + high) / 2 for low, high in zip(one, full, strict=True)]  # of a seed; below 4 bits if they saturate
    return Outcome(worst(at_most(full, one, 3), at_most(full, four, 0.5), at_most(middle, four, BELOW_0)), why)


RECIPES = {"": "fashion-convnet", "-cifar10": "cifar10-vgg9-narrow"}
"""By the end of a claim's name."""


def _on(data: str) -> tuple[Claim, Claim]:
    def settings(allocations: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((RECIPES[data], (f"bits={bits}",)) for bits in allocations)

    return (
        Claim(
            f"000.1{data}",
            "On static images and at equal Bit Budget, more spike bits beat more time steps: 1/4/1 > 1/2/2 > 1/1/4.",
            "Section 4.1, Table 2",
            settings(BUDGET_4),
            judge_spike_bits_beat_steps,
        ),
        Claim(
            f"000.3{data}",
            "1-bit weights stay usable, and accuracy saturates with weight bits.",
            "Section 4.3, Figure 5",
            settings(WEIGHT_BITS),
            judge_one_bit_weights,
        ),
    )


HARDWARE_COST = Claim("000.4", "Hardware cost is linear in the Bit Budget.", "Section 3.2, Figure 3", own=HARDWARE)

CLAIMS = tuple(
    sorted(
        (*_on(""), *_on("-cifar10"), *steps_for_bits(), HARDWARE_COST),
        key=lambda claim: claim.name.partition("-")[0],
    )
)

PAPER = Paper(
    "000: Are conventional SNNs really efficient? (Bit Budget)",
    CLAIMS,
    ("s_ace", "ns_ace"),
    """Every network trains with the straight-through gradient, which passes nothing where a potential lies outside the
alphabet. That may cost one-bit spikes more than graded ones, so a verdict on spike bits against steps holds for this
gradient only; the scales called "-atan" repeat it with another.""",
)
