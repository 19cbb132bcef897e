"""Batch norm in evaluation mode is one multiplication and one addition per channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitspike.errors import UserError

__all__ = ["folded"]


def folded(norm: nn.BatchNorm1d | nn.BatchNorm2d, dtype: torch.dtype, name: str = "") -> tuple[Tensor, Tensor]:
    """``gain`` and ``offset`` ``[C]`` of a batch norm: it computes ``gain x + offset``.

    Args:
        norm: with running statistics.
        dtype: in which it is computed. In float32 it is rounded as torch's own batch norm rounds, so that a network of
            floats stays as it was; in float64 the gain is rounded once.
        name: of the norm, for messages.

    Raises:
        UserError: it keeps no running statistics.
    """
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise UserError(f"batch norm {name}".rstrip(), norm, "it keeps no running statistics; they are what is folded")
    variance = variance.to(dtype) + norm.eps
    weight = torch.ones_like(variance) if norm.weight is None else norm.weight.to(dtype)
    gain = weight / variance.sqrt() if dtype == torch.float64 else variance.rsqrt() * weight
    offset = -mean.to(dtype) * gain
    return gain, offset if norm.bias is None else offset + norm.bias.to(dtype)
