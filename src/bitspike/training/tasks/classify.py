"""To tell classes apart: cross-entropy, and how many samples are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.data import ImageSet, TrainingImages, build_augment, load, split_validation
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import mean_over_time
from bitspike.training.config import TrainConfig
from bitspike.training.evaluate import Accuracy, evaluate
from bitspike.training.loss import loss_of
from bitspike.training.tasks.task import Images, Outputs, Task
from bitspike.training.trains import checked_dataset

__all__ = ["Classify"]


class Classify(Task):
    """A class for each sample, or each step of one."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if config.detection is not None:
            raise UserError("detection", str(config.detection), f"{config.dataset} has no boxes; want detection=null")
        self.dataset = checked_dataset(config)  # before anything is read
        self.sample, self.classes = self.dataset.sample, self.dataset.classes

    def load(self, data_dir: Path | None) -> Images:
        """See `Task.load`; every class has its share of the validation images."""
        config = self.config
        train, test = load(config.dataset, data_dir, config.frames)
        train, validation = split_validation(train, config.validation_size)
        if config.train_size is not None:
            if config.train_size > len(train):
                raise UserError("train_size", config.train_size, f"want at most {len(train)}")
            if config.train_size < len(train):
                train = split_validation(train, config.train_size)[1]  # balanced over the classes
        return Images(train, validation, test)

    def training_set(self, images: Images, device: torch.device) -> TrainingImages:
        augment = build_augment(self.config.augment, fill=images.train.sample.dark)
        return TrainingImages(images.train.to(device), augment, self.config.seed)

    def check(self, graph: Graph) -> None:
        """Refuses other logits than one for each class."""
        config, steps = self.config, self.sample.T
        if graph.classes != len(self.classes):
            seen = ", ".join(str(edge.shape) for edge in graph.outputs)
            raise UserError("logits", seen, f"want {len(self.classes)}, one for each class of {config.dataset}")
        (answer,) = graph.outputs
        if config.readout == "each" and steps != answer.T:
            raise UserError("logits", f"of {answer.T} steps", f"want {steps}, one for each step of {config.dataset}")

    def loss(self, outputs: Outputs, wanted: Any) -> Tensor:
        assert isinstance(outputs, Tensor)
        return loss_of(outputs, wanted, self.config.loss, self.config.readout)

    def distance(self, outputs: Outputs, teacher: Outputs) -> Tensor:
        """KL divergence from the teacher's classes."""
        assert isinstance(outputs, Tensor)
        assert isinstance(teacher, Tensor)
        soft = mean_over_time(teacher).float().log_softmax(1)
        said = mean_over_time(outputs).float().log_softmax(1)
        return F.kl_div(said, soft, reduction="batchmean", log_target=True)

    def evaluate(self, model: nn.Module, images: ImageSet) -> Accuracy:
        return evaluate(model, images, precision=self.config.precision, readout=self.config.readout)
