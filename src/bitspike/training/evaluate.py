"""Accuracy of a model on images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.data import ImageSet
from bitspike.layers import mean_over_time
from bitspike.training.precision import laid_out

__all__ = ["Accuracy", "batches", "evaluate"]


@dataclass(frozen=True)
class Accuracy:
    """``correct`` of ``total`` images, and their mean cross-entropy."""

    correct: int
    total: int
    loss: float

    @property
    def percent(self) -> float:
        return 100 * self.correct / self.total


def batches(images: Tensor, size: int = 256, device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """The images in order, ``size`` at a time, on ``device``."""
    return (part.to(device) for part in images.split(size))


@torch.no_grad()
def evaluate(model: nn.Module, images: ImageSet, *, batch_size: int = 256, precision: str = "float32") -> Accuracy:
    """Runs ``model`` in evaluation mode, as it was trained; leaves it in the mode it had."""
    device = next(model.parameters()).device
    was_training = model.training
    model = laid_out(model.eval(), precision)
    correct, loss = 0, 0.0
    labels = images.labels.split(batch_size)
    for x, y in zip(batches(images.images, batch_size, device), labels, strict=True):
        y = y.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = mean_over_time(model(laid_out(x, precision)).float())
        correct += int((logits.argmax(1) == y).sum())
        loss += float(F.cross_entropy(logits, y, reduction="sum"))
    model.train(was_training)
    return Accuracy(correct, len(images), loss / len(images))
