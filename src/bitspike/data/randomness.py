"""Random numbers that depend on a seed and on where they are used, and on nothing else."""

from __future__ import annotations

import numpy as np
import torch

from bitspike.errors import UserError

__all__ = ["seeded"]


def seeded(seed: int, *place: int) -> torch.Generator:
    """A CPU generator of its own for every ``(seed, place...)``, hashed so that near seeds are unrelated.

    Raises:
        UserError: the seed is negative.
    """
    if seed < 0:
        raise UserError("seed", seed, "want a whole number from 0 up")
    return torch.Generator().manual_seed(int(np.random.SeedSequence(seed, spawn_key=place).generate_state(1)[0]))
