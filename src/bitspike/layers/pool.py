"""The max pool of a spiking network that was converted (paper 003): exact, once all is silent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.errors import UserError
from bitspike.layers.time import merge_time, split_time

__all__ = ["SpikingMaxPool2d"]

Sides = int | tuple[int, int]


class SpikingMaxPool2d(nn.Module):
    """``y[t] = maxpool(acc[t]) - maxpool(acc[t-1])`` of a train ``[T, N, C, H, W]``, ``acc`` what it sent up to ``t``.

    The steps add up to the max pool of what the train adds up to, whatever the order of its spikes. A window takes
    spikes back where what was its largest sum is taken back. State is ``acc``, fresh 0 at each call. Padding never
    wins.

    It adds up in float64, in which few steps of float32 spikes add up exactly.

    Args:
        kernel_size: of a window.
        stride: from one window to the next; by default as large as one.
        padding: how far windows overhang; at most half of one, as in torch.
    """

    def __init__(self, kernel_size: Sides, stride: Sides | None = None, padding: Sides = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def forward(self, spikes: Tensor) -> Tensor:
        if spikes.ndim != 5:
            raise UserError(
                "spiking max pool", list(spikes.shape), "want a train [T, N, C, H, W]; no OverTime around it"
            )
        so_far = spikes.cumsum(0, dtype=torch.float64)
        pooled = F.max_pool2d(merge_time(so_far), self.kernel_size, self.stride, self.padding)
        largest = split_time(pooled, spikes)
        return torch.cat([largest[:1], largest.diff(dim=0)]).to(spikes.dtype)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
