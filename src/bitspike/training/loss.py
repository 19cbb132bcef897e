"""Losses on logits per step ``[T, N, K]``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bitspike.layers import mean_over_time
from bitspike.training.config import LossConfig

__all__ = ["loss_of"]


def loss_of(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """The scalar loss, in float32.

    Args:
        logits: ``[T, N, K]``.
        labels: class indices ``[N]``, or of each class its share ``[N, K]``.
        config: ``mean`` is ``CE(mean_t o_t, y)``; ``tet`` is ``(1 - l) mean_t CE(o_t, y) + l MSE(o, 1)``.
    """
    logits = logits.float()
    if config.kind == "mean":
        return F.cross_entropy(mean_over_time(logits), labels, label_smoothing=config.label_smoothing)
    per_step = logits.flatten(0, 1)
    repeated = labels.repeat(logits.shape[0], *(1 for _ in labels.shape[1:]))
    entropy = F.cross_entropy(per_step, repeated, label_smoothing=config.label_smoothing)
    spread = F.mse_loss(logits, torch.ones_like(logits))
    return (1 - config.tet_lambda) * entropy + config.tet_lambda * spread
