"""Ordinary PyTorch layers over a spike train: time is merged into the batch, and split again."""

from __future__ import annotations

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
        if spikes.ndim != 5 or not _channels_last(spikes):
            return spikes.mean(0, keepdim=True)
        # In memory order, in which torch adds up faster; and the mean stays channels-last.
        return spikes.permute(0, 1, 3, 4, 2).mean(0, keepdim=True).permute(0, 1, 4, 2, 3)


def _channels_last(train: Tensor) -> bool:
    """Whether ``[T, N, C, H, W]`` lies as channels-last images do, and not as others do too."""
    return train.permute(0, 1, 3, 4, 2).is_contiguous() and not train.is_contiguous()


def mean_over_time(logits: Tensor) -> Tensor:
    """The readout: per-step logits ``[T, N, K]`` to the network's answer ``[N, K]``."""
    return logits.mean(0)


torch.fx.wrap("merge_time")  # a trace shows them as calls; lowering drops them: the graph's shapes are per step
torch.fx.wrap("split_time")
