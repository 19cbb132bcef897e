"""What a network is trained for, behind one protocol: the loop calls it, and knows no classes and no boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bitspike.datasets import Dataset
from bitspike.ir import Graph
from bitspike.layers import Answer, read_out
from bitspike.sample import Sample
from bitspike.training.config import TrainConfig
from bitspike.training.evaluate import Counted

__all__ = ["Images", "Outputs", "Part", "Seen", "Task", "TrainingSet", "answers_of"]

Outputs = Tensor | tuple[Tensor, ...]
"""What a network says at every step: ``[T, N, ...]``, once or several times."""


class Part(Protocol):
    """Samples of one part of a data set, and what is in them."""

    @property
    def images(self) -> Any: ...

    @property
    def sample(self) -> Sample: ...

    def __len__(self) -> int: ...

    def first(self, count: int) -> Part: ...


@dataclass(frozen=True)
class Images:
    """The three parts of a data set. ``test`` is for the one evaluation at the end."""

    train: Any
    validation: Any
    test: Any


class TrainingSet(Protocol):
    """Training samples, as they become in an epoch."""

    def set_epoch(self, epoch: int) -> None: ...

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Any]: ...


class Seen(Protocol):
    """How good a network was found to be.

    Attributes:
        percent: the one number that runs are compared by.
        loss: the mean of the samples; ``None`` where none was taken.
        counted: what is right or wrong.
    """

    @property
    def percent(self) -> float: ...

    @property
    def loss(self) -> float | None: ...

    @property
    def counted(self) -> Counted: ...

    def named(self, part: str) -> dict[str, Any]:
        """Its numbers by the names that they have in metrics and results; they begin with ``part``."""


class Task(ABC):
    """What a config's data set asks of a network.

    Args:
        config: of the run.
    """

    sample: Sample
    """What one input is."""
    classes: tuple[str, ...]
    """Their names."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    @abstractmethod
    def load(self, data_dir: Path | None, dataset: Dataset | None = None) -> Images:
        """Reads the data set and sets the validation images apart (the same ones whatever the seed of the run).

        Args:
            dataset: the data set itself, where it was given as an object.

        Raises:
            UserError: it is missing or broken, or smaller than the config asks for.
        """

    @abstractmethod
    def training_set(self, images: Images, device: torch.device) -> TrainingSet:
        """The training images with the config's augmentation."""

    @abstractmethod
    def check(self, graph: Graph) -> None:
        """Refuses a network whose answers are not what the data set asks for."""

    @abstractmethod
    def loss(self, outputs: Outputs, wanted: Any) -> Tensor:
        """What a batch loses."""

    @abstractmethod
    def distance(self, outputs: Outputs, teacher: Outputs) -> Tensor:
        """How far what a network says of a batch is from what its teacher does (distillation)."""

    @abstractmethod
    def evaluate(self, model: nn.Module, images: Any) -> Seen:
        """How good the network is on a part, in float32 and evaluation mode; it is left in the mode it had."""

    def answers(self, outputs: Outputs) -> tuple[Tensor, ...]:
        """What outputs of every step are read as."""
        return answers_of(outputs, self.config.readout)


def answers_of(outputs: Outputs, readout: Answer = "mean") -> tuple[Tensor, ...]:
    """What outputs of every step are read as, one tensor ``[N, ...]`` each."""
    every = outputs if isinstance(outputs, tuple) else (outputs,)
    return tuple(read_out(each.float(), readout) for each in every)
