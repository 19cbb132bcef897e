"""One-bit weights, with and without the weight half of paper 002's dual regulation (WS-DR)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from bitspike.errors import UserError
from bitspike.quant.quantizer import WeightQuantizer
from bitspike.quant.registry import QUANTIZERS, QuantizerSettings
from bitspike.quant.rounding import round_half_up

__all__ = [
    "BinaryRegulated",
    "BinarySettings",
    "MaxScaled",
    "RegulatedAsInCodeSettings",
    "RegulatedAsPrintedSettings",
    "RegulatedSettings",
    "binary",
]

Over = Literal["channel", "layer", "nothing"]
_TINY = 1e-8
"""Of a layer of equal weights, or of none but zeros: keeps a quotient finite."""


class BinaryRegulated(WeightQuantizer):
    """``a * sign(w^)``, ``w^ = (w - mean)/std``, ``sign(0) = 1`` (paper 002, Eqs. 6, 7 and 14).

    Regulated weights lie on both sides of zero in equal numbers, nearly, so that a bit carries nearly a bit.

    The gradient of sign is the authors' ``k t (1 - tanh^2(t w^))``, ``k = max(1/t, 1)``: nearly straight-through at a
    temperature ``t`` of 0.1, a narrow peak at 10. Training raises ``t`` (`TrainConfig.sign_temperature`); it is a
    buffer, so that checkpoints hold it. ``a`` gets no gradient; mean and standard deviation do.

    Args:
        bits: 1.
        weight: the weight to attach to, ``[C_out, ...]``.
        over: what ``mean`` and ``std`` are of: each output ``channel`` (the authors' code), the whole ``layer`` (the
            paper), or ``nothing``: no regulation, ``w^ = w``.
        power_of_two: ``a`` is ``2^round(log2 mean|w^|)`` (the authors' code) and not ``mean|w^|`` (the paper, Alg. 1).
            Either is one number for each output channel.
    """

    temperature: Tensor

    def __init__(self, bits: int, weight: Tensor, over: Over = "channel", power_of_two: bool = False) -> None:
        super().__init__(bits, weight)
        if bits != 1:
            raise UserError("weight bits", bits, "want 1: this quantizer is a sign")
        self.over, self.power_of_two = over, power_of_two
        self.register_buffer("temperature", torch.ones((), device=weight.device))

    def regulated(self, weight: Tensor) -> Tensor:
        """``w^``, shaped like ``weight``."""
        if self.over == "nothing":
            return weight
        axes = tuple(range(1 if self.over == "channel" else 0, weight.ndim))
        std, mean = torch.std_mean(weight, axes, correction=0, keepdim=True)
        return (weight - mean) / std.clamp(min=_TINY)

    def step_size(self, weight: Tensor) -> Tensor:
        return self._scale(self.regulated(weight.detach()))

    def codes(self, weight: Tensor) -> Tensor:
        return _sign(self.regulated(weight.detach()))

    def forward(self, weight: Tensor) -> Tensor:
        w = self.regulated(weight)
        signs: Tensor = _Sign.apply(w, self.temperature)
        return signs * self._scale(w.detach())

    def _scale(self, regulated: Tensor) -> Tensor:
        mean = regulated.abs().mean(tuple(range(1, regulated.ndim)), keepdim=True).clamp(min=_TINY)
        return torch.exp2(round_half_up(torch.log2(mean))) if self.power_of_two else mean


def _sign(w: Tensor) -> Tensor:
    return (w >= 0).to(w.dtype).mul_(2).sub_(1)


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, t: Tensor) -> Tensor:
        ctx.save_for_backward(w, t)
        return _sign(w)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        w, t = ctx.saved_tensors
        return grads[0] * (1 - torch.tanh(t * w).square()) * t.clamp(min=1), None  # k t = max(1, t)


class MaxScaled(WeightQuantizer):
    """``m/Q * round(Q w/m)``, ``m = max|w|`` of the layer, ``Q = 2^(bits-1) - 1``; straight-through.

    How paper 002 keeps its first and last layer at 8 bits. ``m`` gets no gradient. (One bit would have no 0 to round
    to: that is `BinaryRegulated`.)
    """

    def __init__(self, bits: int, weight: Tensor) -> None:
        super().__init__(bits, weight)
        if bits == 1:
            raise UserError("weight bits", bits, "want 2 to 16; one bit is BinaryRegulated")

    def step_size(self, weight: Tensor) -> Tensor:
        return weight.detach().abs().amax().clamp(min=_TINY) / self.top

    def codes(self, weight: Tensor) -> Tensor:
        return round_half_up(weight / self.step_size(weight)).clamp(-self.top, self.top)

    def forward(self, weight: Tensor) -> Tensor:
        return self.codes(weight) * self.step_size(weight)


def binary(bits: int, weight: Tensor, over: Over = "channel", power_of_two: bool = False) -> WeightQuantizer:
    """Paper 002's quantizer of any layer: `BinaryRegulated` at one bit, `MaxScaled` above."""
    return BinaryRegulated(bits, weight, over, power_of_two) if bits == 1 else MaxScaled(bits, weight)


class BinarySettings(QuantizerSettings):
    """Says how ``binary`` is made: the weights' signs, without regulation."""

    kind: Literal["binary"] = "binary"
    anneals: ClassVar[bool] = True

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return binary(bits, weight, "nothing")


class RegulatedSettings(QuantizerSettings):
    """Says how ``ws-dr`` is made: signs of weights that are regulated for each channel, times their mean magnitude."""

    kind: Literal["ws-dr"] = "ws-dr"
    anneals: ClassVar[bool] = True

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return binary(bits, weight)


class RegulatedAsPrintedSettings(QuantizerSettings):
    """Says how ``ws-dr-paper`` is made: regulated over the layer, as paper 002 prints it."""

    kind: Literal["ws-dr-paper"] = "ws-dr-paper"
    anneals: ClassVar[bool] = True

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return binary(bits, weight, "layer")


class RegulatedAsInCodeSettings(QuantizerSettings):
    """Says how ``ws-dr-code`` is made: regulated for each channel, times a power of two, as in paper 002's code."""

    kind: Literal["ws-dr-code"] = "ws-dr-code"
    anneals: ClassVar[bool] = True

    def make(self, bits: int, weight: Tensor) -> WeightQuantizer:
        return binary(bits, weight, power_of_two=True)


QUANTIZERS.register("binary", BinarySettings)
QUANTIZERS.register("ws-dr", RegulatedSettings)
QUANTIZERS.register("ws-dr-paper", RegulatedAsPrintedSettings)
QUANTIZERS.register("ws-dr-code", RegulatedAsInCodeSettings)
