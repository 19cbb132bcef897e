"""What TensorBoard shows of a run: scalars, which decide nothing of its outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from bitspike.costs import cost
from bitspike.errors import require
from bitspike.lowering import measure
from bitspike.training.config import TrainConfig
from bitspike.training.evaluate import at_once, batches
from bitspike.training.result import mean_widths
from bitspike.training.setup import graph_of
from bitspike.training.tasks import Part, Seen

__all__ = ["Board"]

IMAGES = 100
"""Validation images on which firing rates are counted."""


class Board:
    """Writes a run's scalars.

    Args:
        folder: of the run.
        step: the optimizer step that it goes on from; what was written after that is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        writer = require("torch.utils.tensorboard", "train").SummaryWriter
        self.writer: Any = writer(str(folder / "tensorboard"), purge_step=step)

    def step(self, step: int, loss: float, lr: float) -> None:
        self.writer.add_scalar("loss/train", loss, step)
        self.writer.add_scalar("lr", lr, step)

    def epoch(self, step: int, seen: Seen, config: TrainConfig, model: nn.Module, images: Part) -> None:
        """How good it is on the validation ``images``, its loss, firing rates on the first of them, and mean widths."""
        graph = graph_of(config, model)
        device = next(model.parameters()).device
        shown = batches(images.images[:IMAGES], at_once(images.sample.T), device)
        activity = measure(model, graph, shown, "the first validation images")
        told = {**seen.named("validation"), "validation_loss": seen.loss}
        scalars = {f"{name.removeprefix('validation_')}/validation": value for name, value in told.items()}
        scalars |= {f"rate/{name}": layer.spikes / layer.elements for name, layer in activity.neurons.items()}
        scalars |= {f"bits/{name[-1]}": width for name, width in mean_widths(cost(graph, "exact")).items()}
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()
