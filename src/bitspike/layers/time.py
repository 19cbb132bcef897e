"""Ordinary PyTorch layers over a spike train: time is merged into the batch, and split again."""

from __future__ import annotations

from typing import Any

import torch.fx
from torch import Tensor, nn

__all__ = ["OverTime", "SqueezeTime", "mean_over_time", "merge_time", "split_time"]


def merge_time(x: Tensor) -> Tensor:
    """``[T, N, ...]`` to ``[T*N, ...]``."""
    return x.flatten(0, 1)


def split_time(merged: Tensor, like: Tensor) -> Tensor:
    """``[T*N, ...]`` to ``[T, N, ...]``, with the ``T`` of ``like``."""
    return merged.unflatten(0, (like.shape[0], -1))


class OverTime(nn.Sequential):
    """Runs ``[N, ...]`` modules (convolution, norm, pooling) on every step of a ``[T, N, ...]`` train at once.

    Batch norm inside sees all steps of a batch together, as tdBN does (Zheng et al. 2021).
    """

    def forward(self, x: Tensor) -> Tensor:
        return split_time(super().forward(merge_time(x)), x)


class SqueezeTime(nn.Module):
    """Temporal squeezing (paper 001, Eq. 12): spikes ``[T, N, ...]`` to their mean ``[1, N, ...]``, held from there on.

    ``y = 1/T sum_t s[t]``. What reads it runs once, and the neurons behind that may have another ``T``.
    """

    def forward(self, spikes: Tensor) -> Tensor:
        mean: Tensor = _StepMean.apply(spikes)
        return mean


class _StepMean(torch.autograd.Function):
    """``mean(0, keepdim=True)`` by additions, and one step's gradient for all.

    torch's copies all steps first where they are of bfloat16, and writes the same gradient for each.
    """

    @staticmethod
    def forward(ctx: Any, train: Tensor) -> Tensor:
        ctx.T = len(train)
        # Two are rounded once in any type, more are added up in float32, as torch does.
        wide = train if ctx.T <= 2 else train.to(torch.promote_types(train.dtype, torch.float32))
        total = wide[:1]
        for t in range(1, ctx.T):
            total = total + wide[t : t + 1]
        return (total / ctx.T).to(train.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return (grad / ctx.T).expand(ctx.T, *grad.shape[1:])


def mean_over_time(logits: Tensor) -> Tensor:
    """The readout: per-step logits ``[T, N, K]`` to the network's answer ``[N, K]``."""
    return logits.mean(0)


torch.fx.wrap("merge_time")  # a trace shows them as calls; lowering drops them: the graph's shapes are per step
torch.fx.wrap("split_time")
