"""Accuracy of a model on images or trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.data import ImageSet
from bitspike.layers import Answer, read_out

__all__ = ["Accuracy", "Counted", "at_once", "batches", "evaluate"]

Counted = Literal["samples", "steps"]
"""What is right or wrong: a sample, or each step of one where each has a class."""

MOST_AT_ONCE, STEPS_AT_ONCE = 256, 4096


@dataclass(frozen=True)
class Accuracy:
    """``correct`` of ``total`` samples, or of all their steps, and the mean cross-entropy of these.

    ``said`` has the class that each was taken for, shaped like the labels.
    """

    correct: int
    total: int
    loss: float
    counted: Counted = "samples"
    said: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def percent(self) -> float:
        return 100 * self.correct / self.total

    def named(self, part: str) -> dict[str, Any]:
        """Its numbers by the names that they have in metrics and results; they begin with ``part``."""
        return {f"{part}_accuracy": round(self.percent, 4)}


def at_once(steps: int) -> int:
    """Samples of so many steps that are run together, so that long trains fit into memory too."""
    return min(MOST_AT_ONCE, max(1, STEPS_AT_ONCE // steps))


def batches(images: Tensor, size: int = MOST_AT_ONCE, device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """The images in order, ``size`` at a time, on ``device``."""
    return (part.to(device) for part in images.split(size))


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: ImageSet,
    *,
    batch_size: int | None = None,
    readout: Answer = "mean",
) -> Accuracy:
    """Runs ``model`` in evaluation mode; leaves it in the mode it had.

    It computes in float32 whatever the precision of training: that is the network which freezing makes integers of.

    Args:
        model: gives logits of every step ``[T, N, K]``.
        images: of their labels of every step each counts.
        batch_size: samples at once; by default as many as fit, whatever their steps.
        readout: what the logits are read as.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    size = batch_size or at_once(images.sample.T)
    correct, loss = 0, 0.0
    said = []
    for x, y in zip(batches(images.images, size, device), images.labels.split(size), strict=True):
        y = y.to(device)
        answers = read_out(model(x).float(), readout)
        said.append(answers.argmax(-1))
        correct += int((said[-1] == y).sum())
        loss += float(F.cross_entropy(answers.flatten(0, -2), y.flatten(), reduction="sum"))
    model.train(was_training)
    total = images.labels.numel()
    counted: Counted = "steps" if images.labels_per_step else "samples"
    return Accuracy(correct, total, loss / total, counted, torch.cat(said).cpu())
