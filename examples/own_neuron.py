"""A neuron and a surrogate of one's own, by their import path.

bitspike train digits-convnet --set neuron.kind=examples.own_neuron:Halfway --set bits=4/1/4 --set epochs=5
bitspike train digits-convnet --set neuron.surrogate_function=examples.own_neuron:Tent --set epochs=5
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from bitspike import Bits
from bitspike.neurons import FiringSettings, IFNode, NeuronDynamics, State, Surrogate


class HalfwayNode(IFNode):
    """Integrate and fire that starts at a part of its threshold: what it sums is rounded and not cut off."""

    def __init__(self, T: int, part: float) -> None:
        super().__init__(T, v_reset=None)
        self.part = part

    def initial_state(self, current: Tensor) -> State:
        return (torch.full_like(current, self.part * self.staircase.v_threshold),)

    def dynamics(self) -> NeuronDynamics:
        """The same as data, which freezing reads."""
        return replace(super().dynamics(), v_init=self.part * self.staircase.v_threshold)


class Halfway(FiringSettings):
    """Says how it is made: each field is a key, here ``neuron.part``."""

    kind: Literal["halfway"] = "halfway"
    part: float = 0.5

    def make(self, bits: Bits) -> HalfwayNode:
        return HalfwayNode(bits.t, self.part)


class Tent(Surrogate):
    """``exp(-|x|)``, with ``x`` the potential less the threshold."""

    def derivative(self, x: Tensor) -> Tensor:
        return torch.exp(-x.abs())
