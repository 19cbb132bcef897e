"""The boxes of a batch as tensors, and how well two boxes agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Targets", "complete_iou", "iou"]

EPS = 1e-7


@dataclass(frozen=True)
class Targets:
    """The boxes of ``N`` images, of which the one with the most has ``M``.

    Attributes:
        xyxy: ``[N, M, 4]``, in pixels of the network's input. labels: ``[N, M]``.
        there: ``bool [N, M]``; where it is not, an image has fewer.
    """

    xyxy: Tensor
    labels: Tensor
    there: Tensor

    @classmethod
    def of(cls, boxes: list[tuple[Tensor, Tensor]], device: torch.device | str = "cpu") -> Targets:
        """Of each image's boxes ``[m, 4]`` and labels ``[m]``."""
        most = max((len(labels) for _, labels in boxes), default=0)
        xyxy = torch.zeros(len(boxes), most, 4)
        labels = torch.zeros(len(boxes), most, dtype=torch.int64)
        for image, (sides, classes) in enumerate(boxes):
            xyxy[image, : len(classes)], labels[image, : len(classes)] = sides, classes
        counts = torch.tensor([len(classes) for _, classes in boxes], dtype=torch.int64)
        there = torch.arange(most) < counts[:, None]
        return cls(xyxy.to(device), labels.to(device), there.to(device))


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes ``[..., 4]``, as far as their axes broadcast."""
    return _overlap(a, b)[0]


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU, less what centres and proportions are apart (Zheng et al. 2020, CIoU); 1 is the same box."""
    overlap, enclosing = _overlap(a, b)
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    width_a, height_a, width_b, height_b = *_sides(a), *_sides(b)
    angles = torch.atan(width_b / (height_b + EPS)) - torch.atan(width_a / (height_a + EPS))
    shape = (4 / math.pi**2) * angles.square()
    with torch.no_grad():
        weight = shape / (1 - overlap + shape + EPS)
    diagonal = enclosing.square().sum(-1) + EPS
    return overlap - apart / diagonal - weight * shape


def _sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height; none, where the right side is left of the left one."""
    width, height = (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).unbind(-1)
    return width, height


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU, and width and height of the smallest box round both ``[..., 2]``."""
    inside = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0).prod(-1)
    (width_a, height_a), (width_b, height_b) = _sides(a), _sides(b)
    united = width_a * height_a + width_b * height_b - inside + EPS
    enclosing = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    return inside / united, enclosing
