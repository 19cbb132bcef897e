"""Recipes of paper 001: networks that learn the weight bits, spike bits and time steps of each layer.

``bits=2/2/1 methods.learned-bits=null`` is the uniform twin of each. As published: start at 4/4/2, SGD 0.1
(0.01 for time steps), momentum 0.9, weight decay 1e-4 on weights only, cosine, batch 128, 200 epochs, AutoAugment and
Cutout. The paper trains SEW-ResNet34 on ImageNet (`bitspike.recipes.imagenet`); the recipe here is on CIFAR-100, with
ImageNet's start (4/4/1) and penalties.
"""

from __future__ import annotations

from bitspike.bits import Bits
from bitspike.neurons import AdaptiveSettings
from bitspike.quant import AdaptiveWeightsSettings
from bitspike.training import MethodSettings, OptimizerConfig, TrainConfig
from bitspike.training.methods import LearnedBitsSettings

__all__ = [
    "adaptive_resnet8_thin_fashion",
    "adaptive_resnet18_cifar10",
    "adaptive_resnet20_cifar10",
    "adaptive_resnet20_thin_cifar10",
    "adaptive_sew_resnet34_cifar100",
]


def _learned(penalty: tuple[float, float, float], renewal_epochs: int) -> dict[str, MethodSettings]:
    return {
        "learned-bits": LearnedBitsSettings(
            target=(2, 2, 1), penalty=penalty, renewal_epochs=renewal_epochs, time_steps_lr=1e-2
        )
    }


def _published(recipe: str, model: str) -> TrainConfig:
    return TrainConfig(
        recipe=recipe,
        dataset="cifar10",
        model=model,
        bits=Bits(4, 4, 2),
        neuron=AdaptiveSettings(tau=1.0, squeeze=True),
        quantizer=AdaptiveWeightsSettings(),
        methods=_learned((4e-2, 4e-2, 1e-2), 14),
        augment=("crop4", "flip", "autoaugment", "cutout16"),
        validation_size=2000,
        epochs=200,
        optimizer=OptimizerConfig(kind="sgd", lr=0.1, weight_decay=1e-4),
        tensorboard=True,
    )


def adaptive_resnet20_cifar10() -> TrainConfig:
    """Paper 001 as published: its wide ResNet20, for a GPU."""
    return _published("adaptive-resnet20-cifar10", "pre-resnet20")


def adaptive_resnet18_cifar10() -> TrainConfig:
    """Paper 001 as published: ResNet18, for a GPU."""
    return _published("adaptive-resnet18-cifar10", "pre-resnet18")


def adaptive_sew_resnet34_cifar100() -> TrainConfig:
    """Paper 001's SEW-ResNet34 (published on ImageNet) on CIFAR-100, for a GPU."""
    changes = {"dataset": "cifar100", "bits": Bits(4, 4, 1), "methods": _learned((8e-2, 8e-2, 1e-2), 7)}
    return _published("adaptive-sew-resnet34-cifar100", "pre-sew-resnet34").model_copy(update=changes)


def _thin(recipe: str, model: str, dataset: str, augment: tuple[str, ...]) -> TrainConfig:
    """20 epochs are 9,000 steps where 200 of CIFAR-10 are 78,000: the pull towards the target is stronger."""
    methods = _learned((0.2, 0.2, 1.0), 2)
    changes = {"dataset": dataset, "augment": augment, "epochs": 20, "methods": methods}
    return _published(recipe, model).model_copy(update=changes)


def adaptive_resnet8_thin_fashion() -> TrainConfig:
    """Learned bits on Fashion-MNIST: a thin ResNet8 for two cores."""
    return _thin("adaptive-resnet8-thin-fashion", "pre-resnet8-thin", "fashion-mnist", ("flip",))


def adaptive_resnet20_thin_cifar10() -> TrainConfig:
    """Learned bits on CIFAR-10: a thin ResNet20 for two cores."""
    return _thin("adaptive-resnet20-thin-cifar10", "pre-resnet20-thin", "cifar10", ("crop4", "flip"))
