"""Quantizers that learn how many bits they have (paper 001), and the renewal of their step when the bits change."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bitspike.bits import FULL_PRECISION, signed_range, unsigned_range
from bitspike.errors import UserError
from bitspike.quant.lsq import lsq, signed_codes
from bitspike.quant.quantizer import WeightQuantizer
from bitspike.quant.registry import QUANTIZERS, QuantizerSettings
from bitspike.quant.rounding import round_half_up
from bitspike.quant.shares import of_all_shares

__all__ = [
    "AdaptiveWeights",
    "AdaptiveWeightsSettings",
    "LearnedQuantizer",
    "Renewal",
    "grid_search",
    "learned_integer",
    "whole",
]

SMALLEST_STEP = 1e-5
CANDIDATES = 100


def learned_integer(value: Tensor, least: int, most: int) -> Tensor:
    """``round(clip(|value|, least, most))``; the gradient is that of ``|value|``, outside the bounds too (Eqs. 9-11).

    (Were it 1 below 0 too, what is pushed down past 0 would come out as more and more bits, and be pushed further.)
    """
    whole: Tensor = _LearnedInteger.apply(value, least, most)
    return whole


def whole(value: Tensor, least: int, most: int) -> int:
    """The number that `learned_integer` gives, as one of Python: exact, as float64 holds a half more than float32."""
    return math.floor(min(max(abs(float(value.detach())), least), most) + 0.5)


class _LearnedInteger(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, least: int, most: int) -> Tensor:
        ctx.save_for_backward(value)
        return round_half_up(value.abs().clamp(least, most))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return torch.where(ctx.saved_tensors[0] < 0, -grads[0], grads[0]), None, None


class LearnedQuantizer(nn.Module):
    """``step * code(x/step)`` whose step and bits are learned (paper 001, Eqs. 6 and 14 to 20; `bitspike.quant.lsq`).

    The step starts at ``2 mean|x| / sqrt(Q)`` of the first training batch. When the rounded bits change in training,
    `Renewal` overwrites the step before it is used. All of its state is in the checkpoint.

    Args:
        bits: where the learned bits start.
        most: their upper bound, 1 to 16.
        signed: ``+-(2^(b-1) - 1)``, one bit is the sign; else ``0 .. 2^b - 1``.
        rounds: to the nearest code, or down (unsigned only).
        least: their lower bound.
    """

    started: Tensor

    def __init__(self, bits: float, most: int, signed: bool, rounds: bool = True, least: int = 1) -> None:
        super().__init__()
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 16:
            raise UserError("most bits", most, "want a whole number from 1 to 16")
        if not least <= bits <= most:
            raise UserError("learned bits", bits, f"want them to start from {least} to {most}, their bounds")
        if signed and not rounds:
            raise UserError("signed alphabet", "floor", "want it rounded: its codes are symmetric")
        self.least, self.most, self.signed, self.rounds = least, most, signed, rounds
        with torch.device("cpu"):  # also in a model of shapes alone: its graph tells bits
            self.learned_bits = nn.Parameter(torch.tensor(float(bits)))
            self.step = nn.Parameter(torch.ones(()))
            self.renewal = Renewal(self.bits)
            self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @property
    def bits(self) -> int:
        """``b``, as they are now."""
        return whole(self.learned_bits, self.least, self.most)

    @property
    def alphabet(self) -> tuple[int, int]:
        """``lo, hi`` of the codes."""
        return signed_range(self.bits) if self.signed else unsigned_range(self.bits)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, quantized; in training the step is started or renewed first."""
        if self.training:
            self._prepare(x.detach())
        bits = learned_integer(self.learned_bits, self.least, self.most)
        return lsq(x, self.step.abs(), bits, signed=self.signed, rounds=self.rounds)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Sets the step to ``2 mean|x| / sqrt(Q)``."""
        self.step.copy_((2 * x.abs().mean() / math.sqrt(self.alphabet[1])).clamp(min=SMALLEST_STEP))
        self.started.fill_(True)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Sets the step to that of Algorithm 2's best range of ``x``."""
        low, high = grid_search(x, self.bits, self.signed, self.rounds)
        self.step.copy_(_step(low, high, self.bits, self.signed))

    def _prepare(self, x: Tensor) -> None:
        if not self.started:
            self.start(of_all_shares(x))
        self.renewal(x, self)

    def extra_repr(self) -> str:
        return f"bits={self.bits}, most={self.most}, signed={self.signed}"


class Renewal(nn.Module):
    """Algorithm 1: where the bits change, a step that suits the new alphabet replaces the one that the old had learned.

    Without it a step that fits ``b`` bits clips at ``b - 1`` what lies in the upper half of its range, and gradients
    move it there slowly.

    State: the bits that the step is for, and the range of ``x`` that was found best so far, over all changes.
    """

    old_bits: Tensor
    low: Tensor
    high: Tensor
    active: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.register_buffer("old_bits", torch.tensor(bits))
        self.register_buffer("low", torch.tensor(math.inf))
        self.register_buffer("high", torch.tensor(-math.inf))
        self.register_buffer("active", torch.ones((), dtype=torch.bool))

    @torch.no_grad()
    def forward(self, x: Tensor, quantizer: LearnedQuantizer) -> None:
        """Overwrites ``quantizer.step`` if its bits are others than at the last call (Eqs. 24 and 25)."""
        bits = quantizer.bits
        if bits == int(self.old_bits):
            return
        self.old_bits.fill_(bits)
        if not self.active:
            return
        low, high = grid_search(of_all_shares(x), bits, quantizer.signed, quantizer.rounds)
        self.low.copy_(torch.minimum(self.low, low))
        self.high.copy_(torch.maximum(self.high, high))
        quantizer.step.copy_(_step(self.low, self.high, bits, quantizer.signed))


def _step(low: Tensor, high: Tensor, bits: int, signed: bool) -> Tensor:
    """Eq. 25: the step whose alphabet reaches from ``low`` to ``high``."""
    if signed:
        reach = torch.maximum(low.abs(), high) / signed_range(bits)[1]
    else:
        reach = (high.clamp(min=0) - low.clamp(max=0)) / unsigned_range(bits)[1]
    return reach.clamp(min=SMALLEST_STEP)


class AdaptiveWeights(WeightQuantizer):
    """Weights whose bits and step are learned, one of each for the layer (paper 001, Eqs. 6, 18 and 19).

    Args:
        bits: where ``b_w`` starts.
        weight: the weight to attach to.
        spare: how far above its start ``b_w`` may be learned.
    """

    def __init__(self, bits: int, weight: Tensor, spare: int = 2) -> None:
        super().__init__(bits, weight)
        self.quantizer = LearnedQuantizer(bits, min(bits + spare, FULL_PRECISION - 1), signed=True)
        if not weight.is_meta:
            self.quantizer.to(weight.device)
            self.quantizer.start(weight.detach())

    @property
    def bits(self) -> int:
        return self.quantizer.bits

    def step_size(self, weight: Tensor) -> Tensor:
        return self.quantizer.step.detach().abs()

    def codes(self, weight: Tensor) -> Tensor:
        return signed_codes(weight / self.step_size(weight), self.bits)

    def forward(self, weight: Tensor) -> Tensor:
        quantized: Tensor = self.quantizer(weight)
        return quantized


class AdaptiveWeightsSettings(QuantizerSettings):
    """Says how ``adaptive`` is made, which learns the bits of each layer too (paper 001).

    Attributes:
        spare_bits: how far above their start they may be learned (the authors' code: 2).
    """

    kind: Literal["adaptive"] = "adaptive"
    spare_bits: int = Field(2, ge=0)

    def make(self, bits: int, weight: Tensor) -> AdaptiveWeights:
        return AdaptiveWeights(bits, weight, self.spare_bits)


QUANTIZERS.register("adaptive", AdaptiveWeightsSettings)


@torch.no_grad()
def grid_search(
    x: Tensor, bits: int, signed: bool, rounds: bool = True, candidates: int = CANDIDATES
) -> tuple[Tensor, Tensor]:
    """Algorithm 2: of ``candidates`` ranges, that with the smallest ``mean |Q(x) - x|^2.4``; the first of equals.

    Args:
        x: the current batch, or the weights.
        bits, signed, rounds: of the quantizer ``Q``.
        candidates: ``K``; 100 in the paper, 50 on ImageNet.

    Returns:
        ``m*, M*``: scalars.
    """
    spread = x.max() - x.min()
    best, found = math.inf, (torch.zeros_like(spread), spread)
    for i in range(1, candidates + 1):
        high = spread * (i / candidates)
        low = -high if signed else torch.zeros_like(high)
        quantized = lsq(x, _step(low, high, bits, signed), bits, signed=signed, rounds=rounds)
        score = float((quantized - x).abs().pow(2.4).mean())
        if score < best:
            best, found = score, (low, high)
    return found
