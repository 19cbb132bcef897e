"""From membrane potential to spikes: the level of the staircase forward, a surrogate's gradient backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bitspike.neurons.staircase import Staircase
from bitspike.neurons.surrogate import Surrogate

__all__ = ["fire"]


def fire(v: Tensor, staircase: Staircase, surrogate_function: Surrogate) -> Tensor:
    """Spikes ``level * scale``, shaped like ``v``, with the surrogate's gradient."""
    spikes: Tensor = _Fire.apply(v, staircase, surrogate_function)
    return spikes


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, staircase: Staircase, surrogate_function: Surrogate) -> Tensor:
        ctx.save_for_backward(v)
        ctx.staircase, ctx.surrogate_function = staircase, surrogate_function
        level = staircase.level(v)
        return level if staircase.scale == 1.0 else level.mul_(staircase.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (v,) = ctx.saved_tensors
        return ctx.surrogate_function.backward(grads[0], v, ctx.staircase), None, None
