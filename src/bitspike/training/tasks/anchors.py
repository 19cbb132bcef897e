"""The loss of heads of anchors: YOLOv3's (Redmon & Farhadi 2018, Section 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bitspike.training.tasks.targets import Targets, iou

__all__ = ["anchors_loss"]

IGNORED_ABOVE = 0.5
"""IoU with some box of the image above which a place that answers for none may say that there is an object."""

Anchors = Sequence[Sequence[tuple[float, float]]]


def anchors_loss(maps: Sequence[Tensor], strides: Sequence[int], anchors: Anchors, targets: Targets) -> Tensor:
    """What boxes, objectness and classes lose, added up for each image; the mean of the images.

    The anchor whose shape is most like a box answers for it, at the place in which its centre lies. Centres lose
    cross-entropy, sides squared error of their logarithm, both more in small boxes, by ``2 - area`` as in the authors'
    code (darknet); objectness and each class lose cross-entropy.

    Args:
        maps: of each scale ``[N, A (5 + K), h, w]``: of each anchor x, y, width, height, objectness, class logits.
        strides: of each scale, in pixels.
        anchors: of each scale ``A`` widths and heights, in pixels.
        targets: what is in the images.
    """
    shapes = torch.tensor([list(each) for each in anchors], device=maps[0].device, dtype=torch.float32)
    chosen = _best_anchor(targets.xyxy, shapes)
    size = torch.tensor([maps[0].shape[3], maps[0].shape[2]], device=maps[0].device) * strides[0]
    total = maps[0].new_zeros((), dtype=torch.float32)
    for scale, (said, stride) in enumerate(zip(maps, strides, strict=True)):
        per_anchor = said.float().unflatten(1, (len(anchors[scale]), -1)).permute(0, 1, 3, 4, 2)
        total = total + _scale_loss(per_anchor, stride, shapes[scale], chosen - scale * shapes.shape[1], targets, size)
    return total / len(maps[0])


def _best_anchor(xyxy: Tensor, shapes: Tensor) -> Tensor:
    """Of each box ``[N, M]`` the anchor, counted over all scales, that overlaps it most if their centres are one."""
    sides = (xyxy[..., 2:] - xyxy[..., :2]).unsqueeze(2)
    centred = torch.cat([-sides, sides], -1) / 2
    every = shapes.flatten(0, 1)
    return iou(centred, torch.cat([-every, every], -1) / 2).argmax(2)


def _scale_loss(said: Tensor, stride: int, shapes: Tensor, anchor: Tensor, targets: Targets, size: Tensor) -> Tensor:
    """What one scale loses, added up.

    Args:
        said: ``[N, A, h, w, 5 + K]``. shapes: of its anchors ``[A, 2]``.
        anchor: of each box the one that answers for it; below 0, or above its anchors, where it is another scale's.
        size: width and height of the image.
    """
    height, width = said.shape[2:4]
    own = targets.there & (anchor >= 0) & (anchor < len(shapes))
    image, box = own.nonzero(as_tuple=True)
    xyxy, kind = targets.xyxy[image, box], anchor[image, box]
    centre, sides = (xyxy[:, :2] + xyxy[:, 2:]) / (2 * stride), xyxy[:, 2:] - xyxy[:, :2]
    column, row = (centre[:, axis].long().clamp(0, most - 1) for axis, most in enumerate((width, height)))
    at = said[image, kind, row, column]
    small = 2 - (sides / size).prod(-1, keepdim=True)
    offset = (centre - torch.stack([column, row], -1)).clamp(0, 1)
    centres = F.binary_cross_entropy_with_logits(at[:, :2], offset, reduction="none")
    logs = (at[:, 2:4] - (sides / shapes[kind]).clamp_min(1e-6).log()).square() / 2
    wanted = torch.zeros_like(said[..., 4])
    wanted[image, kind, row, column] = 1
    counts = (wanted > 0) | ~_overlaps(said.detach(), stride, shapes, targets)
    objects = F.binary_cross_entropy_with_logits(said[..., 4], wanted, reduction="none")[counts]
    classes = F.one_hot(targets.labels[image, box], said.shape[-1] - 5).to(at.dtype)
    of_classes = F.binary_cross_entropy_with_logits(at[:, 5:], classes, reduction="none")
    return ((centres + logs) * small).sum() + objects.sum() + of_classes.sum()


def _overlaps(said: Tensor, stride: int, shapes: Tensor, targets: Targets) -> Tensor:
    """Where the box that is said overlaps one of the image's by more than `IGNORED_ABOVE`: ``[N, A, h, w]``."""
    y, x = torch.meshgrid(*(torch.arange(side, device=said.device) for side in said.shape[2:4]), indexing="ij")
    centre = (said[..., :2].sigmoid() + torch.stack([x, y], -1)) * stride
    half = said[..., 2:4].clamp(max=8).exp() * shapes.view(1, -1, 1, 1, 2) / 2
    found = torch.cat([centre - half, centre + half], -1)
    over = torch.zeros_like(said[..., 0], dtype=torch.bool)
    for box, there in zip(targets.xyxy.unbind(1), targets.there.unbind(1), strict=True):  # one after another: memory
        over |= (iou(found, box.view(-1, 1, 1, 1, 4)) > IGNORED_ABOVE) & there.view(-1, 1, 1, 1)
    return over
