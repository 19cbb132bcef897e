"""Weights whose step size is learned: LSQ (Esser et al. 2020; paper 001, Eqs. 6 and A.6 to A.13)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.quant.quantizer import WeightQuantizer, per_channel
from bitspike.quant.rounding import round_half_up, sign

__all__ = ["LSQ"]


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
        return _codes(weight / self.step_size(weight), self.bits, self.top)

    def forward(self, weight: Tensor) -> Tensor:
        quantized: Tensor = _LSQ.apply(weight, self.step.abs(), self.bits, self.top)
        return quantized


def _codes(v: Tensor, bits: int, top: int) -> Tensor:
    return sign(v) if bits == 1 else round_half_up(v).clamp(-top, top)


class _LSQ(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, step: Tensor, bits: int, top: int) -> Tensor:
        v = weight / step
        codes = _codes(v, bits, top)
        ctx.save_for_backward(v, codes, step)
        ctx.top = top
        return codes * step

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        v, codes, step = ctx.saved_tensors
        inside = v.abs() <= ctx.top
        slope = torch.where(inside, codes - v, codes)  # outside, codes are +-Q
        elements = v.numel() // step.numel()  # that share one step
        to_step = (grads[0] * slope).sum_to_size(step.shape) / math.sqrt(elements * ctx.top)
        return grads[0] * inside, to_step, None, None
