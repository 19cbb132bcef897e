"""The annealed sign (paper 002's code): the gradient of one-bit weights grows from nearly straight to a narrow peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from torch import nn

from bitspike.errors import UserError
from bitspike.quant import BinaryRegulated, MaxScaled, synapses, weight_quantizer
from bitspike.training.methods.method import METHODS, Method, MethodSettings, Training

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig

__all__ = ["AnnealedSign", "AnnealedSignSettings", "set_temperature", "temperature_at"]


class AnnealedSignSettings(MethodSettings):
    """The temperatures of signs, with equal ratios from epoch to epoch.

    Attributes:
        first: of the first epoch.
        last: of the last.
    """

    first: float = Field(0.1, gt=0)
    last: float = Field(10.0, gt=0)


class AnnealedSign(Method[AnnealedSignSettings]):
    """Sets the temperature of all signs before each epoch. Weights in floats have none, and stay as they are."""

    settings_type = AnnealedSignSettings
    in_shares = True

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        for layer in synapses(model).values():
            quantizer = weight_quantizer(layer)
            if quantizer is not None and not isinstance(quantizer, BinaryRegulated | MaxScaled):
                seen = type(quantizer).__name__
                raise UserError("methods.annealed-sign", seen, "want null: a quantizer of signs has a temperature")
        return model

    def start(self, training: Training) -> None:
        self.model, self.epochs = training.model, training.config.epochs

    def before_epoch(self, epoch: int) -> None:
        set_temperature(self.model, temperature_at(epoch, self.epochs, self.settings.first, self.settings.last))


def temperature_at(epoch: int, epochs: int, first: float, last: float) -> float:
    """Temperature of ``epoch`` (from 0) of ``epochs``: from ``first`` to ``last`` in equal ratios."""
    done = epoch / max(1, epochs - 1)
    return first ** (1 - done) * last**done  # exactly first and last at the ends


def set_temperature(model: nn.Module, temperature: float) -> None:
    """Gives all signs of ``model`` the temperature."""
    for module in model.modules():
        if isinstance(module, BinaryRegulated):
            module.temperature.fill_(temperature)


METHODS.register("annealed-sign", AnnealedSign)
