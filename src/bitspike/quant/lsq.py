"""Weights whose step size is learned: LSQ (Esser et al. 2020; paper 001, Eqs. 6 and A.6 to A.13)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bitspike.bits import signed_range, unsigned_range
from bitspike.quant import fused
from bitspike.quant.quantizer import WeightQuantizer, per_channel
from bitspike.quant.registry import QUANTIZERS, QuantizerSettings
from bitspike.quant.rounding import round_half_up, sign

__all__ = ["LSQ", "LSQSettings", "PerChannelLSQSettings", "lsq", "signed_codes", "unsigned_codes"]


class LSQ(WeightQuantizer):
    """``w_q = a * clip(round(w/a), -Q, Q)``, ``Q = 2^(bits-1) - 1``; one bit is ``+-a`` (``w <= 0`` gives ``-a``).

    Gradients, with ``v = w/a``: to ``w`` straight-through where ``|v| <= Q``; to ``a`` the sum over elements of
    ``q - v`` inside, ``+-Q`` outside, times ``1/sqrt(N Q)`` for ``N`` elements.
    ``a`` starts at ``2 mean|w| / sqrt(Q)``.

    Args:
        bits: ``b_w``, 1 to 16.
        weight: the weight to attach to, ``[C_out, ...]``.
        channelwise: one ``a`` for each output channel instead of one for the layer.
    """

    def __init__(self, bits: int, weight: Tensor, channelwise: bool = False) -> None:
        super().__init__(bits, weight)
        shape = per_channel(weight) if channelwise else ()
        start = torch.ones(shape, device=weight.device, dtype=weight.dtype)
        if not weight.is_meta:
            magnitude = weight.detach().abs()
            mean = magnitude.mean(tuple(range(1, weight.ndim)), keepdim=True) if channelwise else magnitude.mean()
            start = (2 * mean / math.sqrt(self.top)).clamp(min=torch.finfo(weight.dtype).tiny)
        self.step = nn.Parameter(start)

    def step_size(self, weight: Tensor) -> Tensor:
        return self.step.detach().abs()

    def codes(self, weight: Tensor) -> Tensor:
        return signed_codes(weight / self.step_size(weight), self.bits)

    def forward(self, weight: Tensor) -> Tensor:
        return lsq(weight, self.step.abs(), self.bits)


def lsq(
    x: Tensor,
    step: Tensor,
    bits: Tensor | int,
    *,
    signed: bool = True,
    rounds: bool = True,
    levels: int | None = None,
    scaled: bool = True,
) -> Tensor:
    """``step * code(x/step)`` with the gradients of paper 001, Eqs. 16 to 20 and A.6 to A.13.

    With ``v = x/step``: to ``x`` straight-through inside the alphabet ``lo..Q``; to ``step`` the sum of ``code - v``
    inside and of ``code`` outside, times ``1/sqrt(N Q)`` for the ``N`` elements that share it; to ``bits`` the sum,
    over what is above ``Q`` (and, signed, minus what is below ``-Q``), of ``step * ln 2 * (Q + 1)``, or
    ``step * ln 2`` at one bit. (The paper mentions a scale of the last one; its code has none.)

    Args:
        x: any shape. step: positive; a scalar, or a shape that broadcasts to that of ``x``.
        bits: a whole number; a scalar tensor where it is learned.
        signed: ``+-(2^(bits-1) - 1)``, one bit is the sign; else ``0 .. 2^bits - 1``.
        rounds: to the nearest code, half up, or down to the one below (not signed).
        levels: highest code of an unsigned alphabet that does not use all of its bits: ``0 .. levels``.
        scaled: whether the gradient of ``step`` has that ``1/sqrt(N Q)``.
    """
    if fused.takes(x, step) and _in_groups(x, step) and not (signed and levels is not None):
        b = int(bits)
        lo, hi = signed_range(b) if signed else unsigned_range(b) if levels is None else (0, levels)
        alphabet = fused.Alphabet(lo, hi, step.numel(), x.numel() // step.numel())
        rounding = fused.Rounding.nearest if rounds or signed else fused.Rounding.below
        return fused.levels(x, step, [alphabet], fused.Rounding.sign if signed and b == 1 else rounding, bits, scaled)
    quantized: Tensor = _LSQ.apply(x, step, bits, signed, rounds, levels, scaled)
    return quantized


def _in_groups(x: Tensor, step: Tensor) -> bool:
    """Whether what shares a step lies side by side in memory, one group after another."""
    if step.numel() == 1:
        return step.ndim <= x.ndim
    return step.shape == per_channel(x) and x.stride(0) == x[0].numel() and step.is_contiguous()


def signed_codes(v: Tensor, bits: int) -> Tensor:
    """Codes of ``v = x/step`` in the signed alphabet of ``bits``."""
    top = signed_range(bits)[1]
    return sign(v) if bits == 1 else round_half_up(v).clamp(-top, top)


def unsigned_codes(v: Tensor, bits: int, rounds: bool) -> Tensor:
    """Codes of ``v = x/step`` in ``0 .. 2^bits - 1``."""
    return (round_half_up(v) if rounds else torch.floor(v)).clamp(0, unsigned_range(bits)[1])


class _LSQ(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        step: Tensor,
        bits: Tensor | int,
        signed: bool,
        rounds: bool,
        levels: int | None,
        scaled: bool,
    ) -> Tensor:
        v, b = x / step, int(bits)
        codes = signed_codes(v, b) if signed else unsigned_codes(v, b, rounds)
        ctx.alphabet, ctx.bits, ctx.scaled = signed_range(b) if signed else unsigned_range(b), b, scaled
        if levels is not None:
            codes, ctx.alphabet = codes.clamp(max=levels), (0, levels)
        ctx.save_for_backward(v, codes, step)
        return codes * step

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        v, codes, step = ctx.saved_tensors
        lo, top = ctx.alphabet
        inside = v.clamp(lo, top) == v
        to_x, at_codes = grads[0] * inside, grads[0] * codes
        elements = v.numel() // step.numel()  # that share one step
        slopes = torch.addcmul(at_codes, to_x, v, value=-1)  # codes - v inside; outside, codes are the alphabet's ends
        to_step = slopes.sum_to_size(step.shape) / (math.sqrt(elements * top) if ctx.scaled else 1)
        to_bits = None
        if ctx.needs_input_grad[2]:
            beyond = (at_codes.masked_fill_(inside, 0) * step).sum() / top
            to_bits = beyond * math.log(2) * (top + (ctx.bits > 1))
        return to_x, to_step, to_bits, None, None, None, None


class LSQSettings(QuantizerSettings):
    """Says how ``lsq`` is made, which learns one step size for each layer."""

    kind: Literal["lsq"] = "lsq"

    def make(self, bits: int, weight: Tensor) -> LSQ:
        return LSQ(bits, weight)


class PerChannelLSQSettings(QuantizerSettings):
    """Says how ``lsq-channel`` is made, which learns one step size for each output channel."""

    kind: Literal["lsq-channel"] = "lsq-channel"

    def make(self, bits: int, weight: Tensor) -> LSQ:
        return LSQ(bits, weight, channelwise=True)


QUANTIZERS.register("lsq", LSQSettings)
QUANTIZERS.register("lsq-channel", PerChannelLSQSettings)
