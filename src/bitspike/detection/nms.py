"""Of boxes that show the same thing one stays: greedy non-maximum suppression, class by class."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitspike.detection.boxes import Boxes
from bitspike.errors import UserError

__all__ = ["as_iou", "kept_rows", "nms"]

_DENOMINATOR = 1000


def as_iou(value: float | Fraction) -> Fraction:
    """A threshold as a fraction, whose denominator is at most 1000: integers are compared with it exactly.

    Raises:
        UserError: it is below 0 or above 1.
    """
    if not 0 <= value <= 1:
        raise UserError("iou", float(value), "want a number of 0 to 1")
    return Fraction(value).limit_denominator(_DENOMINATOR)


def nms(boxes: Boxes, iou: float | Fraction) -> Boxes:
    """The boxes that stay, the surest first.

    Raises:
        UserError: boxes without scores, or no such threshold.
    """
    if boxes.scores is None:
        raise UserError("boxes", "no scores", "want boxes that a network has found")
    return boxes[kept_rows(boxes.xyxy.astype(np.float64), boxes.labels, boxes.scores, iou)]


def kept_rows(
    xyxy: NDArray[Any], labels: NDArray[np.int64], scores: NDArray[Any], iou: float | Fraction
) -> NDArray[np.int64]:
    """Which boxes stay, the surest first; of equally sure ones that of the lower index.

    They are taken in that order. One stays if with none of its class that stayed before it has
    ``intersection / union > iou``, which is compared as ``intersection * q > union * p`` for ``iou = p / q``: exactly,
    where corners are integers.

    Args:
        xyxy: ``[M, 4]`` in numbers of any kind; int64, below ``2**20``, is exact.
    """
    bound = as_iou(iou)
    order = np.argsort(-scores, kind="stable")
    sides = (xyxy[:, 2:] - xyxy[:, :2]).clip(0)
    areas = sides[:, 0] * sides[:, 1]
    open_, kept = np.ones(len(order), bool), []
    for place, row in enumerate(order):
        if not open_[place]:
            continue
        kept.append(int(row))
        rest = order[place + 1 :]
        low, high = np.maximum(xyxy[row, :2], xyxy[rest, :2]), np.minimum(xyxy[row, 2:], xyxy[rest, 2:])
        across, down = (high - low).clip(0).T
        shared = across * down
        same = shared * bound.denominator > (areas[row] + areas[rest] - shared) * bound.numerator
        open_[place + 1 :] &= ~(same & (labels[rest] == labels[row]))
    return np.array(kept, np.int64)
