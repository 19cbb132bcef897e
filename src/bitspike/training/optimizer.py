"""The optimizer of a config, and the learning rate of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from bitspike.quant import synapses
from bitspike.training.config import OptimizerConfig
from bitspike.training.methods import ParameterGroup

__all__ = ["lr_at", "make_optimizer", "set_lr"]


def make_optimizer(
    model: nn.Module, config: OptimizerConfig, own: Sequence[ParameterGroup] = ()
) -> torch.optim.Optimizer:
    """SGD (Nesterov off) or AdamW; the weights of layers decay.

    Args:
        model: what is trained.
        config: of the optimizer.
        own: parameters with a rate of their own (`bitspike.training.methods.Method.parameter_groups`).
    """
    weights, apart = _weights(model), {parameter for group in own for parameter in group.parameters}
    others = [p for p in model.parameters() if p not in apart]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in others if p in weights], "weight_decay": config.weight_decay, "share_of_lr": 1.0},
        {"params": [p for p in others if p not in weights], "weight_decay": 0.0, "share_of_lr": 1.0},
    ]
    for group in own:
        share = 1.0 if group.lr is None else group.lr / config.lr
        groups.append({"params": list(group.parameters), "weight_decay": 0.0, "share_of_lr": share})
    groups = [group for group in groups if group["params"]]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr)


def lr_at(step: int, steps_per_epoch: int, epochs: int, config: OptimizerConfig) -> float:
    """Learning rate of optimizer step ``step``: linear over the warm-up, then cosine to 0 or a factor now and then."""
    warmup, total = round(config.warmup_epochs * steps_per_epoch), steps_per_epoch * epochs
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.step_decay:
        factor, every = config.step_decay
        decayed: float = config.lr * factor ** (step // steps_per_epoch // every)
        return decayed
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["share_of_lr"]


def _weights(model: nn.Module) -> set[nn.Parameter]:
    """The weights of layers: of one that is quantized, the floats behind it."""
    found: set[nn.Parameter] = set()
    for layer in synapses(model).values():
        held: Any = layer
        found.add(held.parametrizations.weight.original if parametrize.is_parametrized(held, "weight") else held.weight)
    return found
