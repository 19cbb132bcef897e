"""Batch norm whose statistics are of the whole batch, where each process has its share of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["SharedNorms"]


class SharedNorms(TorchFunctionMode):
    """Within it `torch.nn.functional.batch_norm`, in training, asks all processes for the mean and the variance.

    So a batch norm gives what it gives in one process that has the whole batch, up to rounding, whatever module calls
    it; torch's own SyncBatchNorm is for GPUs alone. Every process must have a share of the same size.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,  # noqa: A002  # torch's names
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    normed: Tensor
    normed, mean, var, count = _Normed.apply(input, eps)
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (count / (count - 1).clamp(min=1))).to(running_var.dtype), momentum)
    shape = (1, -1, *(1,) * (input.ndim - 2))
    if weight is not None:
        normed = normed * weight.view(shape)
    if bias is not None:
        normed = normed + bias.view(shape)
    return normed.to(input.dtype)


class _Normed(torch.autograd.Function):
    """``(x - mean) / sqrt(var + eps)`` over the batch of all processes: ``[N, C, ...]``, in float32 at least."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = x if x.dtype == torch.float64 else x.float()
        shape, over = (1, -1, *(1,) * (x.ndim - 2)), [0, *range(2, x.ndim)]
        count = wide.new_tensor(x.numel() // x.shape[1] * distributed.get_world_size())
        mean = _of_all(wide.sum(over)) / count
        centred = wide - mean.view(shape)
        var = _of_all(centred.square().sum(over)) / count
        scale = (var + eps).rsqrt().view(shape)
        normed = centred * scale
        ctx.save_for_backward(normed, scale, count)
        ctx.over, ctx.dtype = over, x.dtype
        ctx.mark_non_differentiable(mean, var, count)
        return normed, mean, var, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        normed, scale, count = ctx.saved_tensors
        gradient = gradients[0]
        sums = _of_all(torch.stack((gradient.sum(ctx.over), (gradient * normed).sum(ctx.over)))) / count
        mean, along = (part.view(scale.shape) for part in sums)
        return ((gradient - mean - normed * along) * scale).to(ctx.dtype), None


def _of_all(sums: Tensor) -> Tensor:
    """``sums``, added up over the processes, in place."""
    distributed.all_reduce(sums)
    return sums
