"""Random numbers that depend on a seed and on where they are used, and on nothing else."""

from __future__ import annotations

import torch

from bitspike.datasets.split import hashed

__all__ = ["seeded"]


def seeded(seed: int, *place: int) -> torch.Generator:
    """A CPU generator of its own for every ``(seed, place...)``.

    Raises:
        UserError: the seed is negative.
    """
    return torch.Generator().manual_seed(hashed(seed, *place))
