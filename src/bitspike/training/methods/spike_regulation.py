"""Spike regulation (paper 002, Eq. 15): the firing rates of the hidden layers are held near a half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bitspike.neurons import BaseNode
from bitspike.training.methods.method import METHODS, Method, MethodSettings, Objective, Training

__all__ = ["FiringRates", "SpikeRegulation", "SpikeRegulationSettings", "spike_regulation"]


class SpikeRegulationSettings(MethodSettings):
    """How strongly firing rates are regulated.

    Attributes:
        weight: of the term; 0 is none.
        reduction: of its parts over the layers: ``sum`` is the paper's, ``mean`` the authors' code's.
    """

    weight: float = Field(1e-3, ge=0)
    reduction: Literal["mean", "sum"] = "mean"


class SpikeRegulation(Method[SpikeRegulationSettings]):
    """Adds ``weight`` times `spike_regulation` to the loss of a network that has hidden layers of neurons."""

    settings_type = SpikeRegulationSettings

    def start(self, training: Training) -> None:
        self.rates = FiringRates(training.model) if self.settings.weight else None

    def loss(self, inner: Objective) -> Objective:
        rates = self.rates
        if rates is None:
            return inner

        def regulated(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            loss = inner(model, x, y)
            hidden = rates.take()
            return loss + self.settings.weight * spike_regulation(hidden, self.settings.reduction) if hidden else loss

        return regulated


class FiringRates:
    """Gathers the firing rate of each hidden layer of neurons while ``model`` trains, with its gradient.

    A rate is the mean level over neurons, steps and images, as a share of the highest: for one-bit spikes the
    probability of a spike. The first layer of neurons, which sees the images, is no hidden one (paper 002, Eq. 15).
    """

    def __init__(self, model: nn.Module) -> None:
        self.rates: list[Tensor] = []
        model.register_forward_pre_hook(self._forget)
        for module in model.modules():
            if isinstance(module, BaseNode):
                module.register_forward_hook(self._gather)

    def _forget(self, model: nn.Module, inputs: Any) -> None:
        self.rates = []

    def _gather(self, node: BaseNode, inputs: Any, spikes: Tensor) -> Tensor | None:
        if not node.training:
            return None
        spikes, mean = _WithMean.apply(spikes)
        self.rates.append(mean / (node.staircase.scale * node.staircase.hi))
        return spikes

    def take(self) -> list[Tensor]:
        """The rates of the last forward pass, once, in the order of the layers; scalars."""
        rates, self.rates = self.rates[1:], []
        return rates


class _WithMean(torch.autograd.Function):
    """Spikes as they are, and their mean, whose gradient is added to theirs in one go."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor) -> tuple[Tensor, Tensor]:
        ctx.count = spikes.numel()
        return spikes.view_as(spikes), spikes.mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        to_spikes, to_mean = grads
        return to_spikes + to_mean / ctx.count


def spike_regulation(firing_rates: Sequence[Tensor], reduction: str) -> Tensor:
    """``(f_l - 1/2)^2``, summed or averaged over the hidden layers ``l``."""
    terms = (torch.stack(tuple(firing_rates)).float() - 0.5).square()
    return terms.sum() if reduction == "sum" else terms.mean()


METHODS.register("spike-regulation", SpikeRegulation)
