"""What a neuron is to those that run all of its steps at once: kinds and numbers, as ``csrc/neurons.h`` has them."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from torch import Tensor

__all__ = ["KINDS", "NUMBERS", "Bump", "Charge", "Described", "Reset", "Tensors"]

KINDS = (
    *("steps", "held", "repeats", "bf16", "charge", "reset", "surrogate", "detach_reset", "contracts"),
    *("store", "finds", "learns", "rounds", "both_signs"),
)
NUMBERS = (
    *("factor", "v_rest", "threshold", "lo", "hi", "shift", "scale", "per_spike", "v_init", "v_reset"),
    *("nearest_shift", "nearest", "a", "b", "c", "margin", "top", "limit"),
)
"""The fields of ``struct bs_neuron``, in its order."""


class Charge(IntEnum):
    """How ``u`` is made of ``v`` and ``x``, as ``csrc/neurons.h`` numbers it."""

    add = 0
    keep = 1
    keep_detached = 2
    leak = 3
    leak_decays = 4
    rate = 5
    rate_decays = 6
    add_tied = 7


class Reset(IntEnum):
    """What is left of ``u``, as ``csrc/neurons.h`` numbers it."""

    soft = 0
    hard = 1
    hard_graded = 2


class Bump(IntEnum):
    """The gradient of the fire step, as ``csrc/neurons.h`` numbers it."""

    atan = 0
    sigmoid = 1
    triangle = 2
    rectangle = 3
    straight_through = 4
    pass_through = 5
    micro_steps = 6
    micro_steps_summed = 7
    inside = 8


class Tensors(NamedTuple):
    """What of a neuron is a tensor, contiguous and of float32; ``None`` where it has none of it.

    Attributes:
        rate: the factor of the charge, which has a gradient.
        learned: of each step its threshold, bits and the number of steps ``[T, 3]``, which have gradients.
        peaks: the largest potential stored after each step but the last ``[T-1]``, where it is not to be found.
    """

    rate: Tensor | None = None
    learned: Tensor | None = None
    peaks: Tensor | None = None


class Described(NamedTuple):
    """A neuron as the op takes it.

    Attributes:
        kinds, numbers: as `KINDS` and `NUMBERS`.
        tensors: the rate of the charge; what is learned of alphabets; the peaks of what is stored.
    """

    kinds: list[int]
    numbers: list[float]
    tensors: Tensors
