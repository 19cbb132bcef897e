"""How good a spiking network is, had it been read after 1, 2, ... steps, beside the quantized one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitspike.data import BoxedImages
from bitspike.detection import Boxes, Head
from bitspike.detection.found import found_in_floats
from bitspike.errors import UserError
from bitspike.training.tasks import Detect

__all__ = ["BoxesByStep", "ClassesByStep", "Judge"]

Int = NDArray[np.int64]


class Judge(Protocol):
    """Is told of batches in their order, and then says what it found of all of them."""

    def add(self, up_to_step: Sequence[Int], qann: Sequence[Int], released: NDArray[np.float64]) -> None:
        """A batch.

        Args:
            up_to_step: of each output of the SNN what it adds up to after each step that was run, ``[T, N, ...]``;
                afterwards nothing changes.
            qann: each output of the QANN, ``[N, ...]``.
            released: the share of the image that the SNN has been given after each step.
        """

    def found(self, T: int) -> dict[str, Any]:
        """Attributes of `bitspike.conversion.Equivalence`.

        Args:
            T: steps that are spoken of.
        """


class ClassesByStep:
    """How many samples are classified right.

    Args:
        labels: ``[N]``.
    """

    def __init__(self, labels: NDArray[np.integer]) -> None:
        self.labels = labels
        self.right: list[Int] = []
        self.qann_right = self.seen = 0

    def add(self, up_to_step: Sequence[Int], qann: Sequence[Int], released: NDArray[np.float64]) -> None:
        y = self.labels[self.seen : self.seen + len(qann[0])]
        self.right.append((up_to_step[0].argmax(2) == y).sum(1))
        self.qann_right += int((qann[0].argmax(1) == y).sum())
        self.seen += len(y)

    def found(self, T: int) -> dict[str, Any]:
        right = np.sum([_held(each, T) for each in self.right], axis=0)
        return {"accuracy": (100 * right / self.seen).tolist(), "qann_accuracy": 100 * self.qann_right / self.seen}


class BoxesByStep:
    """Mean average precision at an IoU of 0.5, and of how many images the boxes are the QANN's.

    Before all of an image has been released, what the network adds up to is read as that share of what it will be:
    distances would be too short by it.

    Args:
        task: what the network was trained for. images: those that the batches are of.
        head: what its outputs mean. scales: value of one unit of each.
    """

    def __init__(self, task: Detect, images: BoxedImages, head: Head, scales: Sequence[float | None]) -> None:
        self.task, self.images, self.head = task, images, head
        if None in scales:
            raise UserError("outputs", "no scale", "want a network whose file says what one unit of each is worth")
        self.scales = [scale for scale in scales if scale is not None]
        self.boxes: list[list[Boxes]] = []
        """Of each image, after each of the steps that were run."""
        self.qann: list[Boxes] = []

    def add(self, up_to_step: Sequence[Int], qann: Sequence[Int], released: NDArray[np.float64]) -> None:
        fitted = self.images.fitted[len(self.qann) : len(self.qann) + len(qann[0])]

        def read(outputs: Sequence[Int], share: float) -> list[Boxes]:
            pairs = zip(outputs, self.scales, strict=True)
            found = found_in_floats([each * (scale / share) for each, scale in pairs], self.head)
            return [box.back(own) for box, own in zip(fitted, found, strict=True)]

        steps = [read([each[t] for each in up_to_step], share) for t, share in enumerate(released)]
        self.boxes += [[step[row] for step in steps] for row in range(len(fitted))]
        self.qann += read(qann, 1.0)

    def found(self, T: int) -> dict[str, Any]:
        last = max(len(steps) for steps in self.boxes)
        at = [[steps[min(t, len(steps) - 1)] for steps in self.boxes] for t in range(last)]
        map50 = np.array([self.task.judged(boxes, self.images).map50 for boxes in at])
        same = sum(_same(steps[-1], wanted) for steps, wanted in zip(self.boxes, self.qann, strict=True))
        qann = self.task.judged(self.qann, self.images).map50
        return {"map50": _held(map50, T).tolist(), "qann_map50": qann, "boxes_equal": same}


def _held(by_step: NDArray[Any], T: int) -> NDArray[Any]:
    """Of ``T`` steps: what the last that was run has, all behind it have."""
    return np.concatenate([by_step, np.full(T - len(by_step), by_step[-1])])


def _same(ours: Boxes, theirs: Boxes) -> bool:
    """Whether two lists are the same boxes, classes and scores, in the same order."""
    pairs = ((ours.xyxy, theirs.xyxy), (ours.labels, theirs.labels), (ours.scores, theirs.scores))
    return all(np.array_equal(one, other) for one, other in pairs if one is not None and other is not None)
