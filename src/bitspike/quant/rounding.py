"""Rounding and sign with straight-through gradients. Their values are `bitspike.intmath`'s, on tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["round_half_up", "sign"]


def round_half_up(x: Tensor) -> Tensor:
    """``floor(x + 1/2)``, exact as `bitspike.intmath.round_half_up`; its gradient is the identity."""
    rounded: Tensor = _Round.apply(x)
    return rounded


def sign(x: Tensor) -> Tensor:
    """``+1`` where ``x > 0``, else ``-1`` (paper 001: zero goes down); its gradient is the identity."""
    signs: Tensor = _Sign.apply(x)
    return signs


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        below = torch.floor(x)
        return torch.sub(x, below).ge_(0.5).add_(below)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]
