"""Losses on logits per step ``[T, N, K]``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bitspike.layers import mean_over_time
from bitspike.training.config import LossConfig

__all__ = ["loss_of", "spike_regulation"]


def loss_of(logits: Tensor, labels: Tensor, config: LossConfig, firing_rates: Sequence[Tensor] = ()) -> Tensor:
    """The scalar loss, in float32.

    Args:
        logits: ``[T, N, K]``.
        labels: class indices ``[N]``.
        config: ``mean`` is ``CE(mean_t o_t, y)``; ``tet`` is ``(1 - l) mean_t CE(o_t, y) + l MSE(o, 1)``.
        firing_rates: of the hidden layers, read where ``spike_lambda`` is not 0.
    """
    loss = _cross_entropy(logits.float(), labels, config)
    if config.spike_lambda and firing_rates:
        loss = loss + config.spike_lambda * spike_regulation(firing_rates, config.spike_reduction)
    return loss


def spike_regulation(firing_rates: Sequence[Tensor], reduction: str) -> Tensor:
    """``(f_l - 1/2)^2``, summed or averaged over the hidden layers ``l`` (paper 002, Eq. 15)."""
    terms = (torch.stack(tuple(firing_rates)).float() - 0.5).square()
    return terms.sum() if reduction == "sum" else terms.mean()


def _cross_entropy(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    if config.kind == "mean":
        return F.cross_entropy(mean_over_time(logits), labels, label_smoothing=config.label_smoothing)
    per_step = logits.flatten(0, 1)
    repeated = labels.repeat(logits.shape[0])
    entropy = F.cross_entropy(per_step, repeated, label_smoothing=config.label_smoothing)
    spread = F.mse_loss(logits, torch.ones_like(logits))
    return (1 - config.tet_lambda) * entropy + config.tet_lambda * spread
