"""Losses on logits per step ``[T, N, K]``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bitspike.errors import UserError
from bitspike.layers import Answer, read_out
from bitspike.training.config import LossConfig

__all__ = ["loss_of"]


def loss_of(logits: Tensor, labels: Tensor, config: LossConfig, readout: Answer = "mean") -> Tensor:
    """The scalar loss, in float32.

    Args:
        logits: ``[T, N, K]``.
        labels: classes ``[N]``, or of every step ``[N, T]``; or, soft, floats ``[N, K]`` or ``[N, T, K]``.
        config: ``mean`` is ``CE(answer, y)`` with the answer that ``readout`` says; ``tet`` is
            ``(1 - l) mean_t CE(o_t, y) + l MSE(o, 1)``, whatever the readout.
        readout: the mean over time, the last step, or ``each``, whose loss is the mean over steps.

    Raises:
        UserError: labels of every step for an answer that is one, or of other steps than the logits have.
    """
    logits = logits.float()
    if config.kind == "mean" and readout != "each":
        if labels.ndim == (3 if labels.is_floating_point() else 2):
            raise UserError("labels", tuple(labels.shape), "they are of every step; want readout=each")
        return F.cross_entropy(read_out(logits, readout), labels, label_smoothing=config.label_smoothing)
    per_step = logits.flatten(0, 1)
    entropy = F.cross_entropy(per_step, _at_each(labels, len(logits)), label_smoothing=config.label_smoothing)
    if config.kind == "mean":
        return entropy
    spread = F.mse_loss(logits, torch.ones_like(logits))
    return (1 - config.tet_lambda) * entropy + config.tet_lambda * spread


def _at_each(labels: Tensor, steps: int) -> Tensor:
    """Labels of the steps one after the other, ``[T*N]`` or ``[T*N, K]``."""
    if labels.ndim == (2 if labels.is_floating_point() else 1):
        return labels.repeat(steps, *(1,) * (labels.ndim - 1))
    if labels.shape[1] != steps:
        raise UserError("labels", f"{labels.shape[1]} steps", f"the logits have {steps}")
    return labels.transpose(0, 1).flatten(0, 1)
