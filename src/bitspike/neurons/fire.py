"""From membrane potential to spike level: the staircase that every neuron fires by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bitspike.errors import UserError
from bitspike.neurons.surrogate import Surrogate

__all__ = ["Staircase"]


@dataclass(frozen=True)
class Staircase:
    """``level = clip(floor(v/v_threshold + shift), lo, hi)``; a tie fires (ADR-0001). The spike is ``level * scale``.

    Args:
        v_threshold: height of one step, in units of the membrane potential.
        lo, hi: the alphabet, both included. ``0, 1`` is the binary spike.
        shift: 0 fires by floor (most papers), 1/2 by rounding (paper 001, Eq. 14).
        scale: value of one level in the spike that is sent.
    """

    v_threshold: float
    lo: int = 0
    hi: int = 1
    shift: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.v_threshold > 0:
            raise UserError("v_threshold", self.v_threshold, "want a number above 0")
        if self.hi <= self.lo:
            raise UserError("alphabet", f"{self.lo}..{self.hi}", "want at least two levels, lo < hi")

    def level(self, v: Tensor) -> Tensor:
        """Spike levels (whole numbers in the dtype of ``v``), shaped like ``v``."""
        if (self.lo, self.hi, self.shift) == (0, 1, 0.0):  # one comparison says the same; into floats, in one pass
            v = v.detach()
            return torch.ge(v, self.v_threshold, out=torch.empty_like(v))
        scaled = v if self.v_threshold == 1.0 else v / self.v_threshold
        scaled = scaled + self.shift if self.shift else scaled
        return torch.floor(scaled).clamp_(self.lo, self.hi)

    def nearest_threshold(self, v: Tensor) -> Tensor | float:
        """The potential of the step nearest to ``v``: where a smooth surrogate is centred."""
        if self.hi - self.lo == 1:
            return (self.hi - self.shift) * self.v_threshold
        step = torch.floor(v / self.v_threshold + (self.shift + 0.5)).clamp_(self.lo + 1, self.hi)
        return step.sub_(self.shift).mul_(self.v_threshold)

    def fire(self, v: Tensor, surrogate_function: Surrogate) -> Tensor:
        """Spikes ``level * scale``, shaped like ``v``, with the surrogate's gradient."""
        spikes: Tensor = _Fire.apply(v, self, surrogate_function)
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
