"""Paths-ensemble training (paper 003): a network of Q-ReLUs learns from one of ReLUs along several paths at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import per_path
from bitspike.models import MaxPools, morph
from bitspike.neurons import ActivationSettings
from bitspike.training.methods.method import METHODS, Method, MethodSettings, Objective, Training

if TYPE_CHECKING:
    from bitspike.training.config import TrainConfig
    from bitspike.training.tasks import Outputs

__all__ = ["PathsEnsemble", "PathsEnsembleSettings"]


class PathsEnsembleSettings(MethodSettings):
    """How a network that is to be converted is changed, and learns. Its paths are ``neuron.paths``.

    Attributes:
        reroute: residual connection re-routing (Section 3.3).
        max_pool: what max pools become: ``mean`` pools, or ``spiking`` ones once the network is converted.
        weight: ``alpha`` of Eq. 6, of what the sub-paths lose against the teacher.
    """

    reroute: bool = False
    max_pool: MaxPools = "mean"
    weight: float = Field(1, ge=0)


class PathsEnsemble(Method[PathsEnsembleSettings]):
    """Morphs a network of Q-ReLUs, gives its paths batch norms of their own, and trains them by Eq. 6::

        L = CE(main) + KL(main) + alpha sum_i (n_i / n) KL(path_i)

    with ``KL`` to the logits of the teacher, the network of ReLUs; where no classes are told apart, the task's loss and
    its distance are in the place of ``CE`` and ``KL`` (`bitspike.training.tasks`). Without sub-paths it is distillation
    alone, and without a teacher either, the config's own loss. One pass carries all paths, one after another in the
    batch (`bitspike.layers.per_path`).
    """

    settings_type = PathsEnsembleSettings
    in_shares = True

    def prepare(self, model: nn.Module, config: TrainConfig) -> nn.Module:
        paths = _qrelu(config).paths
        model = morph(model, self.settings.reroute, self.settings.max_pool)
        return per_path(model, 1 + len(paths)) if paths else model

    @classmethod
    def without(cls, model: nn.Module, config: TrainConfig) -> nn.Module:
        if not isinstance(config.neuron, ActivationSettings):
            return model
        if config.neuron.paths:
            raise UserError("neuron.paths", config.neuron.paths, "methods.paths-ensemble trains them; want it, or none")
        return morph(model)

    def start(self, training: Training) -> None:
        config, neuron = training.config, _qrelu(training.config)
        if neuron.paths and training.teacher is None:
            raise UserError("neuron.paths", neuron.paths, "they learn from a teacher: bitspike convert trains them")
        self.task = training.task
        self.teacher = None if training.teacher is None else training.teacher.eval().requires_grad_(False)
        n = neuron.highest(config.bits)
        self.shares = [levels / n for levels in neuron.paths]

    def loss(self, inner: Objective) -> Objective:
        return inner if self.teacher is None else self._distilled

    def _distilled(self, model: nn.Module, x: Tensor, y: Any) -> Tensor:
        assert self.teacher is not None
        task, count = self.task, 1 + len(self.shares)
        with torch.no_grad():
            wanted = self.teacher.to(x.device)(x)
        main, *others = _paths(model(x.repeat(count, *(1,) * (x.ndim - 1))), count)
        loss = task.loss(main, y) + task.distance(main, wanted)
        for share, path in zip(self.shares, others, strict=True):
            loss = loss + self.settings.weight * share * task.distance(path, wanted)
        return loss


def _paths(outputs: Outputs, count: int) -> list[Outputs]:
    """What each of the paths says, which come one after another in the batch."""
    if isinstance(outputs, Tensor):
        return list(outputs.tensor_split(count, 1))
    return list(zip(*(each.tensor_split(count, 1) for each in outputs), strict=True))


def _qrelu(config: TrainConfig) -> ActivationSettings:
    if not isinstance(config.neuron, ActivationSettings):
        raise UserError("methods.paths-ensemble", config.neuron.kind, "want neuron.kind=q-relu, or null")
    return config.neuron


METHODS.register("paths-ensemble", PathsEnsemble)
