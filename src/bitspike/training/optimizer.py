"""The optimizer of a config, and the learning rate of a step."""

from __future__ import annotations

import math

import torch
from torch import nn

from bitspike.training.config import OptimizerConfig

__all__ = ["lr_at", "make_optimizer", "set_lr"]


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """SGD (Nesterov off) or AdamW; weight decay on tensors of two axes and more that are weights of a layer."""
    named = list(model.named_parameters())
    decayed = [p for n, p in named if _is_weight(n, p)]
    steps = [p for n, p in named if n.endswith("learned_T")]
    others = [p for n, p in named if not _is_weight(n, p) and not n.endswith("learned_T")]
    own_rate = 1.0 if config.time_steps_lr is None else config.time_steps_lr / config.lr
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay, "share_of_lr": 1.0},
        {"params": others, "weight_decay": 0.0, "share_of_lr": 1.0},
        {"params": steps, "weight_decay": 0.0, "share_of_lr": own_rate},
    ]
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


def _is_weight(name: str, parameter: nn.Parameter) -> bool:
    """A layer's weight, quantized or not. (A channel-wise step size has several axes too.)"""
    return parameter.ndim > 1 and name.endswith(("weight", "weight.original"))
