"""The staircase that a neuron fires by: threshold, alphabet and rounding as data, and the level of a potential."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bitspike.errors import UserError

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
