"""What an edge of the structural graph is while it is frozen: integers of known scale, such joined, or a sum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Channels", "Integers", "Joined", "Kind", "Reach", "Sum", "Value", "Whole"]

Channels = NDArray[np.float64]
Reach = int | Channels
"""Bound of an integer's magnitude: of all channels, or of each."""


class Kind(IntEnum):
    """How far a value is from integers that a synapse reads."""

    SPIKES = 0
    """Integers of few bits: what neurons send, images, and sums of them."""
    CURRENT = 1
    """Integers in fixed point, which no synapse reads."""
    SUM = 2
    """Terms that are not yet one integer."""


@dataclass(frozen=True)
class Integers:
    """An integer edge of known scale: its value is ``scale * integer``. ``reach`` bounds the integer's magnitude.

    Where images are released over the first steps, ``reach`` bounds what its steps, however many, add up to.
    Spikes, and sums of them, or a ``current`` in fixed point, which no synapse reads.
    """

    name: str
    scale: float
    reach: int
    current: bool = False

    @property
    def kind(self) -> Kind:
        return Kind.CURRENT if self.current else Kind.SPIKES

    def terms(self, channels: int) -> Sum:
        return Sum(((self.name, np.full(channels, self.scale), self.reach),), np.zeros(channels))


@dataclass(frozen=True)
class Joined:
    """Spikes of unlike scales, one after the other along their channels.

    A synapse sums each part by itself, exactly, so that nothing joins them; whatever else needs them as one edge reads
    the sum of which that edge is the only term (`bitspike.lowering.freezer.Freezer.summed`).
    """

    name: str
    parts: tuple[Integers, ...]
    channels: tuple[int, ...]

    kind = Kind.SPIKES

    @property
    def ends(self) -> tuple[tuple[int, int], ...]:
        """The first channel of each part, and the one behind its last."""
        stops = np.cumsum(self.channels).tolist()
        return tuple(zip([0, *stops[:-1]], stops, strict=True))


@dataclass(frozen=True)
class Sum:
    """``sum_i alpha_i * integer_i + beta``, per channel; each term names its integer edge and its reach.

    The channels are the first axis of the terms. Axis ``k`` of what the sum stands for is axis ``order[k]`` of the
    terms; where nothing is given, they lie as it does.
    """

    parts: tuple[tuple[str, Channels, Reach], ...]
    beta: Channels
    order: tuple[int, ...] = ()

    kind = Kind.SUM

    def terms(self, channels: int) -> Sum:
        return self

    def scaled(self, gain: Channels, offset: Channels) -> Sum:
        parts = tuple((n, alpha * gain, reach) for n, alpha, reach in self.parts)
        return replace(self, parts=parts, beta=self.beta * gain + offset)

    def permuted(self, axes: tuple[int, ...]) -> Sum:
        """The same sum with its axes in another order; the terms stay as they lie."""
        order = tuple(self.order[axis] for axis in axes) if self.order else axes
        return replace(self, order=() if order == tuple(sorted(order)) else order)

    @property
    def uniform(self) -> bool:
        """Whether its channels have one factor and one offset."""
        return all((numbers == numbers[0]).all() for numbers in (self.beta, *(alpha for _, alpha, _ in self.parts)))

    def largest(self) -> float:
        """Bound of its magnitude."""
        return float(sum((np.abs(alpha) * reach).max() for _, alpha, reach in self.parts) + np.abs(self.beta).max())


Whole = Integers | Sum
"""What is read without looking at parts."""
Value = Whole | Joined
