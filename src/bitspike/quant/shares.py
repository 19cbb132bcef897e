"""What a quantizer asks of a whole batch, where several processes have a share of it each."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

__all__ = ["of_all_shares"]


def of_all_shares(x: Tensor) -> Tensor:
    """``x`` as it is in one process; where several train together, those of all of them, one after another.

    Every process gets the same, and must ask: a step that each found for itself would make a network of its own there.
    """
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return x
    shares = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(distributed.get_world_size())]
    distributed.all_gather(shares, x.contiguous())
    return torch.stack(shares)
