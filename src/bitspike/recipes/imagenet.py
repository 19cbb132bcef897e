"""Recipes on ImageNet and TinyImageNet, whose pictures are read while they are trained on; for a GPU.

- 000: Spikformer-8-512 after its authors (AdamW 5e-4, weight decay 0.05, label smoothing 0.1, RandAugment, erasing,
  mixup 0.8 and CutMix 1, 300 epochs); SEW-ResNet-34 as SEW is trained (SGD 0.1, momentum 0.9, 320 epochs). The paper
  names no batch: 256 here.
- 001: ResNet-34 (SEW), start at 4/4/1, SGD 0.1, batch 512, 200 epochs, penalties 8e-2, 8e-2, 1e-2.
- 002: VGG16 on TinyImageNet, T = 4, with Adam. Its learning rate of 0.1 looks wrong for that: 1e-3 here.

What is cut out of a picture is its middle, and a crop of 28 pixels of padding (8 of TinyImageNet's 64) stands for the
random part of each picture that others train on.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.recipes import adaptive, qsnn, transformers
from bitspike.training import OptimizerConfig, TrainConfig

__all__ = [
    "adaptive_sew_resnet34_imagenet",
    "qsnn_vgg16_tiny_imagenet",
    "sew_resnet34_imagenet",
    "spikformer_8_512_imagenet",
]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CROP = ("crop28", "flip")
_HELD_OUT = 10_000


def spikformer_8_512_imagenet() -> TrainConfig:
    """Paper 000 as published: Spikformer-8-512 on ImageNet, for several GPUs."""
    changes = {
        "recipe": "spikformer-8-512-imagenet",
        "dataset": "imagenet",
        "model": "spikformer-8-512",
        "bits": Bits(8, 4, 1),
        "augment": (*_CROP, "rand-m9-n1", "erase0.25", "mixup0.8", "cutmix1"),
        "mean": _MEAN,
        "std": _STD,
        "validation_size": _HELD_OUT,
        "batch_size": 256,
        "optimizer": OptimizerConfig(lr=5e-4, weight_decay=0.05, warmup_epochs=5),
    }
    return transformers.spikformer_4_384_cifar10().model_copy(update=changes)


def sew_resnet34_imagenet() -> TrainConfig:
    """Paper 000 as published: SEW-ResNet-34 on ImageNet, for several GPUs."""
    return TrainConfig(
        recipe="sew-resnet34-imagenet",
        dataset="imagenet",
        model="sew-resnet34",
        bits=Bits(8, 8, 1),
        augment=_CROP,
        mean=_MEAN,
        std=_STD,
        validation_size=_HELD_OUT,
        epochs=320,
        batch_size=256,
        optimizer=OptimizerConfig(kind="sgd", lr=0.1, weight_decay=0),
        tensorboard=True,
    )


def adaptive_sew_resnet34_imagenet() -> TrainConfig:
    """Paper 001 as published: ResNet-34 with learned bits on ImageNet, for several GPUs."""
    changes = {
        "recipe": "adaptive-sew-resnet34-imagenet",
        "dataset": "imagenet",
        "augment": _CROP,
        "mean": _MEAN,
        "std": _STD,
        "validation_size": _HELD_OUT,
        "batch_size": 512,
    }
    return adaptive.adaptive_sew_resnet34_cifar100().model_copy(update=changes)


def qsnn_vgg16_tiny_imagenet() -> TrainConfig:
    """Q-SNN as published: VGG16 on TinyImageNet, for a GPU."""
    changes = {
        "recipe": "qsnn-vgg16-tiny-imagenet",
        "dataset": "tiny-imagenet",
        "augment": ("crop8", "flip", "autoaugment", "cutout16"),
        "validation_size": _HELD_OUT,
        "optimizer": OptimizerConfig(lr=1e-3, weight_decay=1e-4),
    }
    return qsnn.qsnn_vgg16_cifar10().model_copy(update=changes)
