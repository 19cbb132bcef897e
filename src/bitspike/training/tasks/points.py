"""The loss of heads of points: which points answer for a box, and what they lose."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bitspike.training.tasks.targets import Targets, complete_iou, iou

__all__ = ["points_loss"]

TOP = 10
"""Points that answer for a box, at most (Feng et al. 2021, TOOD, has 13; 10 is what YOLOv8 made usual)."""
FOCUS = 0.75, 2.0
"""Weight and power of points that answer for no box (Zhang et al. 2021, VarifocalNet)."""
BOX_SHARE = 2.0
"""Of what boxes lose, beside what classes lose."""


def points_loss(maps: Sequence[Tensor], strides: Sequence[int], targets: Targets) -> Tensor:
    """Varifocal loss of the classes and complete IoU of the boxes, of points that are aligned with the task.

    Args:
        maps: of each scale ``[N, K + 4, h, w]``, class logits, then distances in strides.
        strides: of each scale, in pixels.
        targets: what is in the images.
    """
    said = [each.float().flatten(2).transpose(1, 2) for each in maps]
    points = [_points(each, stride) for each, stride in zip(maps, strides, strict=True)]
    logits = torch.cat([each[..., :-4] for each in said], 1)
    distances = torch.cat([each[..., -4:] * stride for each, stride in zip(said, strides, strict=True)], 1)
    at = torch.cat(points)
    found = torch.cat([at - distances[..., :2], at + distances[..., 2:]], -1)
    wanted, owner = _assigned(logits.detach(), found.detach(), at, targets)
    total = wanted.sum().clamp_min(1)
    classes = _varifocal(logits, wanted).sum() / total
    image, point = owner.ge(0).nonzero(as_tuple=True)
    truth = targets.xyxy[image, owner[image, point]]
    weight = wanted[image, point].sum(-1)
    boxes = ((1 - complete_iou(found[image, point], truth)) * weight).sum() / total
    return classes + BOX_SHARE * boxes


def _points(scale: Tensor, stride: int) -> Tensor:
    """Where the points of a map are, in pixels: ``[h*w, 2]``, x and y."""
    height, width = scale.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((torch.stack([x, y], -1).flatten(0, 1) + 0.5) * stride).to(scale.device)


def _varifocal(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy with ``wanted``, weighted by it; where that is 0, by how wrong the point is."""
    share, power = FOCUS
    weight = torch.where(wanted > 0, wanted, share * logits.detach().sigmoid() ** power)
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight


@torch.no_grad()
def _assigned(logits: Tensor, found: Tensor, at: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """What each point should say of each class ``[N, A, K]``, and which box it answers for ``[N, A]``; -1 for none.

    How well a point is aligned with a box is ``score^(1/2) IoU^6`` (TOOD, with the powers of YOLOv8). Of the points
    inside a box the best aligned answer for it; one that is in several is the box's that it overlaps
    most. The best of a box should score what the best of its boxes overlaps, others less, as they are aligned.
    """
    wanted, owner = torch.zeros_like(logits), torch.full(logits.shape[:2], -1, device=logits.device)
    if targets.labels.shape[1] == 0:
        return wanted, owner
    sides = targets.xyxy[:, :, None]
    inside = targets.there[..., None] & (sides[..., :2] < at).all(-1) & (at < sides[..., 2:]).all(-1)  # [N, M, A]
    overlap = iou(sides, found[:, None]) * inside
    classes = targets.labels[..., None].expand(-1, -1, len(at))
    scores = logits.sigmoid().transpose(1, 2).gather(1, classes)
    aligned, points = (scores.sqrt() * (overlap * overlap.square()).square()).topk(min(TOP, len(at)), -1)
    overlap = torch.where(aligned > 0, overlap.gather(2, points), 0)
    most = torch.zeros_like(logits[..., 0]).scatter_reduce_(1, points.flatten(1), overlap.flatten(1), "amax")
    theirs = (overlap > 0) & (overlap == _at(most, points))
    count = targets.labels.shape[1]
    number = torch.arange(count, device=at.device)[:, None].expand_as(points)
    first = torch.full_like(owner, count).scatter_reduce_(
        1, points.flatten(1), torch.where(theirs, number, count).flatten(1), "amin"
    )
    owner = torch.where(first < count, first, owner)
    theirs &= number == _at(owner, points)
    aligned, overlap = aligned * theirs, overlap * theirs
    share = aligned / aligned.amax(-1, keepdim=True).clamp_min(1e-9) * overlap.amax(-1, keepdim=True)
    of_point = torch.zeros_like(most).scatter_reduce_(1, points.flatten(1), share.flatten(1), "amax")
    label = targets.labels.gather(1, owner.clamp_min(0))
    return wanted.scatter_(2, label[..., None], of_point[..., None]), owner


def _at(each: Tensor, points: Tensor) -> Tensor:
    """What each point ``[N, A]`` has, for every box's points ``[N, M, top]``."""
    return each.gather(1, points.flatten(1)).view_as(points)
