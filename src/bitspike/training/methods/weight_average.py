"""Averaged weights (Polyak & Juditsky 1992): the network that a run leaves is a mean over its last optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from bitspike.errors import UserError
from bitspike.quant import MembraneQuantizer
from bitspike.training.methods.learned_bits import LearnedBitsSettings
from bitspike.training.methods.method import METHODS, Method, MethodSettings, Training

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig

__all__ = ["WeightAverage", "WeightAverageSettings", "averaged", "decay_at"]


class WeightAverageSettings(MethodSettings):
    """How far back the average reaches.

    Attributes:
        decay: share of the average that a step keeps, once it is warm; of 0.999 it reaches some 1000 steps back.
        power: of its warm-up: step `t`, from 1, keeps `1 - t^-power` while that is less. 1, with a decay of 1, is
            the mean of all steps.
    """

    decay: float = Field(0.999, ge=0, le=1)
    power: float = Field(0.75, gt=0, le=1)


class WeightAverage(Method[WeightAverageSettings]):
    """Watches, tests and keeps the exponential moving average of the weights, while the weights themselves train on.

    The mean of all steps is Polyak & Juditsky's (1992); the decay and its warm-up are those of timm (``ModelEmaV3``),
    with the power that it advises for less than a million steps. Step sizes, thresholds and what else is a parameter
    are averaged too, and so are the running means of batch norms and of the peaks of membranes; other buffers, such as
    counters and temperatures, are the network's own. Of the first step nothing that was drawn is left.

    Learned bits are refused: a mean of steps of different widths suits none of them.
    """

    settings_type = WeightAverageSettings
    in_shares = True

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        for name, settings in config.methods.items():
            if isinstance(settings, LearnedBitsSettings) and settings.learns:
                seen, wanted = (
                    f"beside methods.{name}",
                    "a mean of step sizes suits no width that is learned; want null",
                )
                raise UserError("methods.weight-average", seen, wanted)
        return model

    def start(self, training: Training) -> None:
        """Begins with the average in ``other``; it and the trained weights change places where it is judged."""
        self.model = training.model
        self.other = {name: value.clone() for name, value in averaged(self.model).items()}

    def after_step(self, step: int) -> None:
        share = 1 - decay_at(step, self.settings.decay, self.settings.power)
        for name, value in averaged(self.model).items():
            self.other[name].lerp_(value, share)

    @contextmanager
    def judged(self) -> Iterator[None]:
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> Mapping[str, Tensor]:
        """The weights that are trained, as a checkpoint is written where the model has the average."""
        return self.other

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for name in sorted(self.other.keys() ^ state.keys()):
            raise ValueError(f"weight-average {'lacks' if name in self.other else 'has an unknown'} {name}")
        for name, value in averaged(self.model).items():
            raw = state[name]
            if raw.shape != value.shape or raw.dtype != value.dtype or not raw.isfinite().all():
                raise ValueError(f"weight-average has no possible {name}")
            self.other[name].copy_(value)
            value.copy_(raw)

    def _swap(self) -> None:
        for name, value in averaged(self.model).items():
            kept = value.clone()
            value.copy_(self.other[name])
            self.other[name].copy_(kept)


def averaged(model: nn.Module) -> dict[str, Tensor]:
    """What is averaged of a model, by name, as tensors that share its memory: see `WeightAverage`."""
    found = {name: parameter.detach() for name, parameter in model.named_parameters()}
    for path, module in model.named_modules():
        if isinstance(module, _NormBase | MembraneQuantizer):
            means = {n: buffer for n, buffer in module.named_buffers(recurse=False) if buffer.is_floating_point()}
            found |= {f"{path}.{name}" if path else name: buffer for name, buffer in means.items()}
    return found


def decay_at(step: int, decay: float, power: float) -> float:
    """What is kept of the average in optimizer step ``step``, counted from 1: of the first nothing."""
    return min(decay, 1 - step**-power)


METHODS.register("weight-average", WeightAverage)
