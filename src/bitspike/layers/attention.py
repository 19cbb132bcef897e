"""Products of spike trains that add up to the product of what the trains add up to (paper 003, condition 9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Accumulate", "Difference", "SpikingMatMul"]


class Accumulate(nn.Module):
    """The running sum ``y[t] = x[0] + ... + x[t]`` of a train ``[T, N, ...]``, in float64, where it is exact."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(0, dtype=torch.float64)


class Difference(nn.Module):
    """What each step has more than the one before it: ``y[t] = x[t] - x[t-1]``, where ``x[-1] = 0``."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:1], x.diff(dim=0)]).to(torch.get_default_dtype())


class SpikingMatMul(nn.Module):
    """``y[t] = A[t] @ B[t] - A[t-1] @ B[t-1]``, where ``A`` and ``B`` are what two trains have sent up to ``t``.

    The trains are ``[T, N, ...]``, the matrices their last two axes.
    The steps add up to the product of what the trains add up to, whatever the order of their spikes: what was sent
    early and taken back later is multiplied, and taken back. State is ``A`` and ``B``, fresh 0 at each call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.accumulate, self.difference = Accumulate(), Difference()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        product: Tensor = self.difference(self.accumulate(a) @ self.accumulate(b))
        return product
