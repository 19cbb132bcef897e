"""What training watches and turns besides the loss of paper 002: firing rates, and the temperature of signs."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bitspike.neurons import BaseNode
from bitspike.quant import BinaryRegulated

__all__ = ["FiringRates", "set_sign_temperature", "sign_temperature_at"]


class FiringRates:
    """Gathers the firing rate of each hidden layer of neurons while ``model`` trains, with its gradient.

    A rate is the mean level over neurons, steps and images, as a share of the highest: for one-bit spikes the
    probability of a spike. The first layer of neurons, which sees the images, is no hidden one (paper 002, Eq. 15).
    """

    def __init__(self, model: nn.Module) -> None:
        self.rates: list[Tensor] = []
        for module in model.modules():
            if isinstance(module, BaseNode):
                module.register_forward_hook(self._gather)

    def _gather(self, node: BaseNode, inputs: Any, spikes: Tensor) -> None:
        if node.training:
            self.rates.append(spikes.mean() / (node.staircase.scale * node.staircase.hi))

    def take(self) -> list[Tensor]:
        """The rates of the forward pass since the last call, in the order of the layers; scalars."""
        rates, self.rates = self.rates[1:], []
        return rates


def sign_temperature_at(epoch: int, epochs: int, first: float, last: float) -> float:
    """Temperature of ``epoch`` (from 0) of ``epochs``: from ``first`` to ``last`` in equal ratios."""
    done = epoch / max(1, epochs - 1)
    return first ** (1 - done) * last**done  # exactly first and last at the ends


def set_sign_temperature(model: nn.Module, temperature: float) -> None:
    for module in model.modules():
        if isinstance(module, BinaryRegulated):
            module.temperature.fill_(temperature)
