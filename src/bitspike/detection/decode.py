"""Raw outputs to boxes, in pixels of the network's input.

Of `Head.kind` ``points``, at the cell in column ``i`` and row ``j`` of an output of stride ``s``:

    left = s (i + 1/2) - s l,   top = s (j + 1/2) - s t,   right = s (i + 1/2) + s r,   bottom = s (j + 1/2) + s b

The class is the first largest logit, and that logit is the score. Of ``anchors``, with the anchor ``(w, h)``:

    centre = s (i + sigmoid(tx), j + sigmoid(ty)),   sides = (w exp(tw), h exp(th)),
    score of class k = sigmoid(object) sigmoid(logit[k])

as published (arXiv:1804.02767, section 2.1), each class with a score high enough being a box of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bitspike.detection.boxes import Boxes
from bitspike.detection.head import Head
from bitspike.errors import UserError

__all__ = ["decode", "in_probability", "logit"]

Array = NDArray[np.floating]
_HIGHEST = 30.0  # exp(30) anchors reach out of every image; more would overflow


def decode(outputs: Sequence[NDArray[np.floating]], head: Head, lowest: float | None = None) -> list[Boxes]:
    """The boxes of each image, with area, cut off at its border, in the order of outputs, anchors, rows and columns.

    Args:
        outputs: real numbers ``[N, C, H, W]``, one for each stride.
        head: what they mean.
        lowest: probability below which there is no box, 0 to 1; by default the head's.

    Raises:
        UserError: they are not the outputs of such a head.
    """
    size = head.size_of([output.shape[1:] for output in outputs])
    if not all(np.isfinite(output).all() for output in outputs):
        raise UserError("outputs", "numbers that are not finite", "the network has diverged, or its input is damaged")
    lowest = head.lowest if lowest is None else lowest
    read = _points if head.kind == "points" else _anchors
    images: list[Boxes] = []
    for number in range(len(outputs[0])):
        own = [np.asarray(output[number], np.float64) for output in outputs]
        parts = [read(one, place, head, lowest) for place, one in enumerate(own)]
        xyxy, labels, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        boxes = Boxes(xyxy.astype(np.float32), labels, scores).clipped(size)
        images.append(boxes[boxes.area > 0])
    return images


def in_probability(boxes: Boxes, head: Head) -> Boxes:
    """Boxes with scores of 0 to 1: the logits of ``points`` through a sigmoid, those of ``anchors`` as they are."""
    if boxes.scores is None or head.kind == "anchors":
        return boxes
    return replace(boxes, scores=_sigmoid(boxes.scores).astype(np.float64))


def logit(chance: float) -> float:
    """The number whose sigmoid is ``chance``.

    Raises:
        UserError: it is below 0 or above 1.
    """
    if not 0 <= chance <= 1:
        raise UserError("lowest score", chance, "want a probability, 0 to 1")
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(chance)) - np.log1p(-np.float64(chance)))


def _points(output: Array, place: int, head: Head, lowest: float) -> tuple[Array, NDArray[np.int64], Array]:
    logits, distances = output[: head.num_classes].reshape(head.num_classes, -1), output[-4:].reshape(4, -1)
    labels = logits.argmax(0)
    scores = logits.max(0)
    x, y = middles(output.shape[1:], head.strides[place])
    left, top, right, bottom = distances * head.strides[place]
    xyxy = np.stack((x - left, y - top, x + right, y + bottom), 1)
    kept = scores >= logit(lowest)
    return xyxy[kept], labels[kept], scores[kept]


def middles(cells: tuple[int, ...], stride: int) -> tuple[Array, Array]:
    """Horizontal and vertical place of the middle of every cell, row after row."""
    rows, columns = np.indices(cells).reshape(2, -1)
    return np.multiply(columns + 0.5, stride), np.multiply(rows + 0.5, stride)


def _anchors(output: Array, place: int, head: Head, lowest: float) -> tuple[Array, NDArray[np.int64], Array]:
    anchors, stride = np.array(head.anchors[place]), head.strides[place]
    raw = output.reshape(len(anchors), head.num_classes + 5, -1)
    rows, columns = np.indices(output.shape[1:]).reshape(2, -1)
    x, y = (columns + _sigmoid(raw[:, 0])) * stride, (rows + _sigmoid(raw[:, 1])) * stride
    sides = np.exp(raw[:, 2:4].clip(None, _HIGHEST)) * anchors[:, :, None] / 2
    xyxy = np.stack((x - sides[:, 0], y - sides[:, 1], x + sides[:, 0], y + sides[:, 1]), -1)
    scores = (_sigmoid(raw[:, 4:5]) * _sigmoid(raw[:, 5:])).transpose(0, 2, 1)  # [anchor, cell, class]
    anchor, cell, label = np.nonzero(scores >= lowest)
    return xyxy[anchor, cell], label, scores[anchor, cell, label]


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -np.asarray(x, np.float64)))
