"""Which images are set aside: a stratified split that depends on a seed and on nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitspike.errors import UserError

__all__ = ["hashed", "permutation", "stratified_indices"]

Int = NDArray[np.int64]


def hashed(seed: int, *place: int) -> int:
    """A seed of its own for every ``(seed, place...)``, so that near seeds are unrelated.

    Raises:
        UserError: the seed is negative.
    """
    if seed < 0:
        raise UserError("seed", seed, "want a whole number from 0 up")
    return int(np.random.SeedSequence(seed, spawn_key=place).generate_state(1)[0])


def permutation(count: int, draws: np.random.RandomState) -> Int:
    """``0 .. count - 1`` in an order that is drawn; of a fresh generator, what ``torch.randperm`` makes of its seed."""
    order = np.arange(count)
    for place, draw in enumerate(draws.randint(0, 2**32, max(count - 1, 0), dtype=np.uint32).tolist()):
        other = place + draw % (count - place)
        order[place], order[other] = order[other], order[place]
    return order


def stratified_indices(labels: Int, size: int, seed: int) -> tuple[Int, Int]:
    """Sorted indices ``(rest, chosen)``: ``size`` chosen, of each class its share by largest remainder."""
    draws = np.random.RandomState(hashed(seed))
    counts = np.bincount(labels)
    quota, remainder = np.divmod(counts * size, len(labels))
    quota[np.argsort(-remainder, kind="stable")[: size - quota.sum()]] += 1
    chosen = np.zeros(len(labels), dtype=bool)
    for label, count in enumerate(quota):
        members = np.flatnonzero(labels == label)
        chosen[members[permutation(len(members), draws)[:count]]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
