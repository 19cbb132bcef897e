"""To tell classes apart: cross-entropy, and how many samples are right."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.data import Dataset, ImageSet, TrainingImages, build_augment, load_of, resident, split_validation
from bitspike.data.streamed import StreamedImages
from bitspike.datasets.sources import BOTH
from bitspike.errors import UserError
from bitspike.ir import Graph
from bitspike.layers import mean_over_time
from bitspike.training.config import TrainConfig
from bitspike.training.described import found_dataset
from bitspike.training.evaluate import Accuracy, evaluate
from bitspike.training.loss import loss_of
from bitspike.training.tasks.task import Images, Outputs, Task
from bitspike.training.trains import checked_dataset

__all__ = ["Classify"]

HELD = 1 << 28
"""Bytes of a split of pictures that is read at once; a larger one is read batch by batch."""


class Classify(Task):
    """A class for each sample, or each step of one."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if config.detection is not None:
            raise UserError("detection", str(config.detection), f"{config.dataset} has no boxes; want detection=null")
        self.dataset = checked_dataset(config)  # before anything is read
        self.sample, self.classes = self.dataset.sample, self.dataset.classes

    def load(self, data_dir: Path | None, dataset: Dataset | None = None) -> Images:
        """See `Task.load`; every class has its share of the validation images, unless the set has its own."""
        config, found = self.config, found_dataset(self.config, dataset)
        train, test = (held(load_of(found, split, data_dir)) for split in BOTH)
        if "validation" in found.images:
            own = held(load_of(found, "validation", data_dir))
            validation = part_of(own, "validation_size", config.validation_size)
        else:
            train, validation = split_validation(train, config.validation_size)
        if config.train_size is not None:
            train = part_of(train, "train_size", config.train_size)
        return Images(train, validation, test)

    def training_set(self, images: Images, device: torch.device) -> TrainingImages:
        augment = build_augment(self.config.augment, fill=images.train.sample.dark)
        return TrainingImages(resident(images.train, device), augment, self.config.seed)

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
        return evaluate(model, images, readout=self.config.readout)


def part_of(images: ImageSet, key: str, size: int) -> ImageSet:
    """So many of them, balanced over the classes.

    Raises:
        UserError: more than there are.
    """
    if size > len(images):
        raise UserError(key, size, f"want at most {len(images)}")
    return images if size == len(images) else split_validation(images, size)[1]


def held(images: ImageSet) -> ImageSet:
    """Pictures in files, read once where all fit in little memory: a damaged one is found before any work is done."""
    streamed: Any = images.images
    if not isinstance(streamed, StreamedImages) or prod(streamed.shape) > HELD:
        return images
    return replace(images, images=streamed.read())
