"""Mean average precision, by `faster-coco-eval`.

It is COCO's metric, and the numbers are not ours: of the two kept libraries, `faster-coco-eval` (Apache-2.0) and
`pycocotools` (BSD), the first is taken because it is faster, and says nothing where nobody asks. Both give the same
numbers, which a test compares, need NumPy alone, and come as wheels.

Source: T.-Y. Lin et al., *Microsoft COCO: Common Objects in Context*, ECCV 2014; precision is averaged over 101
recalls, of at most 100 boxes an image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from bitspike.detection.boxes import Boxes
from bitspike.errors import UserError, require

__all__ = ["Precision", "mean_average_precision"]

MOST_BOXES = 100
"""Those of an image that count, the surest."""


class Precision(NamedTuple):
    """How good boxes are, 0 to 1.

    Args:
        ap50: mean over classes of the average precision at an intersection over union of 0.5.
        ap: the mean of that over 0.5, 0.55, ... 0.95.
        of_class: ``ap50`` of each class by its name, ``None`` of one that no image has.
    """

    ap50: float
    ap: float
    of_class: dict[str, float | None]


def mean_average_precision(found: Sequence[Boxes], wanted: Sequence[Boxes], classes: Sequence[str]) -> Precision:
    """Compares what was found in each image with what is there.

    Args:
        found: of each image, with scores.
        wanted: of each image; those to be ignored are neither right nor wrong.
        classes: their names.

    Raises:
        UserError: `faster-coco-eval` is missing, the numbers of images differ, or no image has a box that is wanted.
    """
    if len(found) != len(wanted):
        raise UserError("boxes", f"those of {len(found)} images", f"want {len(wanted)}, one for each image")
    if not any((~boxes.ignored).any() for boxes in wanted):
        raise UserError("boxes", "none in any image", "want some to be found: without them precision has no meaning")
    library: Any = require("faster_coco_eval", "detect")
    truth = library.COCO(_truth(wanted, classes))
    results = _results(found)
    if not results:  # which the library does not take
        present = {int(label) for boxes in wanted for label in boxes.labels[~boxes.ignored]}
        return Precision(0.0, 0.0, {name: 0.0 if label in present else None for label, name in enumerate(classes)})
    judge = library.COCOeval_faster(truth, truth.loadRes(results), "bbox", print_function=lambda *_: None)
    judge.params.maxDets = [1, 10, MOST_BOXES]
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][..., 0, -1]  # [iou, recall, class], of boxes of any area
    return summary(precision, classes)


def summary(precision: Any, classes: Sequence[str]) -> Precision:
    """The means of COCO's array of precisions ``[iou, recall, class]``, in which -1 stands for no box wanted."""
    there = [label for label in range(len(classes)) if (precision[..., label] > -1).all()]
    means = precision.mean(1)  # [iou, class]
    of_class = {name: float(means[0, label]) if label in there else None for label, name in enumerate(classes)}
    return Precision(
        math.fsum(means[0, label] for label in there) / len(there),
        math.fsum(means[:, there].ravel()) / means[:, there].size,
        of_class,
    )


def _truth(wanted: Sequence[Boxes], classes: Sequence[str]) -> dict[str, Any]:
    """COCO's file, as a value: numbers of images, classes and boxes begin at 1."""
    annotations: list[dict[str, Any]] = []
    for image, boxes in enumerate(wanted, 1):
        for xyxy, label, area, ignored in zip(boxes.xyxy, boxes.labels, boxes.area, boxes.ignored, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(label) + 1,
                    "bbox": _xywh(xyxy),
                    "area": float(area),
                    "iscrowd": int(ignored),
                }
            )
    return {
        "info": {},
        "images": [{"id": image} for image in range(1, len(wanted) + 1)],
        "categories": [{"id": label, "name": name} for label, name in enumerate(classes, 1)],
        "annotations": annotations,
    }


def _results(found: Sequence[Boxes]) -> list[dict[str, Any]]:
    rows = []
    for image, boxes in enumerate(found, 1):
        if boxes.scores is None:
            raise UserError("boxes", "no scores", "want boxes that a network has found")
        for xyxy, label, score in zip(boxes.xyxy, boxes.labels, boxes.scores, strict=True):
            rows.append({"image_id": image, "category_id": int(label) + 1, "bbox": _xywh(xyxy), "score": float(score)})
    return rows


def _xywh(xyxy: Any) -> list[float]:
    left, top, right, bottom = (float(edge) for edge in xyxy)
    return [left, top, right - left, bottom - top]
