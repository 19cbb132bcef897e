"""To find boxes: the losses of two kinds of heads, and mean average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bitspike.data import BoxedImages, TrainingDetections, boxed_images
from bitspike.data.scenes import SceneAugments
from bitspike.datasets import Dataset
from bitspike.datasets.detection_sets import classes_of, load_detection, validation_files
from bitspike.detection import Boxes, Head, Letterbox
from bitspike.detection.decode import decode
from bitspike.detection.metric import mean_average_precision
from bitspike.detection.nms import nms
from bitspike.errors import UserError, require
from bitspike.ir import Graph
from bitspike.sample import Sample
from bitspike.training.config import DetectionConfig, TrainConfig
from bitspike.training.evaluate import Counted, at_once, batches
from bitspike.training.tasks.anchors import anchors_loss
from bitspike.training.tasks.points import points_loss
from bitspike.training.tasks.targets import Targets
from bitspike.training.tasks.task import Images, Outputs, Task

__all__ = ["Detect", "Detected"]

MOST_AT_ONCE = 32
"""Images that are run together, as their maps are large."""


@dataclass(frozen=True)
class Detected:
    """Mean average precision in percent: at an IoU of 0.5, and the mean of 0.5 to 0.95.

    Attributes:
        of_class: at an IoU of 0.5, by name; ``None`` of a class that no image has.
        found: the boxes of each image, scored as the head does.
    """

    map50: float
    map5095: float
    of_class: Mapping[str, float | None]
    loss: float | None = None
    counted: Counted = "samples"
    found: tuple[Boxes, ...] = field(default=(), compare=False, repr=False)

    @property
    def percent(self) -> float:
        return self.map50

    def named(self, part: str) -> dict[str, Any]:
        return {f"{part}_map50": round(self.map50, 4), f"{part}_map5095": round(self.map5095, 4)}


class Detect(Task):
    """Boxes with a class.

    Raises:
        UserError: an unknown data set, or what of the config does not fit it.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if config.detection is None:
            raise UserError("detection", None, f"{config.dataset} has boxes; want --set detection.size=[height,width]")
        for key, value, only in (("readout", config.readout, "mean"), ("chunks", config.chunks, None)):
            if value != only:
                raise UserError(key, str(value), f"of boxes want {key}={only}")
        self.settings: DetectionConfig = config.detection
        self.augments = SceneAugments.named(config.augment)
        self.classes = classes_of(config.dataset)
        self.sample = Sample((3, *self.settings.size))

    def load(self, data_dir: Path | None, dataset: Dataset | None = None) -> Images:
        """See `Task.load`; validation images are drawn from those that the set itself has for it, or from all."""
        require("faster_coco_eval", "detect")  # which the first epoch ends with
        config, size = self.config, self.settings.size
        train = load_detection(config.dataset, "train", data_dir, self.settings.wrong)
        own = validation_files(config.dataset, data_dir)
        to_draw = [at for at, file in enumerate(train.files) if file in own] or range(len(train))
        most = min(len(to_draw), len(train) - 1)
        if config.validation_size > most:
            raise UserError("validation_size", config.validation_size, f"want 1 to {most}")
        order = torch.randperm(len(to_draw), generator=torch.Generator().manual_seed(0)).tolist()
        kept = sorted(to_draw[at] for at in order[: config.validation_size])
        rest = sorted(set(range(len(train))) - set(kept))
        if config.train_size is not None:
            if config.train_size > len(rest):
                raise UserError("train_size", config.train_size, f"want at most {len(rest)}")
            rest = rest[: config.train_size]
        validation = boxed_images(train.part(kept), size)
        test = boxed_images(load_detection(config.dataset, "test", data_dir, self.settings.wrong), size)
        return Images(train.part(rest), validation, test)

    def training_set(self, images: Images, device: torch.device) -> TrainingDetections:
        return TrainingDetections(images.train, self.settings.size, self.augments, self.config.seed)

    def check(self, graph: Graph) -> None:
        """Refuses other maps than the head's."""
        self.head([edge.shape for edge in graph.outputs])

    def head(self, shapes: Sequence[tuple[int, ...]]) -> Head:
        """What maps of these shapes ``[C, h, w]`` mean.

        Raises:
            UserError: no head has them.
        """
        (height, width), anchors = self.settings.size, self.settings.anchors
        if any(len(shape) == 3 and min(shape) and (height % shape[1] or width % shape[2]) for shape in shapes):
            seen = ", ".join("x".join(map(str, shape[1:])) for shape in shapes)
            wanted = f"want what the strides of all maps divide; here they are {seen}"
            raise UserError("detection.size", self.settings.size, wanted)
        strides = tuple(height // shape[1] if len(shape) == 3 and 0 < shape[1] <= height else 1 for shape in shapes)
        kept = (self.settings.lowest, self.settings.overlap)
        head = Head("anchors" if anchors else "points", self.classes, strides, anchors, *kept)
        head.size_of(shapes)
        return head

    def loss(self, outputs: Outputs, wanted: Any) -> Tensor:
        """Of the boxes of each image ``wanted``, a list of `Boxes` or their `Targets`."""
        maps = self.answers(outputs)
        targets = wanted if isinstance(wanted, Targets) else targets_of(wanted, maps[0].device)
        head = self.head([tuple(each.shape[1:]) for each in maps])
        if head.kind == "points":
            return points_loss(maps, head.strides, targets)
        return anchors_loss(maps, head.strides, head.anchors, targets)

    def distance(self, outputs: Outputs, teacher: Outputs) -> Tensor:
        """Mean squared difference of the maps, as they are before they are read as boxes."""
        pairs = zip(self.answers(outputs), self.answers(teacher), strict=True)
        return torch.stack([F.mse_loss(said, wanted) for said, wanted in pairs]).mean()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, images: BoxedImages) -> Detected:
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        found: list[Boxes] = []
        size = min(MOST_AT_ONCE, at_once(images.sample.T))
        loss = 0.0
        for x in batches(images.images, size, device):
            outputs = self.answers(model(x))
            rows = slice(len(found), len(found) + len(x))
            fitted = images.fitted[rows]
            inside = [box.inside(own) for box, own in zip(fitted, images.boxes[rows], strict=True)]
            loss += len(x) * float(self.loss(tuple(each[None] for each in outputs), inside))
            found += self.found([each.cpu().numpy() for each in outputs], fitted)
        model.train(was_training)
        return self.judged(found, images, loss / len(images))

    def found(self, maps: Sequence[Any], fitted: Sequence[Letterbox]) -> list[Boxes]:
        """The boxes of each image, in pixels of the original, that maps ``[N, C, h, w]`` say."""
        head = self.head([each.shape[1:] for each in maps])
        return [box.back(nms(one, head.overlap)) for box, one in zip(fitted, decode(maps, head), strict=True)]

    def judged(self, found: Sequence[Boxes], images: BoxedImages, loss: float | None = None) -> Detected:
        """How good boxes are that were found in these images."""
        seen = mean_average_precision(found, images.boxes, self.classes)
        of_class = {name: None if part is None else 100 * part for name, part in seen.of_class.items()}
        return Detected(100 * seen.ap50, 100 * seen.ap, of_class, loss, found=tuple(found))


def targets_of(boxes: Sequence[Boxes], device: torch.device | str = "cpu") -> Targets:
    """The boxes of a batch, without those that are to be ignored."""
    kept = [each[~each.ignored] for each in boxes]
    return Targets.of([(torch.from_numpy(each.xyxy), torch.from_numpy(each.labels)) for each in kept], device)
