"""Recipes that find boxes. Each is a function that returns a complete config; ``--set`` edits it.

``yolo-tiny-bccd`` learns directly, in low bits; ``bitspike convert spikezip-yolo-tiny-bccd`` trains the same network of
ReLUs (``-ann``), fine-tunes it with quantized ReLUs, converts it and compares the two, box for box. Epochs, rates and
augmentation are ours: ten minutes on one core. First layer and heads have 8-bit weights, as they have in most low-bit
networks (Zhou et al. 2016, DoReFa).

The recipes of YOLOv3 are paper 003's networks, data and ReLUs. Its appendix with all else is not public: SGD 1e-3 with
momentum 0.9 and weight decay 5e-4, anchors and the sizes of images are those of darknet's ``yolov3.cfg``. Its authors
start from weights of ImageNet, which we do not have.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import MultiBitSettings, QReLUSettings, ReLUSettings
from bitspike.training import DetectionConfig, OptimizerConfig, TrainConfig
from bitspike.training.methods import PathsEnsembleSettings

__all__ = [
    "spikezip_yolo_tiny_bccd",
    "spikezip_yolo_tiny_bccd_ann",
    "spikezip_yolov3_coco",
    "spikezip_yolov3_coco_ann",
    "spikezip_yolov3_voc",
    "spikezip_yolov3_voc_ann",
    "yolo_tiny_bccd",
]

_ENDS = {name: {"w": 8} for name in ("stem.0.0.0", "fine_head.0", "coarse_head.0")}
_ANCHORS = (
    ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
    ((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    ((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
)
"""Of YOLOv3, for images of 416x416 pixels."""


def yolo_tiny_bccd() -> TrainConfig:
    """Blood cells (BCCD), found by a tiny network of multi-bit spikes: for one core."""
    return TrainConfig(
        recipe="yolo-tiny-bccd",
        dataset="bccd",
        model="yolo-tiny",
        bits=Bits(2, 2, 1),
        layers=_ENDS,
        neuron=MultiBitSettings(surrogate_function="atan"),
        detection=DetectionConfig(size=(240, 320)),
        augment=("scale0.25", "translate0.15", "flip", "updown", "hsv"),
        validation_size=87,
        epochs=60,
        batch_size=16,
        optimizer=OptimizerConfig(lr=2e-3, weight_decay=0.05, warmup_epochs=3),
    )


def spikezip_yolo_tiny_bccd_ann() -> TrainConfig:
    """The same network of ReLUs, in floats."""
    changes = {"recipe": "spikezip-yolo-tiny-bccd-ann", "bits": Bits(16, 16, 1), "layers": {}, "neuron": ReLUSettings()}
    return yolo_tiny_bccd().model_copy(update=changes)


def spikezip_yolo_tiny_bccd() -> TrainConfig:
    """SpikeZIP on blood cells: for one core."""
    return _qann(spikezip_yolo_tiny_bccd_ann(), 8, 20, 8)


def spikezip_yolov3_voc_ann() -> TrainConfig:
    """YOLOv3 of ReLUs on PASCAL VOC (published mAP@0.5 77.55, as QANN), for a GPU."""
    return _yolov3("voc", 100)


def spikezip_yolov3_voc() -> TrainConfig:
    """SpikeZIP as published: YOLOv3 on PASCAL VOC, for a GPU."""
    return _qann(spikezip_yolov3_voc_ann(), 8, 30)


def spikezip_yolov3_coco_ann() -> TrainConfig:
    """YOLOv3 of ReLUs on COCO (published mAP@0.5 52.10, as QANN), for a GPU."""
    return _yolov3("coco", 273)


def spikezip_yolov3_coco() -> TrainConfig:
    """SpikeZIP as published: YOLOv3 on COCO, for a GPU."""
    return _qann(spikezip_yolov3_coco_ann(), 8, 50)


def _yolov3(data: str, epochs: int) -> TrainConfig:
    return TrainConfig(
        recipe=f"spikezip-yolov3-{data}-ann",
        dataset=data,
        model="yolov3",
        bits=Bits(16, 16, 1),
        neuron=ReLUSettings(),
        detection=DetectionConfig(size=(416, 416), anchors=_ANCHORS),
        augment=("mosaic0.5", "scale0.3", "translate0.1", "flip", "hsv"),
        validation_size=500,
        epochs=epochs,
        batch_size=64,
        optimizer=OptimizerConfig(kind="sgd", lr=1e-3, weight_decay=5e-4, warmup_epochs=1),
        tensorboard=True,
    )


def _qann(ann: TrainConfig, levels: int, epochs: int, weight_bits: int = 16) -> TrainConfig:
    """The network of quantized ReLUs, with sub-paths of a half and a quarter of the levels; it has nothing to re-route.

    Darknet adds what neurons have sent, which re-routing would make of it.
    """
    changes = {
        "recipe": ann.recipe.removesuffix("-ann"),
        "bits": Bits(weight_bits, levels.bit_length(), 1),
        "neuron": QReLUSettings(levels=levels, paths=(levels // 2, levels // 4)),
        "methods": {"paths-ensemble": PathsEnsembleSettings()},
        "epochs": epochs,
        "optimizer": ann.optimizer.model_copy(update={"lr": ann.optimizer.lr / 10, "warmup_epochs": 0}),
    }
    return ann.model_copy(update=changes)
