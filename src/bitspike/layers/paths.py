"""Several paths through one network (paper 003, Section 3.4): the same weights, batch norm statistics of each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["PathBatchNorm1d", "PathBatchNorm2d", "per_path"]


def in_parts(x: Tensor, count: int) -> tuple[Tensor, ...]:
    """``x.tensor_split(count)``, whose gradient is put together once and not added up of one for each part."""
    each, more = divmod(len(x), count)
    return x.split([each + (i < more) for i in range(count)])


class _PathBatchNorm(_BatchNorm):
    """In training the batch is ``paths`` equal parts, one after another, each normed by its own mean and variance.

    Scale and shift are shared (Eq. 5). Running statistics are the main path's, the first: in evaluation, where all is
    the main path, this is batch norm. Nothing reads those of another path, so none are kept.
    """

    def __init__(self, norm: _BatchNorm, paths: int) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        self.paths = paths
        self.load_state_dict(norm.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        main, *others = in_parts(x, self.paths)
        rest = [F.batch_norm(part, None, None, self.weight, self.bias, True, 0.0, self.eps) for part in others]
        return torch.cat([super().forward(main), *rest])


class PathBatchNorm1d(_PathBatchNorm, nn.BatchNorm1d):
    __doc__ = _PathBatchNorm.__doc__


class PathBatchNorm2d(_PathBatchNorm, nn.BatchNorm2d):
    __doc__ = _PathBatchNorm.__doc__


def per_path(model: nn.Module, paths: int) -> nn.Module:
    """Gives the batch norms of ``model`` statistics of each of so many paths, in place; a state_dict stays as it is."""
    for name, norm in list(model.named_modules()):
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            kind = PathBatchNorm1d if isinstance(norm, nn.BatchNorm1d) else PathBatchNorm2d
            model.set_submodule(name, kind(norm, paths).to(next(norm.buffers()).device))
    return model
